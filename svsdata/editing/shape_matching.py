"""Borrow the outline of a real object: which donor, at which of its moments, drawn where.

An inserted object borrows one track of a library: for each of its frames the silhouette seen from
about the same side and distance, in an order that never goes back, so that the outline does not
jump.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.placement import Poses
from svsdata.editing.shape_library import DonorTrack, ShapeLibrary
from svsdata.editing.shapes import Silhouette, placed, silhouette
from svsdata.editing.solids import Part, Points
from svsdata.geometry.camera import camera_centre, ground_points, project
from svsdata.images import decode_map, encode_png
from svsdata.records import Camera

# What counts as a small difference: of the side that is seen, of the distance. A donor that was
# nearer only loses detail; one that was farther away has none.
_VIEW_RAD, _LOG_DEPTH, _NEARER_COSTS = np.deg2rad(15.0), np.log(1.5), 0.25
_PACE_COST = 0.05
_MAX_MEAN_COST = 1.5
_MAX_HEIGHT_RATIO = 1.25
_NEAR_M = 1.0


@dataclass(frozen=True, eq=False)
class Match:
    """Which silhouettes of a track an object borrows."""

    track: DonorTrack
    mirrored: bool
    moments: NDArray[np.int64]
    """(n,) index into the track's moments for each frame of the object, in one direction."""
    cost: float
    """Mean over the frames; 1 is a side 15 degrees off."""

    def borrowed(self, fits: NDArray[np.float64] | None = None) -> "BorrowedShape":
        """Return what an object draws.

        Args:
            fits: (n, 3) as of ``BorrowedShape``, before a track is mirrored; None: each as high as
                the solid, in its place.
        """
        used, mask_of_frame = np.unique(self.moments, return_inverse=True)
        masks = [self.track.mask(int(moment)) for moment in used]
        own = np.tile(AS_THE_SOLID, (len(self.moments), 1)) if fits is None else fits
        return BorrowedShape(
            donor=self.track.name,
            licence=self.track.licence,
            masks=tuple(
                encode_png(np.ascontiguousarray(mask[:, ::-1] if self.mirrored else mask))
                for mask in masks
            ),
            mask_of_frame=mask_of_frame.astype(np.int64),
            fits=np.round(own * (1, -1, 1) if self.mirrored else own, 6),
        )


AS_THE_SOLID = (1.0, 0.0, 0.0)
"""How a donor's silhouette fits: as high as the solid, where that stands."""


@dataclass(frozen=True, eq=False)
class BorrowedShape:
    """The silhouettes of a donor that one object draws, complete without the library."""

    donor: str
    """Dataset, sequence and instance id."""
    licence: str
    masks: tuple[bytes, ...]
    """k PNG files of 0 and 255, cut to the object."""
    mask_of_frame: NDArray[np.int64]
    """(n,) which mask each frame draws."""
    fits: NDArray[np.float64]
    """(n, 3) how high each frame's mask is drawn, how far right of the solid's middle its own lies,
    and how far below the solid's lowest row, as shares of the solid's height on the screen."""

    @classmethod
    def none(cls) -> "BorrowedShape":
        """Return the shape of what borrows none."""
        return cls("", "", (), np.zeros(0, np.int64), np.zeros((0, 3)))

    @property
    def fits_its_solid(self) -> bool:
        """Whether all masks are drawn as high as the solid and where that stands."""
        return bool((self.fits == AS_THE_SOLID).all())

    def drawn(
        self, step: int, camera: Camera, parts: tuple[Part, ...], pose: Points
    ) -> Silhouette | None:
        """Draw the silhouette of a frame where a solid stands, as it fits to the solid.

        Beside the camera, where nobody knows what a donor would show, the solid itself is drawn.

        Args:
            step: Frame of the object, from 0.
            camera: Where to.
            parts: The solid, of one class.
            pose: (3,) x, y in metres and heading in radians, vehicle frame.

        Returns:
            None where nothing of it falls into the frame.
        """
        stand = stand_of(camera, parts, pose)
        if stand is None:
            return silhouette(camera, parts, (parts[0].class_name,), pose)
        index = int(self.mask_of_frame[step])
        stand = stand.fitted(self.fits[step])
        mask = np.asarray(decode_map(self.masks[index], f"silhouette of {self.donor}"), np.uint8)
        return borrowed_silhouette(mask, stand, camera.size_hw)


def best_match(
    library: ShapeLibrary,
    class_name: str,
    views_rad: NDArray[np.float64],
    depths_m: NDArray[np.float64],
    height_m: float,
) -> Match | None:
    """Find the donor whose moments fit an object's way best.

    Args:
        library: Where to look.
        class_name: Of the object.
        views_rad: (n,) heading minus bearing of the object, frame by frame.
        depths_m: (n,) z-depth of its nearest contact with the ground.
        height_m: Of the object; donors of quite another height are left out.

    Returns:
        The cheapest match; None where no donor comes near.
    """
    best: Match | None = None
    for track in library.tracks:
        ratio = max(track.height_m / height_m, height_m / track.height_m)
        if track.class_name != class_name or ratio > _MAX_HEIGHT_RATIO:
            continue
        for mirrored in (False, True):
            costs = _costs(track, mirrored, views_rad, depths_m)
            for backwards in (False, True):
                moments, cost = monotone_path(costs[:, ::-1] if backwards else costs)
                if cost <= _MAX_MEAN_COST and (best is None or cost < best.cost):
                    moments = costs.shape[1] - 1 - moments if backwards else moments
                    best = Match(track, mirrored, moments, cost)
    return best


def _costs(
    track: DonorTrack,
    mirrored: bool,
    views_rad: NDArray[np.float64],
    depths_m: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(n, m) how badly each moment suits each frame."""
    donor = -track.view_rad if mirrored else track.view_rad
    turned = (views_rad[:, None] - donor + np.pi) % (2 * np.pi) - np.pi
    farther = np.log(track.depth_m / depths_m[:, None])
    scale = np.where(farther > 0, 1.0, _NEARER_COSTS)
    costs = np.square(turned / _VIEW_RAD) + scale * np.square(farther / _LOG_DEPTH)
    return np.asarray(costs, np.float64)


def monotone_path(costs: NDArray[np.float64]) -> tuple[NDArray[np.int64], float]:
    """Choose a column for each row, never a lower one than before: dynamic time warping.

    Args:
        costs: (n, m).

    Returns:
        (n,) columns of least total cost, every step but that to the next column costing a little,
        so that legs go on walking; and the mean cost without steps.
    """
    count, width = costs.shape
    ramp = _PACE_COST * np.arange(width)
    total = costs[0].copy()
    came_from = np.zeros((count, width), np.int64)
    for row in range(1, count):
        ready = total - ramp
        least = np.minimum.accumulate(ready)
        behind = np.maximum.accumulate(np.where(ready <= least, np.arange(width), 0))
        stays, leaps = total + _PACE_COST, np.full(width, np.inf)
        leaps[1:] = least[:-1] + ramp[:-1]
        came_from[row] = np.where(stays < leaps, np.arange(width), np.roll(behind, 1))
        total = np.minimum(stays, leaps) + costs[row]
    path = np.zeros(count, np.int64)
    path[-1] = int(total.argmin())
    for row in range(count - 1, 0, -1):
        path[row - 1] = came_from[row, path[row]]
    return path, float(costs[np.arange(count), path].mean())


@dataclass(frozen=True)
class Stand:
    """Where an object stands on the screen."""

    middle_column: float
    lowest_row: float
    """Of its nearest contact with the ground, pixel centres at whole numbers."""
    height_px: float
    depth_m: float
    """z-depth of that contact."""

    def fitted(self, fit: NDArray[np.float64]) -> "Stand":
        """Return where a mask goes that fits like that, (3,) as of ``BorrowedShape``, to it."""
        height, right, below = (fit * self.height_px).tolist()
        return Stand(self.middle_column + right, self.lowest_row + below, height, self.depth_m)

    def fit_of(self, box: tuple[int, int, int, int]) -> NDArray[np.float64]:
        """Return how a mask fits, (3,), that a box (x, y, width, height) of pixels holds."""
        x, y, wide, high = box
        # Edges of pixels lie half a pixel before their centres.
        middle, lowest = x + wide / 2 - 0.5, y + high - 0.5
        off = (high, middle - self.middle_column, lowest - self.lowest_row)
        return np.array(off) / self.height_px


def stand_of(camera: Camera, parts: tuple[Part, ...], pose: Points) -> Stand | None:
    """Find where a solid stands on the screen, also beyond the frame's border.

    Args:
        camera: Where to.
        parts: Of the solid.
        pose: (3,) x, y in metres and heading in radians, vehicle frame.

    Returns:
        None where part of it is beside or behind the camera.
    """
    corners = placed(np.concatenate([part.points for part in parts]), pose)
    u, v, depth = project(camera, corners).T
    if depth.min() < _NEAR_M:
        return None
    middle, lowest = (u.min() + u.max()) / 2, v.max()
    contact_m = ground_points(camera, np.array([middle, lowest]))[2]
    return Stand(float(middle), float(lowest), float(lowest - v.min()), float(contact_m))


def views_of(camera: Camera, poses: Poses) -> NDArray[np.float64]:
    """Return heading minus bearing of (n, 3) poses in the vehicle frame, (n,) radians."""
    offset = poses[:, :2] - camera_centre(camera)[:2]
    return np.asarray(poses[:, 2] - np.arctan2(offset[:, 1], offset[:, 0]))


def borrowed_silhouette(
    mask: NDArray[np.uint8], stand: Stand, size_hw: tuple[int, int]
) -> Silhouette | None:
    """Draw a donor's silhouette where another object stands.

    Args:
        mask: (h, w), 255 inside.
        stand: Where its lowest row and its middle go, and how high it becomes.
        size_hw: Of the frame.

    Returns:
        With one class; None where nothing of it falls into the frame.
    """
    high, wide = mask.shape
    scale = stand.height_px / high
    # Edges of pixels lie half a pixel before their centres.
    left = stand.middle_column + 0.5 - scale * wide / 2
    top = stand.lowest_row + 0.5 - scale * high
    x0, y0 = max(0, int(np.floor(left))), max(0, int(np.floor(top)))
    x1 = min(size_hw[1], int(np.ceil(left + scale * wide)))
    y1 = min(size_hw[0], int(np.ceil(top + scale * high)))
    if x0 >= x1 or y0 >= y1:
        return None
    # A silhouette that shrinks is smoothed first, so that it does not shimmer.
    margin = 2 + int(np.ceil(1 / scale))
    padded = cv2.copyMakeBorder(mask, *(margin,) * 4, cv2.BORDER_CONSTANT, value=[0])
    if scale < 1:
        padded = cv2.GaussianBlur(padded, (0, 0), 0.4 / scale)
    columns = (np.arange(x0, x1) + 0.5 - left) / scale - 0.5 + margin
    rows = (np.arange(y0, y1) + 0.5 - top) / scale - 0.5 + margin
    u, v = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    drawn = cv2.remap(padded, u, v, cv2.INTER_LINEAR)
    part_index = np.asarray(drawn >= 128, np.uint8)
    return Silhouette(x0, y0, part_index) if part_index.any() else None
