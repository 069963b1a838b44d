"""The label gate: judge every frame of a store, and keep what was found beside it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from svsdata.errors import ConfigError, StoreError
from svsdata.estimation.flow_estimators import DisFlow, FlowEstimate
from svsdata.evaluation.gate import FREEMASK_RATIO, SequenceGate
from svsdata.overlap import in_background
from svsdata.pipelines.configs.gate import GateConfig
from svsdata.pipelines.gate_objects import ObjectFinding, object_findings
from svsdata.pipelines.judge_choice import NO_JUDGE, JudgingSegmenter, chosen_judge
from svsdata.pipelines.run_dir import set_aside
from svsdata.progress import Progress
from svsdata.records import Frame
from svsdata.store.gate_table import (
    GATE,
    GateRecord,
    GateRow,
    read_gate_record,
    store_classes,
    write_gate_record,
    write_gate_table,
)
from svsdata.store.reader import StoreReader
from svsdata.synthesis.compute import chosen_device

RATIOS = (1.0, FREEMASK_RATIO, 2.0, 4.0, 8.0)
"""Thresholds that the result shows, in mean losses of a class."""
_FRAMES_AHEAD = 8


class ClassFinding(BaseModel):
    """One class over the whole store."""

    model_config = ConfigDict(frozen=True)

    name: str
    share: float
    """Of all judged pixels."""
    agreement: float
    """Share of its pixels that the segmenter calls the same."""
    mean_loss: float
    """Nats a pixel."""
    rejected: float
    """Share of its pixels that FreeMask's threshold rejects."""


class GateResult(BaseModel):
    """What a gate found."""

    model_config = ConfigDict(frozen=True)

    store: Path
    judge: str
    vote_frames: int
    first_frame: int
    """The first frame of each sequence that counts."""
    sequences: int
    """Judged by this run."""
    already_done: int
    """Judged by an earlier run."""
    frames: int
    """Of all of them, those that count."""
    agreement: float
    """Share of judged pixels whose class the segmenter sees."""
    rejected: dict[str, float]
    """Share of judged pixels rejected, by threshold in mean losses of a class."""
    rejected_above: float
    """The threshold behind each class's rejected share, FreeMask's."""
    rejected_objects: dict[str, float]
    """Share of the views of objects, one object in one frame, rejected, by threshold."""
    classes: tuple[ClassFinding, ...]
    worst_objects: tuple[ObjectFinding, ...]
    then: str
    """What makes use of the findings."""


def run_gate(config: GateConfig, progress: Progress, *, overwrite: bool = False) -> GateResult:
    """Judge every sequence that was not judged yet, or has changed since.

    Args:
        config: Whom to ask, and of which store.
        progress: Told every frame.
        overwrite: Set findings of another judge aside, as ``gate.old-N``, instead of stopping.

    Raises:
        StoreError: If the store cannot be read, or has no sequence, pictures or labels.
        WeightsError: If the segmenter's weights are missing or do not fit.
        LabelSetError: If its classes are not those of the store's label set.
        ConfigError: If no judge is named, no frame counts, or the store holds findings of another
            judge, vote or count.
    """
    reader = StoreReader(config.store)
    ids = reader.sequence_ids
    if not ids:
        raise StoreError(f"store '{reader.path}' has no sequence yet")
    reader.require_layers("image", "semantic")
    if config.judge is None:
        raise ConfigError(NO_JUDGE)
    lengths = {name: reader.sequence(name).num_frames for name in ids}
    if max(lengths.values()) <= config.first_frame:
        raise ConfigError(
            f"no frame of '{reader.path}' counts: its longest sequence has "
            f"{max(lengths.values())} frames, first_frame is {config.first_frame}"
        )
    judge = chosen_judge(
        config.judge,
        reader.info.label_set,
        height=config.judge_height,
        drn_weights=config.drn_weights,
        weights_folder=config.weights_folder,
        device=str(chosen_device(config.device)),
    )
    judged = _judged(reader, judge.description, config, overwrite=overwrite)
    total, done = sum(lengths.values()), sum(lengths[name] for name in judged)
    progress.start("gate", total, done=done)
    records = [judged.get(name) or _judge(reader, name, judge, config, progress) for name in ids]
    return _result(reader, records, already_done=len(judged))


def _judged(
    reader: StoreReader, judge: str, config: GateConfig, *, overwrite: bool
) -> dict[str, GateRecord]:
    """Return what earlier runs found, by sequence; refuses what another judge found."""
    records = {name: read_gate_record(reader, name) for name in reader.sequence_ids}
    found = {name: record for name, record in records.items() if record is not None}
    now = (judge, config.vote_frames, config.first_frame)
    for name, record in found.items():
        earlier = (record.judge, record.vote_frames, record.first_frame)
        if earlier == now:
            continue
        if overwrite:
            set_aside(reader.path / GATE)
            return {}
        raise ConfigError(
            f"'{reader.path}': '{name}' was judged by {earlier[0]} with a vote of {earlier[1]} "
            f"frames, counted from frame {earlier[2]} on, now asked for {now[0]} with {now[1]} "
            f"from frame {now[2]} on; add --overwrite to set that aside"
        )
    return found


def _judge(
    reader: StoreReader,
    sequence_id: str,
    judge: JudgingSegmenter,
    config: GateConfig,
    progress: Progress,
) -> GateRecord:
    gate = SequenceGate(reader.info.label_set, config.vote_frames, config.first_frame)
    seen = in_background(
        _with_flow(reader, sequence_id, flow_needed=config.vote_frames > 1),
        capacity=_FRAMES_AHEAD,
    )

    def rows() -> Iterator[GateRow]:
        for frame, flow in seen:
            assert frame.image is not None
            assert frame.semantic is not None
            (judgement,) = judge.judge([frame.image], [frame.semantic])
            yield gate.add(frame, judgement, flow)
            progress.advance()

    record = GateRecord(
        sequence_id,
        reader.sequence(sequence_id).num_frames,
        reader.content_hash(sequence_id),
        judge.description,
        config.vote_frames,
        config.first_frame,
    )
    num_bytes, sha256 = write_gate_table(reader.path, sequence_id, rows())
    record = replace(record, num_bytes=num_bytes, sha256=sha256, classes=gate.tallies())
    write_gate_record(reader.path, record)
    return record


def _with_flow(
    reader: StoreReader, sequence_id: str, *, flow_needed: bool
) -> Iterator[tuple[Frame, FlowEstimate | None]]:
    """Yield frames with their stored flow, or with that of the pictures where there is none."""
    wanted = ("image", "semantic", "instance", "flow", "occlusion")
    layers = tuple(layer for layer in wanted if layer in reader.info.modalities)
    estimator, previous = DisFlow(check=True), None
    for frame in reader.read(sequence_id, layers=layers):
        flow = None
        if frame.flow is not None:
            flow = FlowEstimate(frame.flow, frame.flow_validity, frame.occlusion)
        elif flow_needed and previous is not None and frame.image is not None:
            flow = estimator.estimate(previous, frame.image)
        previous = frame.image
        yield frame, flow


def _result(reader: StoreReader, records: list[GateRecord], *, already_done: int) -> GateResult:
    classes = store_classes(records)
    whole = sum(tally.pixels for tally in classes.values())
    agreeing = sum(tally.agreeing for tally in classes.values())

    def rejected(ratio: float) -> float:
        return sum(tally.rejected(ratio) for tally in classes.values()) / max(whole, 1)

    worst, rejected_objects = object_findings(reader, records)
    return GateResult(
        store=reader.path,
        judge=records[0].judge,
        vote_frames=records[0].vote_frames,
        first_frame=records[0].first_frame,
        sequences=len(records) - already_done,
        already_done=already_done,
        frames=sum(max(it.num_frames - it.first_frame, 0) for it in records),
        agreement=agreeing / max(whole, 1),
        rejected={f"above {ratio:g}": rejected(ratio) for ratio in RATIOS},
        rejected_above=FREEMASK_RATIO,
        rejected_objects=rejected_objects,
        classes=tuple(
            ClassFinding(
                name=name,
                share=tally.pixels / whole,
                agreement=tally.agreeing / tally.pixels,
                mean_loss=tally.mean_loss,
                rejected=tally.rejected(FREEMASK_RATIO) / tally.pixels,
            )
            for name, tally in classes.items()
        ),
        worst_objects=worst,
        then=(
            f"'svsdata export {reader.path} cityscapes OUT --set gate_loss_ratio=1.25' blanks "
            "pixels above that threshold, '--set gate_object_agreement=0.3' objects below that one"
        ),
    )
