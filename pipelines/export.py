"""Export a store: its sequences, one by one, as files of another format."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from svsdata.errors import ExportError
from svsdata.export.cityscapes import CityscapesExporter
from svsdata.export.coco_panoptic import CocoPanopticExporter
from svsdata.export.digital_source import SourceType, source_type
from svsdata.export.exporter import Exporter
from svsdata.export.gating import REJECTED
from svsdata.export.kitti360 import Kitti360Exporter
from svsdata.export.manifest import claim_folder, finish, is_claimed, is_finished, writing
from svsdata.export.video import VideoExporter
from svsdata.export.webdataset import WebDatasetExporter
from svsdata.pipelines.configs.export import ExportConfig
from svsdata.pipelines.export_gate import StoreGate, chosen_gate
from svsdata.pipelines.run_dir import require_apart, set_aside
from svsdata.progress import Progress
from svsdata.records import Frame, Sequence
from svsdata.store.columns import ENCODED_IMAGE
from svsdata.store.files import alone_in
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader


class ExportResult(BaseModel):
    """What an export left behind."""

    model_config = ConfigDict(frozen=True)

    out: Path
    format: str
    sequences: tuple[str, ...]
    """Written by this run."""
    already_done: tuple[str, ...]
    """Left by an earlier run."""
    num_frames: int
    """Written by this run."""
    blanked: float | None
    """Share of this run's pixels that the gate blanked; None where none was asked for."""


class ExportEstimate(BaseModel):
    """What an export will take."""

    model_config = ConfigDict(frozen=True)

    out: Path
    format: str
    sequences: tuple[str, ...]
    """That are left to write."""
    already_done: tuple[str, ...]
    """Left by an earlier run."""
    num_frames: int
    """Left to write."""
    disk_bytes: int
    """About what the store's own files take; a video takes far less."""


def run_export(
    config: ExportConfig, progress: Progress, *, overwrite: bool = False
) -> ExportResult:
    """Export a store; run again it goes on with the first unfinished sequence.

    Args:
        config: What to export, and how.
        progress: Told every frame.
        overwrite: Set a folder that holds something else aside, as ``OUT.old-N``, instead of
            stopping.

    Raises:
        StoreError: If the store cannot be read.
        ExportError: If its sequences do not fit the format, the folder holds something else or
            another process exports there, or a gate is asked for that the store has not.
    """
    reader, exporter, sequences = _prepared(config)
    gate = chosen_gate(config, reader)
    hashes = {one.sequence_id: _content_hash(reader, one.sequence_id, gate) for one in sequences}
    with writing(config.out):
        finished = _finished(config, reader.info, hashes, overwrite=overwrite)
        if finished is None:
            set_aside(config.out)
        is_whole = finished is not None and len(finished) == len(hashes) and exporter.is_complete
        # What is whole may lie on a disk that cannot be written.
        with nullcontext() if is_whole else _alone(config, reader.info):
            finished = _finished(config, reader.info, hashes, overwrite=False) or ()
            unfinished = [one for one in sequences if one.sequence_id not in finished]
            num_frames = sum(one.num_frames for one in unfinished)
            done = sum(one.num_frames for one in sequences) - num_frames
            progress.start("export", done + num_frames, done=done)
            num_blanked = 0
            for sequence in unfinished:
                frames = _frames(reader, sequence.sequence_id, exporter.layers, gate)
                counts = _Counts()
                facts = exporter.write(sequence, _counted(frames, progress, counts))
                num_blanked += counts.blanked_pixels
                finish(
                    config.out,
                    sequence,
                    hashes[sequence.sequence_id],
                    facts=facts,
                    source_types=counts.source_types,
                )
            if not is_whole:
                exporter.complete()
    return ExportResult(
        out=config.out,
        format=config.format,
        sequences=tuple(one.sequence_id for one in unfinished),
        already_done=finished,
        num_frames=num_frames,
        blanked=num_blanked / (num_frames * prod(reader.info.size_hw))
        if gate is not None and num_frames
        else None,
    )


def estimate_export(config: ExportConfig, *, overwrite: bool = False) -> ExportEstimate:
    """Tell what is left to export, and what it takes by the store's records; nothing is written.

    Args:
        config: What to export, and how.
        overwrite: Whether the run may set a folder aside that holds something else.

    Raises:
        As ``run_export``, for what is refused before the first frame.
    """
    reader, _, sequences = _prepared(config)
    gate = chosen_gate(config, reader)
    hashes = {one.sequence_id: _content_hash(reader, one.sequence_id, gate) for one in sequences}
    finished = _finished(config, reader.info, hashes, overwrite=overwrite) or ()
    left = [one for one in sequences if one.sequence_id not in finished]
    parts = [part for one in left for part in reader.record(one.sequence_id).parts]
    return ExportEstimate(
        out=config.out,
        format=config.format,
        sequences=tuple(one.sequence_id for one in left),
        already_done=finished,
        num_frames=sum(one.num_frames for one in left),
        disk_bytes=sum(part.num_bytes for part in parts),
    )


def _prepared(config: ExportConfig) -> tuple[StoreReader, Exporter, list[Sequence]]:
    reader = StoreReader(config.store)
    require_apart(config.out, [config.store])
    sequences = [reader.sequence(one) for one in config.sequences or reader.sequence_ids]
    if not sequences:
        raise ExportError(f"store '{config.store}' has no sequences; nothing to export")
    _check_layers(config, reader.info)
    exporter = _exporter(config, reader.info)
    exporter.check(sequences)
    return reader, exporter, sequences


@contextmanager
def _alone(config: ExportConfig, info: StoreInfo) -> Iterator[None]:
    """Keep other processes out of the folder, which is made where it is not there."""
    config.out.mkdir(parents=True, exist_ok=True)
    refusal = ExportError(
        f"'{config.out}': another process exports there; let it end, or name another folder"
    )
    with alone_in(config.out, refusal):
        claim_folder(config.out, info, _settings(config))
        yield


def _check_layers(config: ExportConfig, info: StoreInfo) -> None:
    """Refuse a store without pictures or labels."""
    if "semantic" not in info.modalities:
        raise ExportError(f"store '{config.store}' has no labels; label the store first")
    if "image" not in info.modalities:
        raise ExportError(
            f"store '{config.store}' has labels alone; 'svsdata synthesize' draws pictures to "
            "labels, with --plan those of an edited store"
        )


def _finished(
    config: ExportConfig, info: StoreInfo, hashes: Mapping[str, str], *, overwrite: bool
) -> tuple[str, ...] | None:
    """Return the sequences that an earlier run exported whole; None if all is to be set aside."""
    try:
        if not is_claimed(config.out, info, _settings(config)):
            return ()
        return tuple(one for one in hashes if is_finished(config.out, one, hashes[one]))
    except ExportError:
        if not overwrite or not config.out.is_dir():
            raise
    return None


def _settings(config: ExportConfig) -> dict[str, str]:
    """Return what the files depend on beside the store."""
    settings = {"format": config.format, "split": config.split, "frames": config.image_folder}
    if config.gate_loss_ratio is not None:
        settings["gate_loss_ratio"] = f"{config.gate_loss_ratio:g}"
    if config.gate_object_agreement is not None:
        settings["gate_object_agreement"] = f"{config.gate_object_agreement:g}"
    return settings


def _exporter(config: ExportConfig, info: StoreInfo) -> Exporter:
    out, label_set, split = config.out, info.label_set, config.split
    match config.format:
        case "cityscapes":
            return CityscapesExporter(out, label_set, split, config.image_folder)
        case "kitti360":
            return Kitti360Exporter(out, label_set, split)
        case "coco-panoptic":
            return CocoPanopticExporter(out, label_set, split)
        case "webdataset":
            return WebDatasetExporter(out, label_set, split)
        case "video":
            return VideoExporter(out, label_set)


def _content_hash(reader: StoreReader, sequence_id: str, gate: StoreGate | None) -> str:
    """Return what identifies a sequence's content and what the gate makes of it."""
    content = reader.content_hash(sequence_id)
    if gate is None:
        return content
    return hashlib.sha256(f"{content} {gate.facts(sequence_id)}".encode()).hexdigest()


def _frames(
    reader: StoreReader, sequence_id: str, layers: tuple[str, ...], gate: StoreGate | None
) -> Iterator[Frame]:
    """Read what the format wants and the store has, without what the gate rejects."""
    held = {*reader.info.modalities}
    if "image" in held:
        held.add(ENCODED_IMAGE)
    present = tuple(layer for layer in layers if layer in held)
    frames = reader.read(sequence_id, layers=present)
    return frames if gate is None else gate.blanked(sequence_id, frames)


@dataclass
class _Counts:
    """What passed by of a sequence."""

    source_types: Counter[SourceType] = field(default_factory=Counter)
    blanked_pixels: int = 0


def _counted(frames: Iterator[Frame], progress: Progress, counts: _Counts) -> Iterator[Frame]:
    for frame in frames:
        if kind := source_type(frame):
            counts.source_types[kind] += 1
        if frame.provenance is not None:
            counts.blanked_pixels += int(np.count_nonzero(frame.provenance == REJECTED))
        yield frame
        progress.advance()
