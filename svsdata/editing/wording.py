"""What the words of an edit must say together: what its operation needs, what means nothing."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from svsdata.editing.language import LANE_WIDTH_M, LANES_M, At, Edit, Frames, Region
from svsdata.errors import EditPlanError

# What an operation cannot do without, and what else it may say.
_COMMON = ("id", "op", "checks", "frames", "otherwise")
_NEEDED = {
    "add": ("class",),
    "remove": ("target",),
    "replace": ("target", "class"),
    "shift": ("target", "by_m"),
    "retime": ("target", "by_s"),
    "relabel": ("region", "from", "to"),
}
_ALLOWED = {
    "add": ("size_m", "colour", "shape", "at", "motion", "enter", "repeat"),
    "remove": ("fill", "enter"),
    "replace": ("size_m", "colour", "shape", "anchor", "fill", "enter"),
    "shift": ("shape", "fill", "enter"),
    "retime": ("shape", "fill", "enter"),
    "relabel": (),
}
_SPEEDS = ("constant", "follow_road", "cross")
_HEADINGS = ("static", "constant")
# Words that mean the same to every motion which takes them.
_SHARED = {"speed_mps": _SPEEDS, "heading_deg": _HEADINGS}
# A corner is planned every metre along the road, on both sides.
_LONGEST_STRIP_M = 100_000.0


def check_wording(edit: Edit, where: str) -> None:
    """Refuse words that an operation lacks or has no use for."""
    said = {Edit.model_fields[name].alias or name for name in edit.model_fields_set}
    for word in _NEEDED[edit.op]:
        if word not in said or getattr(edit, _field_of(word)) is None:
            raise EditPlanError(f"{where} with op '{edit.op}' needs '{word}'")
    for word in sorted(said - {*_COMMON, *_NEEDED[edit.op], *_ALLOWED[edit.op]}):
        raise EditPlanError(f"{where}: '{word}' means nothing to op '{edit.op}'")
    if edit.shape.source == "own" and edit.op not in ("shift", "retime"):
        raise EditPlanError(f"{where}: what op '{edit.op}' draws has no outline of its own")
    if edit.op == "add":
        _check_motion(edit, where)
    if edit.region is not None:
        _check_region(edit.region, where)
    if edit.at is not None:
        _check_place(edit.at, where)
    if edit.op == "relabel" and edit.to_class in edit.from_classes:
        raise EditPlanError(f"{where}: 'from' and 'to' are both '{edit.to_class}': no change")
    _check_frames(edit.frames, where)
    for number, changes in enumerate(edit.otherwise):
        _check_alternative(changes, f"{where}: otherwise.{number}")


def words_kept(model: str) -> tuple[str, ...]:
    """Return the words of another motion that mean the same to a motion of this model."""
    return tuple(word for word, models in _SHARED.items() if model in models)


def _check_alternative(changes: Mapping[str, Any], where: str) -> None:
    if not changes:
        raise EditPlanError(
            f"{where} changes nothing; say what to change, such as enter: reference"
        )
    for word in ("id", "op", "otherwise"):
        if word in changes:
            raise EditPlanError(f"{where}: '{word}' cannot be changed; add another edit")


def _field_of(word: str) -> str:
    names = {field.alias: name for name, field in Edit.model_fields.items() if field.alias}
    return names.get(word, word)


def _check_frames(frames: Frames, where: str) -> None:
    first, last = frames.start, frames.end
    for word, frame in (("from", first), ("to", last)):
        if isinstance(frame, int) and frame < 0:
            raise EditPlanError(f"{where}: frames count from 0, '{word}' is {frame}")
    if isinstance(first, int) and isinstance(last, int) and last < first:
        raise EditPlanError(f"{where}: frames from {first} to {last} are none")


def _check_motion(edit: Edit, where: str) -> None:
    motion, model = edit.motion, edit.motion.model
    takes_place = model not in ("beside_ego", "file")
    if (edit.at is not None) != takes_place and model != "like":
        raise EditPlanError(
            f"{where} needs 'at', or motion 'beside_ego' with waypoints or 'file', not both"
        )
    if not takes_place and len(motion.waypoints) < 2:
        raise EditPlanError(f"{where}: '{model}' needs two waypoints or more")
    if takes_place and motion.waypoints:
        raise EditPlanError(f"{where}: 'waypoints' mean nothing to motion '{model}'")
    seconds = [point.s for point in motion.waypoints]
    if any(later <= earlier for earlier, later in pairwise(seconds)):
        raise EditPlanError(
            f"{where}: the seconds of its waypoints must grow from each to the next"
        )
    if (motion.like is not None) != (model == "like"):
        raise EditPlanError(f"{where}: motion 'like' names whom: like: SELECTOR")
    if (motion.file is not None) != (model == "file"):
        raise EditPlanError(f"{where}: motion 'file' names a table: file: TRACK.csv")
    if model in _SPEEDS and motion.speed_mps == (0.0, 0.0):
        raise EditPlanError(
            f"{where}: motion '{model}' needs 'speed_mps'; what stands is motion 'static'"
        )
    for word, models in _SHARED.items():
        if model not in models and getattr(motion, word) != (0.0, 0.0):
            known = " and ".join(filter(None, (", ".join(models[:-1]), models[-1])))
            raise EditPlanError(
                f"{where}: '{word}' means nothing to motion '{model}', only to {known}"
            )


def _check_place(at: At, where: str) -> None:
    if at.left_m is None and at.lane is None:
        raise EditPlanError(f"{where}: 'at' needs 'left_m' or 'lane'")
    if at.left_m is not None and at.lane is not None:
        right, left = (LANES_M[at.lane] + side * LANE_WIDTH_M / 2 for side in (-1, 1))
        if not right <= at.left_m[0] <= at.left_m[1] <= left:
            raise EditPlanError(
                f"{where}: lane '{at.lane}' is {right:g} to {left:g} m left of the vehicle's path, "
                f"'left_m' {at.left_m[0]:g} to {at.left_m[1]:g}; leave one out"
            )


def _check_region(region: Region, where: str) -> None:
    strip = (region.along_m, region.left_m)
    is_strip = None not in strip
    if is_strip == bool(region.polygon_ground_m) or (not is_strip and strip != (None, None)):
        raise EditPlanError(
            f"{where}: a region is 'polygon_ground_m', or 'along_m' and 'left_m', not both"
        )
    if not is_strip and len(region.polygon_ground_m) < 3:
        raise EditPlanError(f"{where}: a polygon has three corners or more")
    if not is_strip and _doubled_area(region.polygon_ground_m) == 0:
        raise EditPlanError(
            f"{where}: 'polygon_ground_m' encloses no ground: its corners lie on a line, or its "
            "edges cross; give them in order around the region"
        )
    if any(span is not None and span[0] >= span[1] for span in strip):
        raise EditPlanError(f"{where}: the low end of 'along_m' and 'left_m' comes first")
    if region.along_m is not None and region.along_m[1] - region.along_m[0] > _LONGEST_STRIP_M:
        raise EditPlanError(
            f"{where}: 'along_m' is {region.along_m[1] - region.along_m[0]:g} m long, "
            f"at most {_LONGEST_STRIP_M:g} m are relabelled"
        )


def _doubled_area(corners: Sequence[tuple[float, float]]) -> float:
    """Return twice the area of a polygon, m^2; what lies beyond a crossing counts negative."""
    following = (*corners[1:], corners[0])
    return abs(sum(x * b - a * y for (x, y), (a, b) in zip(corners, following, strict=True)))
