"""Who stands where on the ground, and what a planned object would run into."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.placement import Poses
from svsdata.editing.plan import PlannedEdit
from svsdata.editing.scene import Sightings

_EGO_CENTRE_M, _EGO_LENGTH_M, _EGO_WIDTH_M = 1.4, 4.8, 2.0
# A base object is known by its seen foot only, a vehicle's mostly its near corner: taken as a disc
# behind it.
_SIGHTED_RADIUS_M, _BEHIND_FOOT_M = 0.6, 0.9
# Further away a foot is off by metres; what comes near is seen again.
_TRUSTED_WITHIN_M = 30.0
# A sighting counts for the frames around it, as not every frame needs to be looked at.
_AROUND = np.arange(-2, 3)


def footprint_circles(poses: Poses, length_m: float, width_m: float) -> NDArray[np.float64]:
    """Cover footprints by discs of half their width, (N, K, 2) centres."""
    count = max(1, int(np.ceil(length_m / width_m)))
    reach = max(0.0, (length_m - width_m) / 2)
    offsets = np.linspace(-reach, reach, count)
    direction = np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=1)
    return poses[:, None, :2] + offsets[:, None] * direction[:, None]


@dataclass(frozen=True)
class Collision:
    """What an object would run into first."""

    frame: int
    name: str
    instance_id: int | None
    """Of the base's object; 0 for a planned one, None for the vehicle itself."""


@dataclass(frozen=True)
class Crowd:
    """Discs on the ground that nothing else may enter, in vehicle frames."""

    frame: NDArray[np.int64]
    """(M,) at which frame, in order."""
    centre: NDArray[np.float64]
    """(M, 2)."""
    radius: NDArray[np.float64]
    """(M,) metres."""
    instance_id: NDArray[np.int64]
    """(M,) of the base's object; 0 for planned ones."""

    @classmethod
    def of(cls, sightings: Sightings) -> "Crowd":
        """Build from the base's objects."""
        sightings = sightings.at(np.hypot(sightings.x_m, sightings.y_m) < _TRUSTED_WITHIN_M)
        frame = (sightings.frame[:, None] + _AROUND).ravel()
        foot = np.stack([sightings.x_m, sightings.y_m], axis=1)
        distance = np.linalg.norm(foot, axis=1, keepdims=True)
        centre = foot * (1 + _BEHIND_FOOT_M / np.maximum(distance, 1.0))
        return cls(
            frame,
            np.repeat(centre, len(_AROUND), axis=0),
            np.full(len(frame), _SIGHTED_RADIUS_M),
            np.repeat(sightings.instance_id, len(_AROUND)),
        )._at(np.argsort(frame, kind="stable"))

    def _at(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> "Crowd":
        return Crowd(
            self.frame[chosen], self.centre[chosen], self.radius[chosen], self.instance_id[chosen]
        )

    def holds(self, instance_id: int) -> bool:
        """Say whether an object of the base stands anywhere."""
        return bool((self.instance_id == instance_id).any())

    def without(self, instance_ids: Collection[int]) -> "Crowd":
        """Leave objects of the base out."""
        if not instance_ids:
            return self
        return self._at(~np.isin(self.instance_id, list(instance_ids)))

    def joined_by(self, row: PlannedEdit) -> "Crowd":
        """Add a planned object, from its first frame in view to its last, if one is drawn."""
        shown = np.flatnonzero(row.is_shown)
        if not shown.size:
            return self
        first_frame = row.first_frame + int(shown[0])
        poses, width_m = row.poses[shown[0] : shown[-1] + 1], row.size_m[1]
        circles = footprint_circles(poses, row.size_m[0], width_m)
        count = circles.shape[1]
        frames = np.repeat(np.arange(first_frame, first_frame + len(poses)), count)
        joined = Crowd(
            np.concatenate([self.frame, frames]),
            np.concatenate([self.centre, circles.reshape(-1, 2)]),
            np.concatenate([self.radius, np.full(len(frames), width_m / 2)]),
            np.concatenate([self.instance_id, np.zeros(len(frames), np.int64)]),
        )
        return joined._at(np.argsort(joined.frame, kind="stable"))

    def first_collision(
        self, first_frame: int, poses: Poses, length_m: float, width_m: float
    ) -> Collision | None:
        """Say when and what an object would run into first; None where nothing.

        Args:
            first_frame: Of ``poses``.
            poses: (n, 3) vehicle frame, one a frame.
            length_m: Of its footprint.
            width_m: Of its footprint.
        """
        reach_m = max(length_m, width_m) / 2
        from_ego = np.hypot(poses[:, 0] - _EGO_CENTRE_M, poses[:, 1])
        close = np.flatnonzero(from_ego < reach_m + (_EGO_LENGTH_M + _EGO_WIDTH_M) / 2 + width_m)
        circles = footprint_circles(poses[close], length_m, width_m)
        across = np.abs(circles[..., 1]) < (_EGO_WIDTH_M + width_m) / 2
        along = np.abs(circles[..., 0] - _EGO_CENTRE_M) < (_EGO_LENGTH_M + width_m) / 2
        hits_ego = close[(across & along).any(axis=1)]
        if hits_ego.size:
            return Collision(first_frame + int(hits_ego[0]), "the vehicle itself", None)
        span = slice(*np.searchsorted(self.frame, (first_frame, first_frame + len(poses))))
        step, radius = self.frame[span] - first_frame, self.radius[span] + width_m / 2
        away_x, away_y = (self.centre[span, k] - poses[step, k] for k in (0, 1))
        near = np.flatnonzero(np.hypot(away_x, away_y) < radius + reach_m)
        circles = footprint_circles(poses[step[near]], length_m, width_m)
        gaps = np.linalg.norm(circles - self.centre[span][near, None], axis=2)
        hits = near[(gaps < radius[near, None]).any(axis=1)]
        if not hits.size:
            return None
        instance_id = int(self.instance_id[span][hits[0]])
        name = f"object {instance_id}" if instance_id else "another object of the plan"
        return Collision(int(self.frame[span][hits[0]]), name, instance_id)
