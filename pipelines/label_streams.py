"""The label streams of a store that videos are made from: which sequences, and how far they go."""

from collections.abc import Iterator

from svsdata.editing.plan_table import read_plan
from svsdata.editing.tables import PLAN_FILE
from svsdata.errors import StoreError
from svsdata.labeling.sources.street import PREFIX, street_recording
from svsdata.pipelines.configs.edit import EditChoices
from svsdata.records import RgbLevels, Sequence
from svsdata.store.reader import StoreReader
from svsdata.store.sidecars import EDITS, sidecar_path
from svsdata.street_world.scene import StreetWorld
from svsdata.synthesis.label_stream import Drive, LabelStream


def chosen_streams(
    choices: EditChoices,
    reader: StoreReader,
    *,
    size_hw: tuple[int, int],
    layers: tuple[str, ...] = (),
    with_reference: bool = False,
    drive_on: Drive | None = None,
) -> Iterator[LabelStream]:
    """Lay out the streams of the chosen sequences.

    Args:
        choices: Which sequences, and how long.
        reader: Of the base.
        size_hw: Of the frames to make.
        layers: Read from the base beside its maps.
        with_reference: Whether videos are drawn, which begin with a picture.
        drive_on: Go on so where a recording ends; None: it is then too short.

    Raises:
        StoreError: If the store is empty, or a sequence is unknown or too short.
    """
    for sequence in _chosen_sequences(choices, reader, is_predicted=drive_on is not None):
        yield label_stream(
            reader,
            sequence,
            size_hw=size_hw,
            layers=layers,
            with_reference=with_reference,
            drive_on=drive_on,
        )


def label_stream(
    reader: StoreReader,
    sequence: Sequence,
    *,
    size_hw: tuple[int, int],
    layers: tuple[str, ...],
    with_reference: bool = False,
    drive_on: Drive | None = None,
) -> LabelStream:
    """Return the stream of one sequence with its maps and further layers."""
    return LabelStream(
        reader,
        sequence,
        size_hw,
        (*maps_of(reader), *layers),
        street_world(sequence),
        with_reference=with_reference,
        drive_on=drive_on,
        object_colours=_asked_for(reader, sequence),
    )


def _asked_for(reader: StoreReader, sequence: Sequence) -> dict[int, RgbLevels]:
    """Return the colours that the edits ask for which a sequence was made with."""
    if not sequence.details.get("plan_hash"):
        return {}
    plan = sidecar_path(reader.path, EDITS, sequence.sequence_id, PLAN_FILE)
    return read_plan(plan).object_colours


def _chosen_sequences(
    choices: EditChoices, reader: StoreReader, *, is_predicted: bool
) -> list[Sequence]:
    sequences = [reader.sequence(one) for one in choices.sequences or reader.sequence_ids]
    if not sequences:
        raise StoreError(f"store '{reader.path}' has no sequences; 'svsdata label' adds some")
    if choices.frames is not None and not is_predicted:
        _check_lengths(choices.frames, sequences, reader)
    return sequences


def maps_of(reader: StoreReader) -> tuple[str, ...]:
    """Return the maps that a store has."""
    return tuple(layer for layer in ("semantic", "instance") if layer in reader.info.modalities)


def motion_of(reader: StoreReader) -> tuple[str, ...]:
    """Return the layers of a store that tell how its pixels moved."""
    return tuple(layer for layer in ("flow", "occlusion") if layer in reader.info.modalities)


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
