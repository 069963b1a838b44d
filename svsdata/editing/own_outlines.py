"""Draw objects of the base that are moved with their own outlines, where they were seen whole.

What is moved by a metre, or comes a second later, shows about the same side as before: its own
silhouette, as much larger as it is nearer, and as far beside the solid of its class as it was.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.base_tracks import base_track
from svsdata.editing.borrowing import match_of
from svsdata.editing.language import Edit
from svsdata.editing.placement import RoadPath, seen_from
from svsdata.editing.plan import EditPlan, PlannedEdit
from svsdata.editing.scene import Scene
from svsdata.editing.shape_harvest import Harvest, Moment
from svsdata.editing.shape_library import DonorTrack, ShapeLibrary
from svsdata.editing.shape_matching import stand_of, views_of
from svsdata.editing.shapes import OBJECT_KINDS
from svsdata.records import Frame

NEVER_WHOLE = "drawn as a solid: it is never seen whole"
OTHER_SIDE = "drawn as a solid: it is not seen whole from such a side or distance"
_MOST_MOMENTS = 64
"""Frames in which one object is looked at, evenly over all in which it may be whole."""
_LOWEST_SHARE = 0.05
# From its farther wheels to a row below the nearer ones: elsewhere it would float.
_BELOW = (-0.1, 0.02)


class OwnOutlines:
    """Looks objects of a scene up in its maps, each once, and gives their outlines to plans.

    Args:
        scene: Of the base.
        edits: Those whose ``outline`` is ``own`` are given them.
        frames_at: Reads frames of the base by their ascending indices.
    """

    def __init__(
        self,
        scene: Scene,
        edits: Sequence[Edit],
        frames_at: Callable[[Sequence[int]], Iterable[Frame]],
    ) -> None:
        self._scene, self._frames_at = scene, frames_at
        self._asking = {edit.id for edit in edits if edit.outline == "own"}
        self._moments: dict[int, list[Moment]] = {}

    def given_to(self, plan: EditPlan) -> EditPlan:
        """Return a plan whose moved objects look like themselves.

        Where one is not seen whole its solid stays, and its row's note says so.
        """
        asking = [row for row in plan.rows if self._asks(row)]
        self._look_at({row.erased_ids[0] for row in asking} - self._moments.keys())
        rows = [self._outlined(row, plan) if self._asks(row) else row for row in plan.rows]
        return replace(plan, rows=tuple(rows))

    def _asks(self, row: PlannedEdit) -> bool:
        # A rider and his vehicle are two outlines.
        is_asked = row.is_live and row.draws and row.edit_id in self._asking
        return is_asked and len(row.class_names) == 1

    def _look_at(self, instance_ids: set[int]) -> None:
        """Take the outlines of objects where they are whole."""
        wanted: dict[int, list[int]] = defaultdict(list)
        for instance_id in sorted(instance_ids):
            self._moments[instance_id] = []
            for index in self._promising(instance_id):
                wanted[index].append(instance_id)
        harvest = Harvest(self._scene.camera, self._scene.label_set, tuple(OBJECT_KINDS))
        for frame in self._frames_at(sorted(wanted)) if wanted else ():
            if frame.semantic is None or frame.instance is None:
                continue
            for instance_id in wanted[frame.frame_index]:
                moment = harvest.moment(frame, instance_id)
                if moment is not None:
                    self._moments[instance_id].append(moment)

    def _promising(self, instance_id: int) -> list[int]:
        """Return frames that may show all of an object: its box is high, and inside the frame."""
        seen = self._scene.sightings
        seen = seen.at(seen.instance_id == instance_id)
        height, width = self._scene.camera.size_hw
        x0, y0, x1, y1 = seen.box.T
        is_inside = (x0 > 0) & (y0 > 0) & (x1 < width) & (y1 < height)
        frames = seen.frame[is_inside & (y1 - y0 >= _LOWEST_SHARE * height)]
        count = min(len(frames), _MOST_MOMENTS)
        even = np.linspace(0, len(frames) - 1, count).round().astype(int)
        return [int(frame) for frame in frames[even]]

    def _outlined(self, row: PlannedEdit, plan: EditPlan) -> PlannedEdit:
        found = self._donor(row, plan)
        if found is None:
            return row.noted(NEVER_WHOLE)
        donor, fits = found
        match = match_of(row, plan, ShapeLibrary((donor,)))
        if match is None:
            return row.noted(OTHER_SIDE)
        own = fits[match.moments]
        own[:, 2] = np.clip(own[:, 2], *_BELOW)
        return replace(row, shape=match.borrowed(own))

    def _donor(
        self, row: PlannedEdit, plan: EditPlan
    ) -> tuple[DonorTrack, NDArray[np.float64]] | None:
        """Return an object as a donor, and how its outlines fit to its solid, (m, 3)."""
        scene, instance_id = self._scene, row.erased_ids[0]
        track = base_track(instance_id, scene, plan.ego, RoadPath.of(plan.ego))
        moments = self._moments[instance_id]
        if track is None or not moments:
            return None
        frames = np.array([moment.frame_index for moment in moments])
        poses = seen_from(track.at(frames.astype(np.float64), scene.fps), plan.ego[frames])
        parts = row.solid(0.0)
        stands = [
            stand_of(plan.camera_at(frame), parts, pose)
            for frame, pose in zip(frames.tolist(), poses, strict=True)
        ]
        known = [k for k, stand in enumerate(stands) if stand is not None]
        if not known:
            return None
        whole = [(moments[k], stand) for k in known if (stand := stands[k]) is not None]
        donor = DonorTrack(
            class_name=row.class_name,
            dataset="own",
            sequence_id=plan.sequence_id,
            instance_id=instance_id,
            licence="",
            height_m=row.size_m[2],
            frame_index=frames[known],
            view_rad=views_of(plan.camera, poses[known]),
            depth_m=np.array([stand.depth_m for _, stand in whole]),
            masks=tuple(moment.mask for moment, _ in whole),
        )
        return donor, np.stack([stand.fit_of(moment.box) for moment, stand in whole])
