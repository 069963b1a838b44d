"""How added objects come into view and leave it: over the border, from afar, out of hiding."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.checks import FAR_ENOUGH, Candidate, Fault
from svsdata.editing.language import Edit
from svsdata.editing.setting import Setting

_EDGE_SHARE = 0.4
"""An object of which at most this much is inside the frame comes in from its border."""
_HIDDEN_SHARE = 0.95
"""An object of which something nearer covers this much may come out from behind it."""


def out_of_hiding(candidate: Candidate, setting: Setting) -> Candidate:
    """Show an object only from where something nearer hides all of it."""
    hidden = candidate.shown & (_covered_share(candidate, setting) >= _HIDDEN_SHARE)
    begin = int(hidden.argmax()) if hidden.any() else len(hidden)
    shown = candidate.shown.copy()
    shown[:begin] = False
    return replace(candidate, shown=shown)


def _covered_share(candidate: Candidate, setting: Setting) -> NDArray[np.float64]:
    """(n,) most of an object's box on the screen that one nearer object of the base covers."""
    sightings = setting.scene.sightings
    first, count = candidate.first_frame, len(candidate.poses)
    during = sightings.at((sightings.frame >= first) & (sightings.frame < first + count))
    step = during.frame - first
    box, cover = candidate.view.box[step], during.box.astype(np.float64)
    low, high = np.maximum(box[:, :2], cover[:, :2]), np.minimum(box[:, 2:], cover[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    area = np.prod(box[:, 2:] - box[:, :2], axis=1)
    nearer = np.hypot(during.x_m, during.y_m) < np.hypot(*candidate.poses[step, :2].T) - 0.5
    share = np.zeros(count)
    np.maximum.at(share, step, np.where(nearer, common / np.maximum(area, 1.0), 0.0))
    return share


def entry_fault(edit: Edit, candidate: Candidate, setting: Setting) -> Fault | None:
    """Say what forbids the way an object comes into view, or leaves it."""
    shown, view, far_px = candidate.shown, candidate.view, setting.far_px
    first = candidate.first_frame
    if shown[0] and first == 0 and edit.enter != "reference":
        note = "would be in the reference frame; choose 'enter: reference' to repair it"
        return Fault("REFERENCE", note)
    if edit.checks.pops_up == "ignore":
        return None
    # What was outside the frame a moment ago comes in, however much of it is seen at once.
    in_view = view.is_visible & (view.height_px >= far_px)
    is_far = view.height_px <= FAR_ENOUGH * far_px
    natural = is_far | ((view.share_inside <= _EDGE_SHARE) & (edit.enter != "far"))
    entries = np.flatnonzero(shown & ~np.concatenate([[first == 0], shown[:-1]]))
    if edit.enter == "occluder":
        entries = entries[1:]
    was_in_view = np.concatenate([[True], in_view[:-1]])
    sudden = entries[~natural[entries] & (was_in_view[entries] | (edit.enter == "far"))]
    if sudden.size:
        return Fault("POPS_UP", f"would appear from nowhere at frame {first + sudden[0]}")
    is_last = first + len(shown) == setting.scene.num_frames
    exits = np.flatnonzero(shown & ~np.concatenate([shown[1:], [is_last]]))
    stays_in_view = np.concatenate([in_view[1:], [True]])
    natural = is_far | (view.share_inside <= _EDGE_SHARE)
    sudden = exits[~natural[exits] & stays_in_view[exits]]
    if sudden.size:
        return Fault("POPS_UP", f"would vanish in full view at frame {first + sudden[0] + 1}")
    return None
