"""What every edit of a plan is resolved on: a scene, the vehicle's way through it, a seed."""

from dataclasses import dataclass

from svsdata.editing.placement import Poses, RoadPath, ego_poses
from svsdata.editing.scene import Scene


@dataclass(frozen=True)
class Setting:
    """A scene with the road that the vehicle drove."""

    scene: Scene
    ego: Poses
    """(N, 3) plan frame."""
    path: RoadPath
    seed: int
    """Draws every number given as a span."""

    @classmethod
    def of(cls, scene: Scene, seed: int) -> "Setting":
        """Lay the road along the way of the scene's vehicle."""
        ego = ego_poses(scene.motions, scene.fps)
        return cls(scene, ego, RoadPath.of(ego), seed)

    @property
    def far_px(self) -> float:
        """Height on the screen below which an object may appear from the distance."""
        return FAR_SHARE * self.scene.camera.size_hw[0]


FAR_SHARE = 0.05
"""An object lower than this share of the frame may appear from the distance."""
