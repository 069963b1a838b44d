"""The videos that edits make of a store's sequences: which there are, and how each is planned."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from svsdata.editing.borrowing import borrow_shapes
from svsdata.editing.edit_text import load_edit_file, load_preset, parse_edits
from svsdata.editing.language import Edit, join_edits
from svsdata.editing.plan import EditPlan
from svsdata.editing.planning import plan_edits
from svsdata.editing.scene import scan_scene
from svsdata.editing.shape_library import ShapeLibrary, read_library
from svsdata.errors import ConfigError, EditPlanError, StoreError
from svsdata.labeling.sources.street import PREFIX, street_recording
from svsdata.pipelines.configs.edit import EditChoices
from svsdata.progress import Progress
from svsdata.randomness import derived_seed
from svsdata.records import Sequence
from svsdata.store.reader import StoreReader
from svsdata.street_world.scene import StreetWorld
from svsdata.synthesis.label_stream import LabelStream
from svsdata.synthesis.provenance import recipe_hash, synthesized_id


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
    """Hash of everything that the frames depend on."""
    given_plan: EditPlan | None = None
    """Made and reviewed before."""
    library: ShapeLibrary | None = None
    """Outlines that the edits may borrow."""

    def plan(self) -> EditPlan | None:
        """Return the plan that was given, or resolve the edits; None without any.

        Raises:
            EditPlanError: If they cannot be planned.
        """
        if self.given_plan is not None or not self.edits:
            return self.given_plan
        scene = scan_scene(
            self.labels.glance(self.num_frames),
            sequence_id=self.labels.sequence.sequence_id,
            label_set=self.labels.reader.info.label_set,
            fps=self.labels.sequence.fps,
            base_hash=self.base_hash,
        )
        plan = plan_edits(self.edits, scene, self.seed)
        return borrow_shapes(plan, self.edits, self.library)


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
    labels = LabelStream(
        reader,
        sequence,
        plan.size_hw,
        (*maps_of(reader), *layers),
        street_world(sequence),
        with_reference=facts is not None,
    )
    own_facts = {"base": base_hash, "plan": plan.hash}
    return Video(
        sequence_id,
        plan.num_frames,
        labels,
        (),
        plan.seed,
        base_hash,
        recipe_hash({**(facts or {}), **own_facts}),
        plan,
    )


def videos_of(
    choices: EditChoices,
    reader: StoreReader,
    edits: tuple[Edit, ...],
    *,
    size_hw: tuple[int, int],
    layers: tuple[str, ...] = (),
    facts: Mapping[str, object],
) -> Iterator[Video]:
    """Lay out the videos: every variant of every chosen sequence.

    Args:
        choices: Which sequences, how long, how many variants.
        reader: Of the base.
        edits: What ``chosen_edits`` returned.
        size_hw: Of the frames to make.
        layers: Read from the base beside its maps.
        facts: What the frames depend on beside labels, edits and their choices.

    Raises:
        StoreError: If the store is empty, or a sequence is unknown or too short.
        SourceError: If the shape library cannot be read.
    """
    names = (*choices.presets, *(path.stem for path in choices.edit_files))
    library = read_library(choices.shapes) if choices.shapes else None
    if library is not None:
        facts = {**facts, "shapes": library.hash}
    for sequence in _chosen_sequences(choices, reader):
        stream = LabelStream(
            reader, sequence, size_hw, (*maps_of(reader), *layers), street_world(sequence)
        )
        base_hash = reader.content_hash(sequence.sequence_id)
        num_frames = choices.frames or sequence.num_frames
        for variant in range(choices.variants):
            seed = derived_seed(choices.seed, sequence.sequence_id, variant)
            own_facts = {
                "base": base_hash,
                "edits": [edit.model_dump(mode="json") for edit in edits],
                "seed": seed if edits else None,
                "frames": num_frames,
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
                recipe_hash({**facts, **own_facts}),
                library=library,
            )


def chosen_edits(choices: EditChoices) -> tuple[Edit, ...]:
    """Return the edits of presets and files, in the order given.

    Raises:
        EditPlanError: If one is unknown or cannot be read.
        ConfigError: If variants are asked for without edits, which would all be the same.
    """
    edits = join_edits(
        [*map(load_preset, choices.presets), *map(load_edit_file, choices.edit_files)]
    )
    known = [edit.id for edit in edits]
    for edit_id in choices.edits:
        if edit_id not in known:
            raise EditPlanError(
                f"'edits.{edit_id}' changes an edit that is not asked for; "
                f"asked for: {', '.join(known) or 'none'}"
            )
    edits = tuple(_changed(edit, choices.edits.get(edit.id, {})) for edit in edits)
    if choices.variants > 1 and not edits:
        raise ConfigError(
            f"variants = {choices.variants} without an edit would be the same video "
            f"{choices.variants} times; name an edit or leave variants at 1"
        )
    return edits


def _changed(edit: Edit, changes: Mapping[str, Any]) -> Edit:
    """Lay changes over an edit, checked as if a file had said it."""
    if not changes:
        return edit
    said = edit.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    text = yaml.safe_dump({"version": 1, "edits": [_merged(said, changes)]})
    (changed,) = parse_edits(text, f"edits.{edit.id}").edits
    return changed


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {**below, **above}
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(below.get(key), Mapping):
            both[key] = _merged(below[key], value)
    return both


def _chosen_sequences(choices: EditChoices, reader: StoreReader) -> list[Sequence]:
    sequences = [reader.sequence(one) for one in choices.sequences or reader.sequence_ids]
    if not sequences:
        raise StoreError(f"store '{reader.path}' has no sequences; 'svsdata label' adds some")
    if choices.frames is not None:
        _check_lengths(choices.frames, sequences, reader)
    return sequences


def maps_of(reader: StoreReader) -> tuple[str, ...]:
    """Return the maps that a store has."""
    return tuple(layer for layer in ("semantic", "instance") if layer in reader.info.modalities)


def street_world(sequence: Sequence) -> StreetWorld | None:
    """Return the world that a sequence was rendered from; it has no end."""
    if not sequence.source.startswith(PREFIX):
        return None
    recording = street_recording(sequence.source)
    return StreetWorld(recording.seed, size_hw=recording.size_hw, fps=recording.fps)


def _check_lengths(frames: int, sequences: list[Sequence], reader: StoreReader) -> None:
    def is_long_enough(sequence: Sequence) -> bool:
        return sequence.num_frames >= frames or sequence.source.startswith(PREFIX)

    short = [sequence for sequence in sequences if not is_long_enough(sequence)]
    if not short:
        return
    everything = [reader.sequence(one) for one in reader.sequence_ids]
    enough = [one.sequence_id for one in everything if is_long_enough(one)]
    longest = max(everything, key=lambda one: one.num_frames)
    advice = (
        f"long enough: {', '.join(enough[:8])}{', ...' if len(enough) > 8 else ''}"
        if enough
        else f"the longest is '{longest.sequence_id}' with {longest.num_frames}"
    )
    raise StoreError(
        f"sequence '{short[0].sequence_id}' has {short[0].num_frames} frames, {frames} were asked "
        f"for; {advice}"
    )
