"""What a labelling run consists of, chosen from its config and what the source is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from svsdata.crops import rows_of_shape
from svsdata.errors import ConfigError
from svsdata.estimation.flow_estimators import FlowEstimator, flow_estimator
from svsdata.geometry.self_calibration import MIN_CARS, HorizonFit, camera_of_horizon
from svsdata.labeling.camera_glimpses import fit_shared_horizon
from svsdata.labeling.flow_labelers import EstimatedFlow, ExactFlow, FlowLabeler, NoFlow
from svsdata.labeling.labelers import ExactLabels, Labeler, NetworkLabels
from svsdata.labeling.labelled_frames import BadFrames, Chain
from svsdata.labeling.map_folder import MapFolder
from svsdata.labeling.precomputed import (
    CONFIDENCE_WORDS,
    INSTANCE_WORDS,
    SEMANTIC_WORDS,
    Maps,
    PrecomputedLabels,
    refuse_train_ids,
)
from svsdata.labeling.sources.recognise import KITTI360_LAYOUT, STREET_WORLD, open_source
from svsdata.labeling.sources.recording import Recording, Source, first_size_hw
from svsdata.labeling.sources.street import PREFIX
from svsdata.labels import CITYSCAPES, CITYSCAPES_TRAIN, KITTI360, LabelSet, label_set_by_name
from svsdata.pipelines.configs.label import CHECKPOINTS, LabelConfig
from svsdata.pipelines.run_dir import require_apart
from svsdata.pipelines.train_presets import presets_by_shape
from svsdata.progress import Progress
from svsdata.records import FRAME_LAYERS
from svsdata.store.format import StoreInfo

KITTI360_MAPS = "data_2d_semantics"
"""Where a download of KITTI-360 has its own maps."""

LabelerOf: TypeAlias = Callable[[Recording], Labeler]


@dataclass(frozen=True)
class LabelRun:
    """A source with everything that will happen to it."""

    source: Source
    recordings: tuple[Recording, ...]
    labeler_of: LabelerOf
    chain: Chain
    info: StoreInfo
    lasting_ids: bool
    """Whether the source's own instance ids hold for the whole sequence."""
    tracks: bool
    """Whether ids of single frames are joined into objects."""
    renames: bool
    """Whether an object's class, and the semantic map under it, is that of most confidence."""
    part_frames: int
    maps: str = ""
    """Where labels that exist already lie."""
    horizon: HorizonFit | None = None
    """What the camera of recordings without calibration was estimated from."""


def prepare(config: LabelConfig, progress: Progress) -> LabelRun:
    """Open the source and load what labels it; tells what it found and what it assumes."""
    is_street = config.source.startswith(PREFIX)
    maps = (config.semantic, config.instance, config.confidence)
    read = maps if is_street else (config.source, *maps)
    require_apart(Path(config.store), read, may_lie_inside=True)
    source = open_source(config.source, fps=config.fps, skip_bad=config.skip_bad)
    recordings = _chosen(source, config.sequences)
    progress.note(f"{config.source}: {source.kind}, sequences: {len(recordings)}")
    for note in source.notes:
        progress.note(note)
    if config.crop_rows and source.kind == STREET_WORLD:
        raise ConfigError("crop_rows: a street world is rendered at any size, such as size=512x128")
    segmenter = _segmenter(config, source)
    label_set = _label_set(config, source, segmenter)
    labeler_of = _labelers(config, source, segmenter, label_set)
    flow_name = config.flow or ("exact" if source.kind == STREET_WORLD else "dis")
    flow = _flow_labeler(flow_name, config)
    size_hw = (config.size[1], config.size[0]) if config.size else _own_size_hw(config, recordings)
    if source.kind != STREET_WORLD:
        _tell_shape(config, size_hw, recordings[0], progress)
    layers = {"image", *labeler_of(recordings[0]).layers, *flow.layers}
    batch = labeler_of(recordings[0]).batch_size
    is_precomputed = segmenter == "precomputed"
    # KITTI-360's own maps have lasting ids, as the street world has.
    scope = config.instance_scope or (
        "sequence" if source.kind == KITTI360_LAYOUT and not config.instance else "frame"
    )
    lasting_ids = segmenter == "exact" or (is_precomputed and scope == "sequence")
    return LabelRun(
        source=source,
        recordings=recordings,
        labeler_of=labeler_of,
        chain=Chain(
            size_hw,
            label_set,
            flow,
            config.crop_rows,
            aligns_ground=config.flow_ground and flow_name == "dis",
        ),
        info=StoreInfo(
            label_set=label_set,
            size_hw=size_hw,
            fps=source.recordings[0].fps,
            modalities=tuple(layer for layer in FRAME_LAYERS if layer in layers),
            licences={source.kind: source.licence},
        ),
        lasting_ids=lasting_ids,
        tracks=config.tracking and not lasting_ids and {"instance", "flow"} <= layers,
        # Maps that somebody brings are the labels that are wanted, to the last pixel.
        renames=not is_precomputed if config.vote_classes is None else config.vote_classes,
        # Whole batches, so that a run gone on with sees the same ones.
        part_frames=-(-config.part_frames // batch) * batch,
        maps=_maps(config, source).in_words if is_precomputed else "",
    )


def estimate_camera(run: LabelRun, config: LabelConfig, progress: Progress) -> LabelRun:
    """Return the run with the camera of its recordings without calibration, told and flagged.

    The same source gives the same camera, so a run that goes on sees the one it began with.

    Raises:
        SourceError: If a frame or its labels cannot be read, and none may be skipped.
        LabelSetError: If labels are not of the label set.
    """
    unknown = [recording for recording in run.recordings if recording.camera is None]
    if not unknown:
        return run
    reason = "as asked"
    if config.camera == "auto":
        bad = BadFrames(skip=config.skip_bad)
        fit = fit_shared_horizon(unknown, run.labeler_of, run.chain, bad, config.camera_frames)
        if fit.is_trusted(run.info.size_hw[0]):
            camera = camera_of_horizon(fit, run.info.size_hw)
            progress.note(f"camera not given: estimated from {fit.in_words()}")
            return replace(run, chain=replace(run.chain, camera=camera), horizon=fit)
        reason = f"no horizon could be trusted that {fit.num_cars} whole cars told"
        if fit.num_cars < MIN_CARS:
            reason = f"{fit.num_cars} whole cars seen, an estimate needs {MIN_CARS}"
    progress.note(f"camera not given: that of Cityscapes is assumed and flagged so ({reason})")
    return run


def _chosen(source: Source, wanted: tuple[str, ...]) -> tuple[Recording, ...]:
    by_id = {recording.sequence_id: recording for recording in source.recordings}
    missing = [sequence_id for sequence_id in wanted if sequence_id not in by_id]
    if missing:
        raise ConfigError(
            f"no sequence {', '.join(missing)} in the source; it has: {', '.join(by_id)}"
        )
    return tuple(by_id[sequence_id] for sequence_id in wanted) or source.recordings


def _own_size_hw(config: LabelConfig, recordings: tuple[Recording, ...]) -> tuple[int, int]:
    height, width = first_size_hw(recordings[0])
    return min(height, config.crop_rows or height), width


def _tell_shape(
    config: LabelConfig, size_hw: tuple[int, int], recording: Recording, progress: Progress
) -> None:
    """Note frames that no preset of training takes, and the crop that makes them fit."""
    shapes = presets_by_shape()
    if any(rows_of_shape(size_hw, shape) == size_hw[0] for shape in shapes):
        return
    own_hw = first_size_hw(recording)
    crops = {rows_of_shape(own_hw, shape) or 0: shape for shape in shapes}
    rows, (high, wide) = max(crops.items())
    told = " or ".join(f"{width}:{height}" for height, width in shapes)
    advice = f"--set crop_rows={rows} keeps the lower {rows} rows, {wide}:{high}"
    if config.size:
        advice += f", at --size {config.size[0]}x{round(config.size[0] * high / wide)}"
    if not rows:
        advice = "crop the recording first"
    progress.note(
        f"frames of {size_hw[1]}x{size_hw[0]} fit no preset of 'svsdata train', which are {told}; "
        f"{advice}"
    )


def _segmenter(config: LabelConfig, source: Source) -> str:
    wanted = config.segmenter
    if source.kind != STREET_WORLD and "exact" in (wanted, config.flow):
        raise ConfigError(
            f"{config.source}: only the street world knows exact labels and flow; choose another "
            "segmenter or flow"
        )
    if wanted is not None:
        known = ("precomputed", "exact", *CHECKPOINTS)
        if wanted not in known and "/" not in wanted and not Path(wanted).is_dir():
            raise ConfigError(
                f"segmenter '{wanted}': none of {', '.join(known)}, no folder, and no name of the "
                "hub such as shi-labs/oneformer_cityscapes_swin_large"
            )
        return wanted
    if source.kind == STREET_WORLD:
        return "exact"
    has_maps = source.kind == KITTI360_LAYOUT and (Path(config.source) / KITTI360_MAPS).is_dir()
    return "precomputed" if config.semantic or has_maps else "oneformer"


def _label_set(config: LabelConfig, source: Source, segmenter: str) -> LabelSet:
    of_kitti360 = source.kind == KITTI360_LAYOUT and segmenter == "precomputed"
    usual = KITTI360 if of_kitti360 and config.encoding != "train_ids" else CITYSCAPES
    label_set = label_set_by_name(config.label_set) if config.label_set else usual
    if segmenter == "exact" and label_set != CITYSCAPES:
        raise ConfigError(
            f"label_set {label_set.name}: the street world's labels are in {CITYSCAPES.name}"
        )
    return label_set


def _labelers(
    config: LabelConfig, source: Source, segmenter: str, label_set: LabelSet
) -> LabelerOf:
    if segmenter == "exact":
        return lambda _: ExactLabels()
    if segmenter != "precomputed":
        labeler = _network_labels(config, CHECKPOINTS.get(segmenter, segmenter), label_set)
        return lambda _: labeler
    maps = _maps(config, source)
    maps.refuse_frames(_chosen(source, config.sequences))
    if config.encoding is None and config.semantic and label_set != CITYSCAPES_TRAIN:
        refuse_train_ids(maps.semantic)
    return lambda recording: PrecomputedLabels(
        maps,
        label_set=label_set,
        encoding=config.encoding or "label_ids",
        folders=recording.folders,
        cropped=config.crop_rows is not None,
    )


def _maps(config: LabelConfig, source: Source) -> Maps:
    """Find the maps' folders: those named, or KITTI-360's own."""
    own = Path(config.source) / KITTI360_MAPS
    is_kitti360 = source.kind == KITTI360_LAYOUT and own.is_dir()
    own_confidence = is_kitti360 and any(own.glob("*/*/*/confidence"))
    semantic = config.semantic or (own if is_kitti360 else None)
    instance = config.instance or (own if is_kitti360 else None)
    confidence = config.confidence or (own if own_confidence else None)
    if semantic is None:
        raise ConfigError("segmenter precomputed: name the folder of its maps, --semantic FOLDER")
    first, words = config.first_map, SEMANTIC_WORDS[config.encoding or "label_ids"]
    return Maps(
        _map_folder(semantic, words, first),
        _map_folder(instance, INSTANCE_WORDS, first) if instance else None,
        _map_folder(confidence, CONFIDENCE_WORDS, first) if confidence else None,
    )


def _map_folder(folder: Path | str, words: tuple[str, ...], first: int | None) -> MapFolder:
    return MapFolder(Path(folder).expanduser(), words, first=first)


def _network_labels(config: LabelConfig, checkpoint: str, label_set: LabelSet) -> NetworkLabels:
    # Imports torch, which labels that exist already do not need.
    from svsdata.estimation.segmenter_checkpoints import load_network
    from svsdata.estimation.transformers_segmenter import TransformersSegmenter
    from svsdata.synthesis.compute import chosen_device

    device = str(chosen_device(config.device))
    network = load_network(checkpoint, label_set, device=device, download=config.download)
    segmenter = TransformersSegmenter(
        network, label_set, input_height=config.input_height, precision=config.precision
    )
    return NetworkLabels(segmenter, batch_size=config.batch_size)


def _flow_labeler(name: str, config: LabelConfig) -> FlowLabeler:
    if name == "exact":
        return ExactFlow()
    if name == "none":
        return NoFlow()
    if name == "flownet2":
        return EstimatedFlow(_flownet2(config))
    return EstimatedFlow(flow_estimator(name, check=config.flow_check))


def _flownet2(config: LabelConfig) -> FlowEstimator:
    # Imports torch, as above.
    from svsdata.checkpoints.feature_weights import weights_file
    from svsdata.estimation.flownet2_flow import FlowNet2Flow, load_flownet2, weights_digest
    from svsdata.synthesis.compute import chosen_device

    path = weights_file(config.flow_weights, config.weights_folder)
    network = load_flownet2(
        path,
        contrast=config.flow_contrast,
        precision=config.flow_precision,
        device=str(chosen_device(config.device)),
    )
    source = f"{path.name} sha256={weights_digest(path)}"
    return FlowNet2Flow(network, source, check=config.flow_check, fit=config.flow_fit)
