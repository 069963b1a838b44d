"""Plausibility of planned objects: who stands where, and whether two would overlap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.placement import Poses
from svsdata.editing.scene import Sighting

_EGO_CENTRE_M, _EGO_LENGTH_M, _EGO_WIDTH_M = 1.4, 4.8, 2.0
# A base object is known by its seen foot only, a vehicle's mostly its near corner: taken as a disc
# behind it.
_SIGHTED_RADIUS_M, _BEHIND_FOOT_M = 0.6, 0.9
# A sighting counts for the frames around it, as not every frame needs to be looked at.
_AROUND = range(-2, 3)


def footprint_circles(poses: Poses, length_m: float, width_m: float) -> NDArray[np.float64]:
    """Cover footprints by discs of half their width, (N, K, 2) centres."""
    count = max(1, int(np.ceil(length_m / width_m)))
    reach = max(0.0, (length_m - width_m) / 2)
    offsets = np.linspace(-reach, reach, count)
    direction = np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=1)
    return poses[:, None, :2] + offsets[:, None] * direction[:, None]


@dataclass(frozen=True)
class Crowd:
    """Discs on the ground that nothing else may enter, in vehicle frames."""

    frame: NDArray[np.int64]
    """(M,) at which frame."""
    centre: NDArray[np.float64]
    """(M, 2)."""
    radius: NDArray[np.float64]
    """(M,) metres."""

    @classmethod
    def of(cls, sightings: tuple[Sighting, ...]) -> "Crowd":
        """Build from the base's objects."""
        frame = [s.frame_index + shift for s in sightings for shift in _AROUND]
        places = [(s.x_m, s.y_m) for s in sightings for _ in _AROUND]
        distance = np.linalg.norm(np.reshape(places, (-1, 2)), axis=1, keepdims=True)
        centre = np.reshape(places, (-1, 2)) * (1 + _BEHIND_FOOT_M / np.maximum(distance, 1.0))
        return cls(np.array(frame, np.int64), centre, np.full(len(frame), _SIGHTED_RADIUS_M))

    def joined_by(self, first_frame: int, poses: Poses, length_m: float, width_m: float) -> "Crowd":
        """Add a planned object."""
        circles = footprint_circles(poses, length_m, width_m)
        count = circles.shape[1]
        frames = np.repeat(np.arange(first_frame, first_frame + len(poses)), count)
        return Crowd(
            np.concatenate([self.frame, frames]),
            np.concatenate([self.centre, circles.reshape(-1, 2)]),
            np.concatenate([self.radius, np.full(len(frames), width_m / 2)]),
        )

    def first_collision(
        self, first_frame: int, poses: Poses, length_m: float, width_m: float
    ) -> str:
        """Say what an object would run into first, or nothing.

        Args:
            first_frame: Of ``poses``.
            poses: (n, 3) vehicle frame, one a frame.
            length_m: Of its footprint.
            width_m: Of its footprint.
        """
        circles = footprint_circles(poses, length_m, width_m)
        across = np.abs(circles[..., 1]) < (_EGO_WIDTH_M + width_m) / 2
        along = np.abs(circles[..., 0] - _EGO_CENTRE_M) < (_EGO_LENGTH_M + width_m) / 2
        hits_ego = (across & along).any(axis=1)
        if hits_ego.any():
            return f"the vehicle itself at frame {first_frame + int(hits_ego.argmax())}"
        is_near = (self.frame >= first_frame) & (self.frame < first_frame + len(poses))
        frames, centres, radii = self.frame[is_near], self.centre[is_near], self.radius[is_near]
        gaps = np.linalg.norm(circles[frames - first_frame] - centres[:, None], axis=2)
        hits = (gaps < (radii + width_m / 2)[:, None]).any(axis=1)
        if hits.any():
            return f"another object at frame {int(frames[hits].min())}"
        return ""
