"""The videos that edits make of a store's sequences: which there are, and how each is planned."""

from collections import abc
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from svsdata.editing.alternatives import plan_with_alternatives
from svsdata.editing.duplicates import reject_duplicate
from svsdata.editing.language import Edit
from svsdata.editing.plan import EditPlan
from svsdata.editing.scene import Scene, scan_scene
from svsdata.editing.shape_library import ShapeLibrary, read_library
from svsdata.overlap import in_background
from svsdata.pipelines.configs.edit import EditChoices
from svsdata.pipelines.label_streams import label_stream
from svsdata.progress import Progress
from svsdata.randomness import derived_seed
from svsdata.records import Frame
from svsdata.store.reader import StoreReader
from svsdata.synthesis.label_stream import LabelStream
from svsdata.synthesis.provenance import recipe_of, synthesized_id

_AHEAD = 8
"""Frames decoded while others are looked at."""


@dataclass(frozen=True)
class Video:
    """One sequence to make."""

    sequence_id: str
    num_frames: int
    labels: LabelStream
    edits: tuple[Edit, ...]
    seed: int
    """Of the edits' choices: another for every sequence and variant."""
    base_hash: str
    """Of the base sequence's commit record."""
    recipe: str
    """Everything that the frames depend on, as JSON."""
    given_plan: EditPlan | None = None
    """Made and reviewed before."""
    library: ShapeLibrary | None = None
    """Outlines that the edits may borrow."""
    colour_seed: int | None = None
    """Of its objects' colours, where variants differ in them alone; None: they are the store's."""

    def maps(self, wanted: abc.Sequence[int]) -> Iterator[Frame]:
        """Read the recorded ones of some frames, by ascending index."""
        return in_background(self.labels.maps(wanted), capacity=_AHEAD)

    def scene(self) -> Scene:
        """Read what planning needs to know of the sequence.

        Raises:
            EditPlanError: If it has no semantic or no instance maps.
        """
        return scan_scene(
            in_background(self.labels.glance(self.num_frames), capacity=_AHEAD),
            sequence_id=self.labels.sequence.sequence_id,
            label_set=self.labels.reader.info.label_set,
            fps=self.labels.sequence.fps,
            base_hash=self.base_hash,
        )


class Planner:
    """Resolves the edits of videos; a sequence is read once for all its variants that follow."""

    def __init__(self, videos: Iterable[Video]) -> None:
        """Take all videos, in order: a variant that does what an earlier one does is rejected."""
        self._videos = tuple(videos)
        self._stream: LabelStream | None = None
        self._scene: Scene | None = None
        self._plans: dict[str, EditPlan] = {}

    def plan(self, video: Video) -> EditPlan | None:
        """Return the plan that was given, or is made now; None without edits.

        Raises:
            EditPlanError: If the edits cannot be planned.
        """
        if video.given_plan is not None or not video.edits:
            return video.given_plan
        if self._scene is None or self._stream is not video.labels:
            self._scene, self._stream, self._plans = video.scene(), video.labels, {}
        for one in self._videos:
            if one.labels is self._stream and one.sequence_id not in self._plans:
                plan = plan_with_alternatives(
                    one.edits, self._scene, one.seed, one.maps, one.library
                )
                earlier = list(self._plans.values())
                self._plans[one.sequence_id] = reject_duplicate(plan, earlier)
            if one is video:
                break
        return self._plans[video.sequence_id]


def plans_of(videos: Iterable[Video]) -> Iterator[tuple[Video, EditPlan | None]]:
    """Yield each video with its plan, as ``Planner`` makes it.

    Raises:
        EditPlanError: If edits cannot be planned.
    """
    videos = tuple(videos)
    planner = Planner(videos)
    for video in videos:
        yield video, planner.plan(video)


class EditOutcome(BaseModel):
    """What became of one edit in one video."""

    model_config = ConfigDict(frozen=True)

    sequence_id: str
    edit: str
    status: str
    reason: str
    """Code of what is wrong; empty where it was applied as asked."""
    note: str

    def in_words(self) -> str:
        """Tell it in one line."""
        return f"{self.sequence_id}: edit '{self.edit}' {self.status}: {self.reason}, {self.note}"


def outcomes_of(sequence_id: str, plan: EditPlan, progress: Progress) -> list[EditOutcome]:
    """Return what became of each edit, and tell of those that were not applied as asked."""
    outcomes = [
        EditOutcome(
            sequence_id=sequence_id,
            edit=row.edit_id,
            status=row.status,
            reason=row.reason,
            note=row.note,
        )
        for row in plan.rows
    ]
    for outcome in outcomes:
        if outcome.reason:
            progress.note(outcome.in_words())
    return outcomes


def planned_video(
    reader: StoreReader,
    plan: EditPlan,
    sequence_id: str,
    *,
    layers: tuple[str, ...] = (),
    facts: Mapping[str, object] | None = None,
) -> Video:
    """Return the video that a plan, made before, makes.

    Args:
        reader: Of the base.
        plan: What to make of one of its sequences.
        sequence_id: Of the video.
        layers: Read from the base beside its maps.
        facts: What the frames depend on beside labels and plan; None: labels alone are made.

    Raises:
        SequenceNotFoundError: If the store has no such sequence.
        EditPlanError: If the sequence is not what the plan was made on, or has another label set.
    """
    sequence = reader.sequence(plan.sequence_id)
    base_hash = reader.content_hash(plan.sequence_id)
    plan.require_base(base_hash)
    labels = label_stream(
        reader, sequence, size_hw=plan.size_hw, layers=layers, with_reference=facts is not None
    )
    own_facts = {"base": base_hash, "plan": plan.hash}
    return Video(
        sequence_id,
        plan.num_frames,
        labels,
        (),
        plan.seed,
        base_hash,
        recipe_of({**(facts or {}), **own_facts}),
        plan,
    )


def videos_of(
    choices: EditChoices,
    streams: Iterable[LabelStream],
    edits: tuple[Edit, ...],
    *,
    facts: Mapping[str, object] | None = None,
) -> Iterator[Video]:
    """Lay out the videos: every variant of every chosen sequence.

    Args:
        choices: How long, how many variants.
        streams: Of the chosen sequences.
        edits: What ``chosen_edits`` returned.
        facts: What the frames depend on beside labels, edits and their choices; None: labels alone
            are looked at.

    Raises:
        SourceError: If the shape library cannot be read.
    """
    names = (*choices.presets, *(path.stem for path in choices.edit_files))
    library = read_library(choices.shapes) if choices.shapes else None
    for stream in streams:
        sequence, reader = stream.sequence, stream.reader
        base_hash = reader.content_hash(sequence.sequence_id)
        num_frames = choices.frames or sequence.num_frames
        for variant in range(choices.variants):
            seed = derived_seed(choices.seed, sequence.sequence_id, variant)
            own_facts = {
                "base": base_hash,
                "edit_ids": [edit.id for edit in edits],
                "edits": {edit.id: edit.model_dump(mode="json") for edit in edits},
                "seed": choices.seed if edits else None,
                "variant": variant,
                "frames": num_frames,
                "shapes": library.hash if library else None,
            }
            yield Video(
                synthesized_id(
                    sequence.sequence_id, names, variant if choices.variants > 1 else None
                ),
                num_frames,
                stream,
                edits,
                seed,
                base_hash,
                recipe_of({**(facts or {}), **own_facts}),
                library=library,
                colour_seed=seed if choices.variants > 1 and not edits else None,
            )
