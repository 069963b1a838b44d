"""What would happen to an object of the base in full view, from one frame to the next."""

from collections.abc import Collection

import numpy as np

from svsdata.editing.checks import FAR_ENOUGH, Fault
from svsdata.editing.language import Op
from svsdata.editing.setting import Setting

_BEGINS = {"remove": "vanish"}
_ENDS = {"remove": "come back"}


def sudden_fault(
    op: Op, instance_ids: Collection[int], span: tuple[int, int], setting: Setting
) -> Fault | None:
    """Say which object an edit would begin or cease to act on while it is seen near.

    Args:
        op: What is done to the objects.
        instance_ids: Of the base.
        span: First and last frame in which it is done.
        setting: What is planned on.
    """
    scene, (first, last) = setting.scene, span
    for frame, words in ((first, _BEGINS.get(op, "change")), (last + 1, _ENDS.get(op, "change"))):
        seen = scene.sightings.at(np.isin(scene.sightings.frame, (frame - 1, frame)))
        height_px = seen.box[:, 3] - seen.box[:, 1]
        near = seen.instance_id[height_px > FAR_ENOUGH * setting.far_px]
        # Who is seen at one of the two frames alone comes or goes by itself.
        ids, times = np.unique(near[np.isin(near, list(instance_ids))], return_counts=True)
        sudden = ids[times == 2]
        if sudden.size:
            more = f" and {len(sudden) - 1} more" if len(sudden) > 1 else ""
            note = f"object {sudden[0]}{more} would {words} in full view at frame {frame}"
            return Fault("POPS_UP", f"{note}; leave its 'frames' out, or say pops_up: ignore")
    return None
