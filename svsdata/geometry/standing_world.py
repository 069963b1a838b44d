"""Colours of the standing world, kept while something hides them: each point is coloured once.

Where the camera's motion is known, the flow of what stands still tells its depth. A point is put
into the world the first time that two frames show it, with the colour of the earlier one; from
then on it is moved along with the vehicle and painted where it comes to lie, whatever has passed
before it meanwhile (the guidance images of world-consistent vid2vid, from flow instead of a point
cloud).

# N points, H, W
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.geometry.camera import ego_step
from svsdata.geometry.triangulation import depth_equations, lines_before
from svsdata.labels import LabelSet
from svsdata.records import Camera, EgoMotion, Frame, Image, Mask, Transform

_MIN_PARALLAX_PX = 1.0
"""Less would not tell depth: stores keep flow to 1/128 pixel, estimators are off by more."""
_AGREES_PX = 1.0
"""Largest distance between the flow of a frame and that of a point that stands still."""
_RIM = np.ones((5, 5), np.uint8)
"""Around a pixel: so near to what moves, or to what comes into view, colours are mixed."""
_NEAREST_M = 0.5
_POINTS_PER_PIXEL = 3
"""Most points of a world, over the pixels of a frame: what bounds its memory."""


@dataclass(frozen=True)
class StandingWorld:
    """What is remembered of the standing world after a frame."""

    points: NDArray[np.float32]
    """(N, 3) metres, in the vehicle frame of that frame."""
    colours: NDArray[np.uint8]
    """(N, 3) RGB."""
    labels: NDArray[np.uint8]
    """(N,) ids."""
    unseen: NDArray[np.uint16]
    """(N,) frames since each was shown."""
    world_T_vehicle: Transform
    """Of that frame; NaN where no pose is known."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return it as named arrays."""
        return dict(vars(self))

    @classmethod
    def from_arrays(cls, named: Mapping[str, NDArray[Any]]) -> "StandingWorld":
        """Return the world that ``arrays`` named."""
        return cls(**{name: named[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Guidance:
    """What a frame should show of what was seen before."""

    image: Image
    """Black where nothing is known."""
    mask: Mask
    """1 where it is known."""


def standing_ids(label_set: LabelSet) -> frozenset[int]:
    """Return the ids of what stands still and has a place: no sky, nobody, no vehicle, no void."""
    categories = ("flat", "construction", "object", "nature")
    return frozenset(label.id for label in label_set.labels if label.category in categories)


def empty_world(ego: EgoMotion | None) -> StandingWorld:
    """Return a world of which nothing was seen, at a first frame."""
    pose = None if ego is None else ego.world_T_vehicle
    return StandingWorld(
        np.empty((0, 3), np.float32),
        np.empty((0, 3), np.uint8),
        np.empty(0, np.uint8),
        np.empty(0, np.uint16),
        np.full((4, 4), np.nan) if pose is None else pose,
    )


def look_on(
    world: StandingWorld,
    frame: Frame,
    previous_image: Image,
    *,
    standing: Collection[int],
    fps: float,
) -> tuple[StandingWorld, Guidance]:
    """Move the world to the next frame, add what two frames have shown now, and paint it.

    Args:
        world: After the frame before.
        frame: The next: its labels, flow, occlusion, camera and ego motion; its image is not read.
        previous_image: (H, W, 3) of the frame before, recorded or drawn.
        standing: Ids of ``standing_ids``.
        fps: Frames a second.

    Returns:
        The world after the frame, and its guidance. Where camera, flow or ego motion are unknown
        everything is forgotten and nothing is known.
    """
    assert frame.semantic is not None
    size_hw = frame.semantic.shape
    camera, ego = frame.camera, frame.ego
    nothing = Guidance(np.zeros((*size_hw, 3), np.uint8), np.zeros(size_hw, np.uint8))
    if camera is None or ego is None or ego.flag == "assumed" or frame.flow is None:
        return empty_world(ego), nothing
    step = _step(world, ego, fps)
    stands = np.isin(frame.semantic, list(standing))
    moved = _moved(world, step, ego)
    shown, wrong = _shown(moved, frame, camera, step)
    shown[~stands] = -1
    unseen = np.minimum(moved.unseen + 1, np.iinfo(np.uint16).max).astype(np.uint16)
    unseen[shown[shown >= 0]] = 0
    clear = cv2.dilate((~stands).astype(np.uint8), _RIM) == 0
    added = _added(frame, camera, step, previous_image, clear & (shown < 0))
    first_new = len(moved.points)
    shown.ravel()[added.pixels] = first_new + np.arange(len(added.pixels))
    points = np.concatenate([moved.points, added.points])
    colours = np.concatenate([moved.colours, added.colours])
    mask = (shown >= 0).astype(np.uint8)
    image = nothing.image
    image[mask > 0] = colours[shown[mask > 0]]
    grown = StandingWorld(
        points,
        colours,
        np.concatenate([moved.labels, frame.semantic.ravel()[added.pixels]]),
        np.concatenate([unseen, np.zeros(len(added.pixels), np.uint16)]),
        moved.world_T_vehicle,
    )
    gone = np.zeros(len(points), bool)
    gone[wrong] = True
    return _kept(grown, gone, camera), Guidance(image, mask)


def _step(world: StandingWorld, ego: EgoMotion, fps: float) -> Transform:
    """Return previous_T_current."""
    if ego.world_T_vehicle is not None and np.isfinite(world.world_T_vehicle).all():
        step: Transform = np.linalg.inv(world.world_T_vehicle) @ ego.world_T_vehicle
        return step
    return ego_step(ego.speed_mps, ego.yaw_rate_rps, 1 / fps)


def _moved(world: StandingWorld, step: Transform, ego: EgoMotion) -> StandingWorld:
    back = np.linalg.inv(step).astype(np.float32)
    points = world.points @ back[:3, :3].T + back[:3, 3]
    pose = empty_world(ego).world_T_vehicle
    return StandingWorld(points, world.colours, world.labels, world.unseen, pose)


def _projected(
    seen_by: NDArray[np.float64], points: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (N, 2) pixels, which mean nothing near the camera's plane, and (N,) z-depths."""
    seen = points @ seen_by[:, :3].T.astype(np.float32) + seen_by[:, 3].astype(np.float32)
    pixels = seen[:, :2] / np.maximum(seen[:, 2:], _NEAREST_M)
    return pixels.astype(np.float32), seen[:, 2]


def _shown(
    world: StandingWorld, frame: Frame, camera: Camera, step: Transform
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which point each pixel shows, (H, W), -1 for none; and points that do not stand still.

    The nearest point is painted, where the pixel has its label and moves as it would.
    """
    assert frame.semantic is not None
    assert frame.flow is not None
    height, width = frame.semantic.shape
    sees = camera.intrinsics @ camera.cam_T_vehicle[:3]
    pixels, depth = _projected(sees, world.points)
    columns, rows = np.rint(pixels.T).astype(np.int64)
    inside = (depth > _NEAREST_M) & (columns >= 0) & (columns < width)
    inside &= (rows >= 0) & (rows < height)
    candidates = np.flatnonzero(inside)
    candidates = candidates[np.argsort(-depth[candidates], kind="stable")]
    shown = np.full(height * width, -1, np.int64)
    shown[rows[candidates] * width + columns[candidates]] = candidates  # the nearest comes last
    places = np.flatnonzero(shown >= 0)
    on_top = shown[places]
    fits = world.labels[on_top] == frame.semantic.ravel()[places]
    before, _ = _projected(sees @ step, world.points[on_top])
    off = before - pixels[on_top] - frame.flow.reshape(-1, 2)[places]
    agrees = np.hypot(*off.T) < _AGREES_PX
    if frame.flow_validity is not None:
        agrees |= frame.flow_validity.ravel()[places] == 0
    shown[places[~(fits & agrees)]] = -1
    return shown.reshape(height, width), on_top[fits & ~agrees]


@dataclass(frozen=True)
class _Added:
    pixels: NDArray[np.int64]
    """(M,) places in the flattened frame."""
    points: NDArray[np.float32]
    colours: NDArray[np.uint8]


def _added(
    frame: Frame, camera: Camera, step: Transform, previous_image: Image, wanted: NDArray[np.bool_]
) -> _Added:
    """Return points for those wanted pixels that the frame before shows and whose depth is told."""
    assert frame.flow is not None
    height, width = wanted.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x, y = columns + frame.flow[..., 0], rows + frame.flow[..., 1]
    good = wanted & (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    if frame.flow_validity is not None:
        good &= frame.flow_validity == 1
    if frame.occlusion is not None:
        good &= cv2.dilate(frame.occlusion, _RIM) == 0
    a, b = lines_before(camera, step)
    slope, offset = depth_equations(a, b, np.stack([x, y], axis=-1))
    inverse = (offset * slope).sum(axis=-1) / np.maximum((slope**2).sum(axis=-1), 1e-9)
    beside = np.hypot(*np.moveaxis(offset - inverse[..., None] * slope, -1, 0))
    parallax = np.hypot(*np.moveaxis(offset, -1, 0)) / a[..., 2]
    good &= (parallax > _MIN_PARALLAX_PX) & (inverse > 0) & (inverse < 1 / _NEAREST_M)
    good &= beside < _AGREES_PX * (a[..., 2] + inverse * b[2])
    pixels = np.flatnonzero(good)
    rays = np.stack([columns.ravel()[pixels], rows.ravel()[pixels], np.ones(len(pixels))], axis=1)
    in_camera = rays @ np.linalg.inv(camera.intrinsics).T / inverse.ravel()[pixels, None]
    vehicle_T_cam = np.linalg.inv(camera.cam_T_vehicle)
    points = in_camera @ vehicle_T_cam[:3, :3].T + vehicle_T_cam[:3, 3]
    gathered: Image = cv2.remap(previous_image, x, y, cv2.INTER_LINEAR)  # type: ignore[assignment]
    colours = gathered.reshape(-1, 3)[pixels]
    return _Added(pixels, points.astype(np.float32), colours)


def _kept(world: StandingWorld, gone: NDArray[np.bool_], camera: Camera) -> StandingWorld:
    """Forget points that are gone or behind, and of too many those that were not seen longest."""
    ahead = world.points @ camera.cam_T_vehicle[2, :3] + camera.cam_T_vehicle[2, 3] > _NEAREST_M
    keep = np.flatnonzero(~gone & ahead)
    most = _POINTS_PER_PIXEL * camera.size_hw[0] * camera.size_hw[1]
    if len(keep) > most:
        keep = np.sort(keep[np.argsort(world.unseen[keep], kind="stable")[:most]])
    return StandingWorld(
        world.points[keep],
        world.colours[keep],
        world.labels[keep],
        world.unseen[keep],
        world.world_T_vehicle,
    )
