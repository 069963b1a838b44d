"""An endless procedural street seen from a moving car, with exact truth for every frame."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from svsdata.geometry.camera import assumed_camera
from svsdata.labels import CITYSCAPES
from svsdata.randomness import generator
from svsdata.records import (
    INSTANCE_BASE,
    Camera,
    EgoMotion,
    Flow,
    Frame,
    Image,
    InstanceMap,
    Mask,
    SemanticMap,
)
from svsdata.street_world.layout import chunk_mesh
from svsdata.street_world.mesh import Mesh, joined
from svsdata.street_world.raster import (
    GROUND,
    Raster,
    backward_flow,
    occlusion_mask,
    rasterize,
    view_of,
)
from svsdata.street_world.road import CHUNK_M, Ground, ground_at, road_of
from svsdata.street_world.shading import shade
from svsdata.street_world.traffic import VIEW_AHEAD_M, VIEW_BEHIND_M, Traffic

MIN_SIDE_PX = 16
MIN_FPS = 2
"""Below, instance ids would come back too early."""
EGO_LANE_M = -1.75
MEAN_SPEED_MPS = 9.0
SKY_ID = CITYSCAPES.by_name["sky"].id


@dataclass(frozen=True)
class StreetFrame:
    """One frame and its truth; ids are those of label set ``cityscapes``."""

    image: Image | None
    """None where only labels were asked for."""
    semantic: SemanticMap
    instance: InstanceMap
    """An object keeps its id; an id is dealt again only over 100 frames after its owner left."""
    depth: NDArray[np.float32]
    """(H, W) z-depth in metres, infinite in the sky."""
    flow: Flow
    """Backward flow, moving objects included; zero in frame 0, which has no previous frame."""
    occlusion: Mask
    """1 where the point was hidden or outside the previous frame; all 1 in frame 0."""
    ego: EgoMotion


@dataclass(frozen=True)
class _Moment:
    """The geometry of one frame."""

    raster: Raster
    ground: Ground
    semantic: SemanticMap
    instance: InstanceMap
    owner: InstanceMap
    motions: NDArray[np.float64]
    footprints: NDArray[np.float32]


class StreetWorld:
    """A street given by a seed; frames are rendered in any order, by any number of threads.

    Example:
        >>> frame = StreetWorld(7, size_hw=(64, 128)).render(100, image=False)
        >>> frame.semantic.shape
        (64, 128)
    """

    def __init__(
        self, seed: int, *, size_hw: tuple[int, int] = (256, 512), fps: float = 10.0
    ) -> None:
        """Draw the world.

        Args:
            seed: Of everything in it.
            size_hw: Height and width of the frames, at least ``MIN_SIDE_PX`` each.
            fps: Frames a second, at least ``MIN_FPS``.

        Raises:
            ValueError: If the size or the rate is too small.
        """
        if min(size_hw) < MIN_SIDE_PX:
            raise ValueError(f"size_hw must be at least {MIN_SIDE_PX} each, got {size_hw}")
        if fps < MIN_FPS:
            raise ValueError(f"fps must be at least {MIN_FPS}, got {fps}")
        self.camera: Camera = replace(assumed_camera(size_hw), flag="given")
        self.fps = fps
        self._view = view_of(self.camera)
        self._road = road_of(seed)
        rng = generator(seed, "speed")
        # Speed varies by 3 m/s in slow waves and 1 m/s in quick ones, and stays above 4 m/s.
        self._pulse = 2 * np.pi / np.array([rng.uniform(33, 47), rng.uniform(9, 13)])
        self._sway = np.array([3.0, 1.0]) / self._pulse
        self._phase = rng.uniform(0, 2 * np.pi, 2)
        self._traffic = Traffic(self._road, self._ego_u, self._arrival_s)
        self._chunk = lru_cache(maxsize=64)(lambda number: chunk_mesh(self._road, number))
        self._standing = lru_cache(maxsize=4)(self._join_standing)
        self._moment = lru_cache(maxsize=4)(self._make_moment)

    def render(self, frame_index: int, *, image: bool = True) -> StreetFrame:
        """Render one frame, a pure function of seed, size, rate and index.

        Args:
            frame_index: From 0, endless.
            image: Whether to paint the picture; without it only labels and geometry are made.

        Raises:
            ValueError: If the index is negative.
        """
        if frame_index < 0:
            raise ValueError(f"frame_index must be at least 0, got {frame_index}")
        moment, ego = self._moment(frame_index), self.ego_motion(frame_index)
        raster = moment.raster
        flow = np.zeros((*self.camera.size_hw, 2), np.float32)
        occlusion = np.ones(self.camera.size_hw, np.uint8)
        if frame_index > 0:
            previous = self._moment(frame_index - 1)
            flow, inverse_depth = backward_flow(
                self._view, raster, previous.raster.to_camera, moment.motions
            )
            occlusion = occlusion_mask(
                flow, moment.owner, inverse_depth, previous.raster, previous.owner
            )
        with np.errstate(divide="ignore"):
            depth = (1 / raster.inverse_depth).astype(np.float32, copy=False)
        picture = None
        if image:
            picture = shade(
                self._view, raster, moment.ground, self._heading(frame_index), moment.footprints
            )
        return StreetFrame(
            picture, moment.semantic.copy(), moment.instance.copy(), depth, flow, occlusion, ego
        )

    def frame(self, frame_index: int, *, image: bool = True) -> Frame:
        """Render one frame as what follows takes it: frame 0, which has no previous, has no flow.

        Args:
            frame_index: From 0, endless.
            image: Whether to paint the picture.

        Raises:
            ValueError: If the index is negative.
        """
        street = self.render(frame_index, image=image)
        return Frame(
            frame_index,
            round(frame_index * 1e6 / self.fps),
            image=street.image,
            semantic=street.semantic,
            instance=street.instance,
            flow=street.flow if frame_index else None,
            occlusion=street.occlusion if frame_index else None,
            camera=self.camera,
            ego=street.ego,
            source_frame=frame_index,
        )

    def ego_motion(self, frame_index: int) -> EgoMotion:
        """Return pose, speed and yaw rate at a frame."""
        time_s = frame_index / self.fps
        u = self._ego_u(time_s)
        heading, curvature = self._heading(frame_index), self._road.curvature(u)
        u_rate = MEAN_SPEED_MPS + float(
            (self._sway * self._pulse * np.cos(self._pulse * time_s + self._phase)).sum()
        )
        centre_speed = u_rate / np.cos(heading)
        return EgoMotion(
            speed_mps=float(centre_speed * (1 - EGO_LANE_M * curvature)),
            yaw_rate_rps=float(centre_speed * curvature),
            flag="given",
            world_T_vehicle=self._road.pose(u, EGO_LANE_M),
        )

    def _heading(self, frame_index: int) -> float:
        return float(self._road.heading(self._ego_u(frame_index / self.fps)))

    def _ego_u(self, time_s: float) -> float:
        waves = self._sway * np.sin(self._pulse * time_s + self._phase)
        return MEAN_SPEED_MPS * time_s + float(waves.sum())

    def _arrival_s(self, u: float) -> float:
        reach = float(self._sway.sum())
        low, high = (u - reach) / MEAN_SPEED_MPS, (u + reach) / MEAN_SPEED_MPS
        for _ in range(24):
            middle = (low + high) / 2
            low, high = (middle, high) if self._ego_u(middle) < u else (low, middle)
        return low

    def _join_standing(self, first: int, last: int) -> Mesh:
        return joined([self._chunk(number) for number in range(first, last + 1)])

    def _make_moment(self, frame_index: int) -> _Moment:
        time_s = frame_index / self.fps
        u = self._ego_u(time_s)
        first, last = (int((u + d) // CHUNK_M) for d in (-VIEW_BEHIND_M, VIEW_AHEAD_M))
        moving, motions, footprints = self._traffic.place_actors(time_s, time_s - 1 / self.fps)
        mesh = joined([self._standing(first, last), moving])
        pose = self._road.pose(u, EGO_LANE_M)
        cam_T_world = self.camera.cam_T_vehicle @ np.linalg.inv(pose)
        raster = rasterize(self._view, mesh, cam_T_world)

        soil = np.flatnonzero(raster.ids.ravel() == GROUND)
        ground = self._ground(soil, pose[:2], u)
        semantic = np.full(self.camera.size_hw, SKY_ID, np.uint8)
        semantic.ravel()[soil] = ground.label
        semantic.ravel()[raster.solid] = mesh.label[raster.faces]
        instance = semantic.astype(np.uint16)
        instance.ravel()[raster.solid] = mesh.instance[raster.faces]
        corners = np.zeros((len(footprints), 4, 3))
        corners[..., :2] = footprints
        in_camera = corners @ cam_T_world[:3, :3].T + cam_T_world[:3, 3]
        return _Moment(
            raster, ground, semantic, instance, np.where(instance < INSTANCE_BASE, 0, instance),
            motions, in_camera.astype(np.float32),
        )  # fmt: skip

    def _ground(self, pixels: NDArray[np.int64], pose: NDArray[np.float64], u: float) -> Ground:
        """Classify the ground that some pixels show."""
        rays = self._view.rays.reshape(-1, 3)[pixels, :2]
        depth = 1 / self._view.inverse_depth.ravel()[pixels]
        in_vehicle = rays * depth[:, None] + self._centre()
        turn = pose[:, :2].astype(np.float32)
        x = in_vehicle @ turn[0] + np.float32(pose[0, 3] - u)
        y = in_vehicle @ turn[1] + np.float32(pose[1, 3])
        return ground_at(self._road, *self._road.coordinates(x, y, u), u)

    def _centre(self) -> NDArray[np.float32]:
        rotation, shift = self.camera.cam_T_vehicle[:3, :3], self.camera.cam_T_vehicle[:3, 3]
        return (-rotation.T @ shift)[:2].astype(np.float32)
