"""What a label video goes on to show: the street stands, what moves moves on, the vehicle drives.

Every frame of the future is told from the last recorded one and rests on no other.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.parallax import Parallax
from svsdata.editing.placement import ego_poses, turned
from svsdata.editing.prospect import Prospect, View
from svsdata.editing.scene import Scene, scan_scene
from svsdata.editing.sight import Sight
from svsdata.geometry.camera import ego_step
from svsdata.labels import LabelSet
from svsdata.records import EgoMotion, Frame, Transform

LOOK_BACK = 8
"""Recorded frames that tell velocities."""
_PREDICTED = ("semantic", "instance", "flow", "occlusion")
_FOOT_PX = 1.0
"""How well the row of a foot is known."""


class Future:
    """The frames that follow a recording.

    Args:
        last: The last recorded frame, with its maps.
        scene: Of the recording's end.
        ego: How the vehicle drives on.
    """

    def __init__(self, last: Frame, scene: Scene, ego: EgoMotion) -> None:
        self.last, self.scene, self.ego = last, scene, ego
        self._velocities = velocities(scene)
        came = scene.motions[-1]
        parallax = None
        if last.flow is not None and len(scene.motions) > 1:
            step = ego_step(came.speed_mps, came.yaw_rate_rps, 1 / scene.fps)
            parallax = Parallax(last, scene.camera, step)
        moved_m = {one: velocity / scene.fps for one, velocity in self._velocities.items()}
        self._prospect = Prospect(last, scene.camera, scene.label_set, parallax, moved_m)
        self._seen = (0, self._prospect.start)

    @classmethod
    def of(
        cls,
        frames: Sequence[Frame],
        *,
        sequence_id: str,
        label_set: LabelSet,
        fps: float,
        speed_mps: float | None = None,
        yaw_rate_rps: float | None = None,
    ) -> "Future":
        """Look at the end of a recording.

        Args:
            frames: Its last ones, in order, with maps, and flow where their ego motion is unknown.
            sequence_id: Of the recording, for errors.
            label_set: Of the maps.
            fps: Frames per second.
            speed_mps: How fast the vehicle drives on; None: as in the median of these frames.
            yaw_rate_rps: How it turns; None: as in the median of these frames.

        Raises:
            EditPlanError: If there is no frame, or none with a semantic map.
        """
        numbered = [replace(frame, frame_index=index) for index, frame in enumerate(frames)]
        scene = scan_scene(numbered, sequence_id=sequence_id, label_set=label_set, fps=fps)
        known = [it for it in scene.motions if it.flag != "assumed"] or scene.motions[-1:]
        speed, yaw_rate = (
            float(np.median(values)) if given is None else given
            for given, values in (
                (speed_mps, [it.speed_mps for it in known]),
                (yaw_rate_rps, [it.yaw_rate_rps for it in known]),
            )
        )
        return cls(frames[-1], scene, EgoMotion(speed, yaw_rate, "estimated"))

    def ego_motion(self, step: int) -> EgoMotion:
        """Return how the vehicle moves so many frames after the last one."""
        pose = None if self.last.ego is None else self.last.ego.world_T_vehicle
        world = None if pose is None else pose @ self._drive(step)
        return replace(self.ego, world_T_vehicle=world)

    def timestamp_us(self, step: int) -> int:
        """Return when the frame so many after the last one is shown."""
        return round(self.last.timestamp_us + step * 1e6 / self.scene.fps)

    def frame(self, step: int) -> Frame:
        """Return the frame so many after the last one, 1 or more, without an image."""
        before, view = self._view(step - 1), self._view(step)
        flow, validity, occlusion = self._prospect.flow(view, before)
        return Frame(
            self.last.frame_index + step,
            self.timestamp_us(step),
            semantic=view.semantic,
            instance=view.instance,
            flow=flow,
            flow_validity=validity,
            occlusion=occlusion,
            models=dict.fromkeys(_PREDICTED, f"geometry from frame {self.last.frame_index}"),
            camera=self.scene.camera,
            ego=self.ego_motion(step),
            is_synthetic=True,
        )

    def _view(self, step: int) -> View:
        if self._seen[0] != step:
            seconds = step / self.scene.fps
            moves = {one: seconds * velocity for one, velocity in self._velocities.items()}
            to_view = np.asarray(np.linalg.inv(self._drive(step)), np.float64)
            seen = self._prospect.view(to_view, moves) if step else self._prospect.start
            self._seen = step, seen
        return self._seen[1]

    def _drive(self, step: int) -> Transform:
        """Return ``start_T_view``."""
        return ego_step(self.ego.speed_mps, self.ego.yaw_rate_rps, step / self.scene.fps)


def velocities(scene: Scene) -> dict[int, NDArray[np.float64]]:
    """Return metres a second ahead and left, in the last frame's vehicle frame, by instance id.

    A straight line is put through the places of a thing's foot; the less is known of it, as of
    what is far away or was seen a few times, the nearer it is to standing.
    """
    poses = ego_poses(scene.motions, scene.fps)
    sightings, focal_px = scene.sightings, Sight.of(scene.camera).focal_px
    camera_m = Sight.of(scene.camera).centre[2]
    found = {}
    for one in np.unique(sightings.instance_id).tolist():
        own = sightings.at(sightings.instance_id == one)
        if len(own) < 3:
            continue
        at = poses[own.frame]
        world = at[:, :2] + turned(np.stack([own.x_m, own.y_m], axis=1), at[:, 2])
        time = (own.frame - own.frame.mean()) / scene.fps
        spread = float((time**2).sum())
        slope = time @ world / spread
        error_m = np.stack([own.x_m**2 / (focal_px * camera_m), own.x_m / focal_px]).mean(axis=1)
        error = _FOOT_PX * error_m / np.sqrt(spread)
        known = slope**2 / (slope**2 + error**2)
        found[one] = turned((slope * known)[None], -poses[-1:, 2])[0]
    return found
