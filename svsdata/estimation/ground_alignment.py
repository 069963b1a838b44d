"""Flow of the ground, whose plane is aligned as one piece.

Asphalt has little texture and moves fast: of a patch of it alone an estimator often says that it
stands still, in both directions. A road is nearly a plane, whose picture moves by a homography, and
its markings, kerbs and cracks together tell that one to a fraction of a pixel: by the enhanced
correlation coefficient (Evangelidis and Psarakis 2008, as OpenCV has it), begun with the step of
the vehicle, of some, that makes the pictures most alike.
"""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.flow import leaves_frame, warp
from svsdata.geometry.camera import ground_homography, horizon_row
from svsdata.geometry.ego_motion import step_homographies
from svsdata.geometry.epipolar import fit_rotation
from svsdata.images import grey_levels
from svsdata.labels import LabelSet
from svsdata.records import Camera, Flow, Frame, Image, Mask

Homography = NDArray[np.float64]
"""(3, 3), takes (u, v, 1) of the current frame to a multiple of (u, v, 1) in the one before."""

Layer = TypeVar("Layer", Flow, Mask)

GROUND_ALIGNED = "ground aligned"
"""What ``Frame.models`` says of a flow that this became of."""

_WIDTH_PX, _TRIED_WIDTH_PX = 512, 256
"""Frames are aligned, and beginnings tried, at these widths, or their own where that is less."""
_TRIED_STEPS_M = np.arange(-0.5, 4.01, 0.25)
"""Of the vehicle between two frames; single pixels do not tell it where most of them are wrong."""
_LEAST_SHARE = 0.01
_BLUR_PX = 3
_COARSE = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 15, 1e-4)
_FINE = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 20, 1e-5)
_NEAR_PX, _MOVES_OVER_IT = 5, 8.0
"""What is so many levels off around a pixel after the coarse search is left out of the fine one."""
_LEAST_CORRELATION = 0.3
# Shades wider than that stay where they are: reflections, the sky's light, the lens' dark corners.
_SHADE_PX = 15
# Mean difference of grey levels around a pixel, of 255: what the plane may be worse by than the
# estimator, and by how much it may be off at all. Kerbs, bonnets and vehicles are not of the plane.
_WINDOW_PX = 9
_WORSE_BY, _OFF_BY = 1.0, 10.0


def with_ground_aligned(
    previous: Image, frame: Frame, camera: Camera, label_set: LabelSet
) -> Frame:
    """Return the frame with the plane's flow where that explains the picture of flat ground.

    There the flow is known and no pixel is occluded. All others stay as they are, and so does a
    frame whose ground is hardly seen or cannot be aligned.

    Args:
        previous: (H, W, 3) the picture before.
        frame: With image, semantic map, estimated flow and, perhaps, its validity and occlusion.
        camera: Of the frame.
        label_set: Of the semantic map; roads, sidewalks, parking and rails are flat.
    """
    assert frame.image is not None
    assert frame.flow is not None
    assert frame.semantic is not None
    size_hw = frame.semantic.shape
    is_flat = np.zeros(256, bool)
    is_flat[[*label_set.flat_ids]] = True
    rows = slice(min(max(0, int(horizon_row(camera)) + 1), size_hw[0]), size_hw[0])
    ground = is_flat.take(frame.semantic[rows]).astype(np.uint8)
    if np.count_nonzero(ground) < _LEAST_SHARE * frame.semantic.size:
        return frame
    before, now = grey_levels(previous), grey_levels(frame.image)
    turned = fit_rotation(frame.flow, camera)
    steps = [(step, turned.turn_rad, turned.pitch_step_rad) for step in _TRIED_STEPS_M]
    starts = step_homographies(camera, np.array(steps)) @ np.linalg.inv(ground_homography(camera))
    down = np.array([[1.0, 0, 0], [0, 1, rows.start], [0, 0, 1]])
    up = np.linalg.inv(down)
    aligned = _aligned(before[rows], now[rows], ground, up @ starts @ down)
    if aligned is None:
        return frame
    flow = homography_flow(down @ aligned @ up, size_hw)
    window = (rows, slice(None))
    off, estimated = (
        _difference(warp(before, it, window=window), now[rows], ground) for it in (flow, frame.flow)
    )
    own = (ground != 0) & (off <= estimated + _WORSE_BY) & (off <= _OFF_BY)
    own &= leaves_frame(flow)[rows] == 0
    return replace(
        frame,
        flow=_replaced(frame.flow, rows, own, flow[rows]),
        flow_validity=_replaced(frame.flow_validity, rows, own, np.ones_like(ground)),
        occlusion=_replaced(frame.occlusion, rows, own, np.zeros_like(ground)),
    )


def homography_flow(homography: Homography, size_hw: tuple[int, ...]) -> Flow:
    """Return the (H, W, 2) backward flow of a plane; out of the frame where it is not in view."""
    height, width = size_hw
    u, v = np.arange(width, dtype=np.float32)[None], np.arange(height, dtype=np.float32)[:, None]
    # Right below the camera the ground is in view, so that this depth is positive.
    nearest = homography[2] @ (width / 2, height - 1, 1)
    x, y, z = (
        row[0] * u + row[1] * v + row[2] for row in (homography / nearest).astype(np.float32)
    )
    flow = np.full((height, width, 2), -2.0 * max(size_hw), np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        np.subtract(x / z, u, out=flow[..., 0], where=z > 0)
        np.subtract(y / z, v, out=flow[..., 1], where=z > 0)
    return flow


def _aligned(
    before: NDArray[np.uint8],
    now: NDArray[np.uint8],
    ground: NDArray[np.uint8],
    starts: NDArray[np.float64],
) -> Homography | None:
    """Align two (H, W) grey pictures where ``now`` shows ground; None where they do not agree.

    Args:
        before: The earlier one.
        now: The later one.
        ground: 1 where it shows ground.
        starts: (N, 3, 3) homographies of which the best is the beginning.
    """
    small = _Textures.of(before, now, ground, _TRIED_WIDTH_PX)
    start = max(starts, key=small.correlation)
    large = _Textures.of(before, now, ground, _WIDTH_PX)
    try:
        coarse = large.refined(start, _COARSE)
        if large.correlation(coarse) < _LEAST_CORRELATION:
            return None
        return large.without_what_moves(coarse).refined(coarse, _FINE)
    except cv2.error:  # the pictures are flat, or hardly overlap
        return None


@dataclass(frozen=True)
class _Textures:
    """Two pictures of one size without their shades, to be aligned."""

    before: NDArray[np.float32]
    now: NDArray[np.float32]
    ground: NDArray[np.uint8]
    """1 where ``now`` shows ground."""
    scale: Homography
    """Takes pixels of the whole pictures to those of these."""

    @classmethod
    def of(
        cls,
        before: NDArray[np.uint8],
        now: NDArray[np.uint8],
        ground: NDArray[np.uint8],
        width: int,
    ) -> "_Textures":
        """Shrink (H, W) pictures to a width; corners stay corners."""
        share = min(1.0, width / now.shape[1])
        size_wh = [max(1, round(share * side)) for side in now.shape[::-1]]
        scale = np.diag([size_wh[0] / now.shape[1], size_wh[1] / now.shape[0], 1.0])
        scale[:2, 2] = (scale.diagonal()[:2] - 1) / 2
        small = [cv2.resize(it, size_wh, interpolation=cv2.INTER_AREA) for it in (before, now)]
        mask = cv2.resize(ground, size_wh, interpolation=cv2.INTER_AREA)
        return cls(_texture(small[0]), _texture(small[1]), np.asarray(mask, np.uint8), scale)

    def correlation(self, homography: Homography) -> float:
        """Return how alike the pictures are where both show ground, -1 to 1; -1 of nothing."""
        inside = np.asarray(self._gathered(np.ones_like(self.ground), homography), np.uint8)
        gathered = self._gathered(self.before, homography)
        alike = cv2.computeECC(self.now, gathered, self.ground & inside)
        return float(np.nan_to_num(alike, nan=-1.0))

    def without_what_moves(self, homography: Homography) -> "_Textures":
        """Leave out of the ground what a homography does not explain, as vehicles' shadows."""
        apart = cv2.absdiff(self._gathered(self.before, homography), self.now)
        off = cv2.blur(apart, (_NEAR_PX, _NEAR_PX))
        return replace(self, ground=self.ground & np.asarray(off < _MOVES_OVER_IT, np.uint8))

    def _gathered(self, picture: NDArray[Any], homography: Homography) -> NDArray[Any]:
        own = self.scale @ homography @ np.linalg.inv(self.scale)
        flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
        size_wh = self.now.shape[::-1]
        return np.asarray(cv2.warpPerspective(picture, own, size_wh, flags=flags))

    def refined(self, homography: Homography, criteria: tuple[int, int, float]) -> Homography:
        """Return the homography near one that makes the pictures most alike.

        Raises:
            cv2.error: If there is none.
        """
        back = np.linalg.inv(self.scale)
        # OpenCV masks the picture that is gathered: it looks for the way from the one before.
        forward = np.linalg.inv(self.scale @ homography @ back)
        _, found = cv2.findTransformECC(
            self.before, self.now, (forward / forward[2, 2]).astype(np.float32),
            cv2.MOTION_HOMOGRAPHY, criteria, self.ground, _BLUR_PX,
        )  # fmt: skip
        return np.asarray(back @ np.linalg.inv(np.asarray(found, np.float64)) @ self.scale)


def _texture(picture: NDArray[Any]) -> NDArray[np.float32]:
    levels = picture.astype(np.float32)
    return np.asarray(levels - cv2.blur(levels, (_SHADE_PX, _SHADE_PX)), np.float32)


def _replaced(
    layer: Layer | None, rows: slice, own: NDArray[np.bool_], values: Layer
) -> Layer | None:
    """Return a copy of a layer with other values at some pixels of its lower rows."""
    if layer is None:
        return None
    layer = layer.copy()
    np.copyto(layer[rows], values, where=own if values.ndim == 2 else own[..., None])
    return layer


def _difference(
    warped: NDArray[np.uint8], now: NDArray[np.uint8], ground: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Return the mean difference of (H, W) grey levels in windows, of their ground alone."""
    off = cv2.absdiff(warped, now).astype(np.float32) * ground
    window = (_WINDOW_PX, _WINDOW_PX)
    share = cv2.blur(ground.astype(np.float32), window)
    return np.asarray(cv2.blur(off, window) / np.maximum(share, 1e-6), np.float32)
