"""A camera from labels alone: the horizon and the camera's height from the cars that are seen.

Cars are about equally high and stand on the ground, so the height of their boxes grows linearly
from the horizon downwards: ``h = scale * (v_foot - v_horizon)`` with ``scale`` = height of a car
over height of the camera. What is measured on the picture needs no focal length: an object of
known height gets the right size in pixels at any row. The focal length is assumed, and distances
ahead are as wrong as it is.
"""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from svsdata.geometry.camera import assumed_camera, camera_centre, mounted_camera, yaw_pitch_roll
from svsdata.labels import LabelSet
from svsdata.randomness import generator
from svsdata.records import INSTANCE_BASE, Camera, InstanceMap, SemanticMap

CarBoxes = NDArray[np.float64]
"""(N, 2): row of the lower edge, and height, in pixels."""

MEAN_CAR_HEIGHT_M = 1.5

MIN_CARS = 20
_MAX_HORIZON_ERROR_SHARE = 0.015
_MAX_SCALE_ERROR = 0.08
_MIN_INLIER_SHARE = 0.6
# Cameras 0.9 to 3.5 m high: cars, vans, lorries.
_SCALES = (0.43, 1.67)

# Edges of labels are 1.5 px off in 512 rows, a good half anywhere; heights of cars differ by 8 %.
_EDGE_NOISE_SHARE, _LEAST_EDGE_NOISE_PX, _HEIGHT_NOISE = 0.003, 0.7, 0.08
_LOWEST_BOX_SHARE, _LOWEST_BOX_PX = 0.015, 6
_NUM_TRIES = 2000
_ITERATIONS = 20
_TUKEY_SIGMA = 4.0

# What makes a box a whole car: one piece, filled, on visible ground.
_PIECE_SHARE, _FILLED_SHARE, _ON_GROUND_SHARE = 0.9, 0.6, 0.5
_FOOT_SHARE = 0.12


def car_boxes(semantic: SemanticMap, instance: InstanceMap, label_set: LabelSet) -> CarBoxes:
    """Find the cars that are seen whole, with their feet on visible ground.

    Args:
        semantic: (H, W) ids of the label set.
        instance: (H, W) of the same frame.
        label_set: Of both.

    Returns:
        One row a car; cars that touch the frame's border are left out.
    """
    height, width = semantic.shape
    car_id = label_set.label("car").id
    is_ground = np.zeros(256, bool)
    is_ground[[*label_set.ground_ids]] = True
    boxes, lowest_box = [], max(_LOWEST_BOX_PX, _LOWEST_BOX_SHARE * height)
    of_cars = range(car_id * INSTANCE_BASE, (car_id + 1) * INSTANCE_BASE)
    places = find_objects(instance.astype(np.int32))
    for instance_id, place in zip(of_cars, places[of_cars.start - 1 :], strict=False):
        if place is None:
            continue
        mask = np.asarray(instance[place] == instance_id, np.uint8)
        _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask)
        piece = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
        left, top, wide, high, area = (int(number) for number in stats[piece])
        x, y = left + place[1].start, top + place[0].start
        touches_border = x == 0 or y == 0 or x + wide == width or y + high == height
        is_whole = area > _PIECE_SHARE * mask.sum() and area > _FILLED_SHARE * wide * high
        if touches_border or not is_whole or high < lowest_box:
            continue
        inside = pieces[top : top + high, left : left + wide] == piece
        lowest = high - 1 - inside[::-1].argmax(axis=0)
        columns = np.flatnonzero(lowest >= high - 1 - _FOOT_SHARE * high)
        # Borders of labels may leave a seam of one pixel.
        below = y + lowest[columns] + np.array([[1], [2]])
        stands = is_ground[semantic[np.minimum(below, height - 1), x + columns]].any(axis=0)
        if stands.mean() >= _ON_GROUND_SHARE:
            boxes.append((y + high - 0.5, high))
    return np.array(boxes, np.float64).reshape(-1, 2)


@dataclass(frozen=True)
class HorizonFit:
    """The line ``h = scale * (v - horizon_row)`` through boxes of cars."""

    horizon_row: float
    scale: float
    """Height of a car over the height of the camera."""
    horizon_error_px: float
    """Standard error; infinite where nothing could be fitted."""
    scale_error: float
    """Standard error, relative."""
    inlier_share: float
    num_cars: int

    @classmethod
    def of_nothing(cls, num_cars: int) -> Self:
        """Return the fit of boxes that allow none."""
        return cls(np.nan, np.nan, np.inf, np.inf, 0.0, num_cars)

    def in_words(self) -> str:
        """Say what was found, for people."""
        return (
            f"{self.num_cars} sights of cars: horizon at row {self.horizon_row:.1f} "
            f"(+-{self.horizon_error_px:.1f}), camera {MEAN_CAR_HEIGHT_M / self.scale:.2f} m high "
            f"(+-{self.scale_error:.1%})"
        )

    def is_trusted(self, height: int) -> bool:
        """Tell whether a camera for frames of that height may be built from it."""
        return (
            self.num_cars >= MIN_CARS
            and self.inlier_share >= _MIN_INLIER_SHARE
            and self.horizon_error_px <= _MAX_HORIZON_ERROR_SHARE * height
            and self.scale_error <= _MAX_SCALE_ERROR
            and _SCALES[0] <= self.scale <= _SCALES[1]
            and 0.1 * height <= self.horizon_row <= 0.9 * height
        )


def fit_horizon(
    boxes: CarBoxes, height: int, moments: NDArray[np.integer] | None = None
) -> HorizonFit:
    """Fit horizon and scale to boxes of cars, robust against half-hidden and odd ones.

    The best of many lines through two boxes is refined by weighted least squares; the weights
    follow the noise of a box: 8 % of its height and a pixel or two of each edge. One car that is
    seen in many frames errs in all of them alike, so the errors are at least those by moments
    (cluster-robust: Liang and Zeger 1986, times G / (G - 1) for G moments).

    Args:
        boxes: Of any number of frames of one camera.
        height: Of the frames, in pixels.
        moments: (N,) numbers, of boxes that show about the same cars the same; None: of each box
            its own.
    """
    rows, heights = boxes.T
    edge_px = max(_LEAST_EDGE_NOISE_PX, _EDGE_NOISE_SHARE * height)
    started = _best_of_pairs(rows, heights, edge_px)
    if started is None:
        return HorizonFit.of_nothing(len(boxes))
    slope, offset = started
    design = np.stack([rows, np.ones_like(rows)], axis=1)
    for _ in range(_ITERATIONS):
        expected = slope * rows + offset
        noise = np.hypot(_HEIGHT_NOISE * np.maximum(expected, 0.0), edge_px)
        misfit = (heights - expected) / noise / _TUKEY_SIGMA
        weights = np.square(np.clip(1 - np.square(misfit), 0, None)) / np.square(noise)
        normal = design.T @ (weights[:, None] * design)
        if np.count_nonzero(weights) < 3 or np.linalg.cond(normal) > 1e12:
            return HorizonFit.of_nothing(len(boxes))
        slope, offset = np.linalg.solve(normal, design.T @ (weights * heights))
    covariance = np.linalg.inv(normal)
    pulls = design * (weights * (heights - expected))[:, None]
    clustered = _clustered(covariance, pulls, np.arange(len(boxes)) if moments is None else moments)
    gradient = np.array([offset / slope**2, -1 / slope])
    horizon, relative = (
        max(float(np.sqrt(along @ it @ along)) for it in (covariance, clustered))
        for along in (gradient, np.array([1 / slope, 0.0]))
    )
    return HorizonFit(
        horizon_row=float(-offset / slope),
        scale=float(slope),
        horizon_error_px=horizon,
        scale_error=relative,
        inlier_share=float(np.mean(np.abs(misfit) < 1)),
        num_cars=len(boxes),
    )


def _clustered(
    covariance: NDArray[np.float64], pulls: NDArray[np.float64], moments: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return the (2, 2) covariance of a fit whose (N, 2) pulls add up within moments."""
    numbers, moment = np.unique(moments, return_inverse=True)
    sums = np.zeros((len(numbers), 2))
    np.add.at(sums, moment, pulls)
    few = len(numbers) / max(len(numbers) - 1, 1)
    spread: NDArray[np.float64] = few * covariance @ (sums.T @ sums) @ covariance
    return spread


def camera_of_horizon(fit: HorizonFit, size_hw: tuple[int, int]) -> Camera:
    """Build the camera that sees the horizon and the cars where they were found.

    Args:
        fit: Of boxes in frames of that size.
        size_hw: Height and width of the frames.

    Returns:
        Flagged ``estimated``: its pitch and height. Focal length, yaw and place on the vehicle
        are the assumed camera's, and the road is taken to be level across.
    """
    assumed = assumed_camera(size_hw)
    x, y, _ = camera_centre(assumed)
    yaw, _, _ = yaw_pitch_roll(assumed)
    focal_px, centre_row = assumed.intrinsics[1, 1], assumed.intrinsics[1, 2]
    pitch = float(np.arctan((centre_row - fit.horizon_row) / focal_px))
    return mounted_camera(
        assumed.intrinsics,
        size_hw,
        position_m=(float(x), float(y), MEAN_CAR_HEIGHT_M / fit.scale),
        yaw_pitch_roll_rad=(yaw, pitch, 0.0),
        flag="estimated",
    )


def _best_of_pairs(
    rows: NDArray[np.float64], heights: NDArray[np.float64], edge_px: float
) -> tuple[float, float] | None:
    """Slope and offset of the line through two boxes that most boxes are near to."""
    if len(rows) < 3:
        return None
    one, other = generator(0, "horizon", len(rows)).integers(len(rows), size=(2, _NUM_TRIES))
    apart = rows[one] - rows[other]
    slopes = (heights[one] - heights[other]) / np.where(apart == 0, np.inf, apart)
    is_possible = (np.abs(apart) > 2 * edge_px) & (slopes > _SCALES[0]) & (slopes < _SCALES[1])
    slopes, one = slopes[is_possible], one[is_possible]
    if not slopes.size:
        return None
    offsets = heights[one] - slopes * rows[one]
    noise = np.hypot(_HEIGHT_NOISE * heights, edge_px)
    misfit = np.abs(heights - slopes[:, None] * rows - offsets[:, None]) / noise
    best = int(np.minimum(misfit, 3.0).sum(axis=1).argmin())
    return float(slopes[best]), float(offsets[best])
