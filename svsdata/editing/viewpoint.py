"""Where a frame was seen from: its camera, and the road as it runs from the vehicle."""

from dataclasses import dataclass

import numpy as np

from svsdata.editing.placement import RoadPath, pose_matrix, seen_from
from svsdata.editing.sight import Floats, Sight
from svsdata.records import Camera, Transform

_VIEW_M, _VIEW_STEP_M = (-10.0, 150.0), 0.5
"""How far the road is followed from the vehicle, and in what steps."""


@dataclass(frozen=True)
class RoadView:
    """The vehicle's way in its own frame, at places a step apart straight ahead; (T,) each."""

    along: Floats
    """Metres along the road, less what its place adds to ``ahead``."""
    offset: Floats
    """What the place of the road adds to ``left``."""
    cosine: Floats
    """Of the road's heading, as is ``sine``."""
    sine: Floats

    @classmethod
    def of(cls, path: RoadPath, ego: Floats, at_m: float) -> "RoadView":
        """Look along a road from the pose ``ego``, which is ``at_m`` metres along it."""
        along = at_m + np.arange(_VIEW_M[0], _VIEW_M[1], _VIEW_STEP_M)
        poses = path.poses(along, np.zeros(len(along)))
        x, y, heading = np.ascontiguousarray(seen_from(poses, ego[None]).T)
        # Places straight ahead; where the road turns back it is not followed further.
        x = np.maximum.accumulate(x)
        straight = np.arange(_VIEW_M[0], _VIEW_M[1], _VIEW_STEP_M)
        along, y, heading = (np.interp(straight, x, it) for it in (along, y, heading))
        cosine, sine = np.cos(heading), np.sin(heading)
        along -= cosine * straight + sine * y
        return cls(along, sine * straight - cosine * y, cosine, sine)

    def coordinates(self, ahead: Floats, aside: Floats) -> tuple[Floats, Floats]:
        """Return metres along the road and left of it of (P,) places of the vehicle frame."""
        foot = ahead
        for _ in range(2):
            row = np.rint((foot - _VIEW_M[0]) / _VIEW_STEP_M).astype(np.intp)
            # Beyond both ends the first and the last place count.
            cosine, sine, offset = (
                it.take(row, mode="clip") for it in (self.cosine, self.sine, self.offset)
            )
            left = cosine * aside - sine * ahead + offset
            foot = ahead + sine * left
        return self.along.take(row, mode="clip") + cosine * ahead + sine * aside, left


@dataclass(frozen=True)
class Viewpoint:
    """Of one frame."""

    road: RoadView
    sight: Sight
    projection: Floats
    """(3, 4) takes x, y, z, 1 of the plan frame to z-depth times (u, v, 1)."""
    plan_T_vehicle: Transform

    @classmethod
    def of(cls, camera: Camera, path: RoadPath, ego: Floats, at_m: float) -> "Viewpoint":
        """Stand at the pose ``ego``, which is ``at_m`` metres along a road."""
        sees = camera.intrinsics @ camera.cam_T_vehicle[:3]
        plan = seen_from(np.zeros((1, 3)), ego[None])[0]
        road = RoadView.of(path, ego, at_m)
        return cls(road, Sight.of(camera), sees @ pose_matrix(plan), pose_matrix(ego))
