"""The nouns of a sequence in memory: camera, ego motion, frame, track, sequence.

Axes: vehicle frame of ISO 8855 (x forward, y left, z up, metres, origin on the ground under the
rear axle); camera frame x right, y down, z forward; world frame z up. ``a_T_b`` takes points of
frame b to frame a.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""
SemanticMap: TypeAlias = NDArray[np.uint8]
"""(H, W) uint8, ids of the label set that its sequence declares."""
InstanceMap: TypeAlias = NDArray[np.uint16]
"""(H, W) uint16: ``label_id * 1000 + index`` for things, ``label_id`` for stuff."""
Flow: TypeAlias = NDArray[np.float32]
"""(H, W, 2) float32 backward flow in pixels, dx then dy: previous(x + flow(x)) ≈ current(x)."""
Mask: TypeAlias = NDArray[np.uint8]
"""(H, W) uint8 of 0 and 1. Occlusion: 1 = occluded. Validity: 1 = valid."""
Transform: TypeAlias = NDArray[np.float64]
"""(4, 4) float64 rigid transform of homogeneous column vectors."""

RgbLevels: TypeAlias = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

Flag: TypeAlias = Literal["given", "interpolated", "estimated", "assumed"]
"""How a calibration or pose came to be known."""

INSTANCE_BASE = 1000
"""Instance ids of things are ``label_id * INSTANCE_BASE + index``."""

FRAME_LAYERS = ("image", "semantic", "instance", "flow", "occlusion", "confidence", "provenance")
"""The picture layers of a frame, by the name of their field and of their column in a store."""

REPAIRED = 252
"""Provenance of pixels of a recorded frame that were drawn to fit its edited labels."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera fixed to the vehicle."""

    intrinsics: NDArray[np.float64]
    """(3, 3) in pixels of a frame of ``size_hw``; pixel centres lie at whole numbers."""
    cam_T_vehicle: Transform
    size_hw: tuple[int, int]
    flag: Flag = "given"

    def resized(self, size_hw: tuple[int, int]) -> "Camera":
        """Return this camera for frames resampled to another size (pixel centres kept in place)."""
        scale_y = size_hw[0] / self.size_hw[0]
        scale_x = size_hw[1] / self.size_hw[1]
        scaling = np.array(
            [
                [scale_x, 0.0, (scale_x - 1) / 2],
                [0.0, scale_y, (scale_y - 1) / 2],
                [0.0, 0.0, 1.0],
            ]
        )
        return Camera(scaling @ self.intrinsics, self.cam_T_vehicle, size_hw, self.flag)


@dataclass(frozen=True)
class EgoMotion:
    """How the vehicle moves at one frame."""

    speed_mps: float
    yaw_rate_rps: float
    """Positive to the left."""
    flag: Flag = "given"
    world_T_vehicle: Transform | None = None
    """The pose, where one is known."""


@dataclass(frozen=True)
class EncodedImage:
    """The picture file's own bytes, kept so that a lossy source is not coded twice."""

    data: bytes
    path: str
    """File name with extension, such as ``aachen_000000_000000_leftImg8bit.jpg``."""


@dataclass(frozen=True)
class Frame:
    """One time step with its layers; None is a layer that is absent or was not asked for."""

    frame_index: int
    """From 0 without gaps."""
    timestamp_us: int
    image: Image | None = None
    semantic: SemanticMap | None = None
    instance: InstanceMap | None = None
    flow: Flow | None = None
    """None in frame 0, which has no previous frame."""
    flow_validity: Mask | None = None
    """1 where ``flow`` is known; None means everywhere."""
    occlusion: Mask | None = None
    confidence: NDArray[np.uint8] | None = None
    """(H, W) uint8, 255 = certain."""
    provenance: NDArray[np.uint8] | None = None
    """(H, W) uint8: 0 untouched, 1..250 edit index, 251 inferred fill, 252 repaired reference,
    253 rejected by the gate, 255 void."""
    camera: Camera | None = None
    ego: EgoMotion | None = None
    source: str = ""
    """Where the frame came from: a file, a video and its position, a world and its seed."""
    source_frame: int | None = None
    """Its number there; gaps of the source show here."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Who predicted what: layer → estimator with the hash of its weights and its settings."""
    is_synthetic: bool = False
    plan_hash: str | None = None
    object_colours: Mapping[int, RgbLevels] = field(default_factory=dict)
    """Colours that edits ask for, by instance id. Plans keep them, stores do not."""
    seed: int | None = None
    encoded_image: EncodedImage | None = None
    """Written instead of ``image`` when given; both show the same picture."""


@dataclass(frozen=True)
class Track:
    """One object over a sequence."""

    instance_id: int
    label_id: int
    first_frame: int
    last_frame: int
    track_id: int
    """64-bit identity, stable across shards and edits."""


@dataclass(frozen=True)
class Sequence:
    """What is known of a whole recording, any length."""

    sequence_id: str
    """Letters, digits, ``.``, ``_`` and ``-``."""
    num_frames: int
    fps: float
    size_hw: tuple[int, int]
    source: str
    """What it was made from; ``street:seed=7`` can be rendered on beyond its end."""
    instance_scope: Literal["sequence", "frame", "none"] = "none"
    """``sequence``: an index is one object throughout. ``frame``: no tracker ran."""
    tracks: tuple[Track, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)
    """Whatever else a reader may want to know, such as hashes of a base store, plan and model."""
