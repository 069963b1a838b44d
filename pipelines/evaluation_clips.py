"""The clips of an evaluation: read once, in order, with what they were made from."""

from collections.abc import Collection, Iterator, Sequence

from svsdata.errors import ConfigError
from svsdata.evaluation.clip_figures import Clip
from svsdata.overlap import in_background
from svsdata.pipelines.configs.evaluate import EvaluateConfig, Metric
from svsdata.progress import Progress
from svsdata.records import Frame
from svsdata.store.reader import StoreReader


def counted_frames(reader: StoreReader, config: EvaluateConfig) -> dict[str, int]:
    """Return by sequence the frame behind the last one that counts.

    Raises:
        ConfigError: If no frame of the store counts.
    """
    lengths = {name: reader.sequence(name).num_frames for name in reader.sequence_ids}
    longest = max(lengths.values())
    if longest <= config.first_frame:
        raise ConfigError(
            f"no frame of '{reader.path}' counts: its longest sequence has {longest} frames, "
            f"first_frame is {config.first_frame}"
        )
    return {name: _stop(length, config) for name, length in lengths.items()}


def sequences_of_part(reader: StoreReader, part: str | None) -> list[str]:
    """Return the sequences of a part, all without one: of ``2/4`` the second of every four."""
    if part is None:
        return reader.sequence_ids
    place, _, parts = part.partition("/")
    return reader.sequence_ids[int(place) - 1 :: int(parts)]


def told_frames(real: StoreReader, synthetic: StoreReader, config: EvaluateConfig) -> str:
    """Say in one line which frames of two stores are measured, and at which size.

    Raises:
        ConfigError: If no frame counts.
    """
    stops = [(store, counted_frames(store, config)) for store in (synthetic, real)]
    made, recorded = (
        sum(
            max(counted[name] - config.first_frame, 0)
            for name in sequences_of_part(store, config.part)
        )
        for store, counted in stops
    )
    (height, width), old_hw = synthetic.info.size_hw, real.info.size_hw
    resized = (
        "" if old_hw == (height, width) else f", resized from {old_hw[1]}x{old_hw[0]} to that size"
    )
    which = (
        "all"
        if config.clips_per_sequence is None
        else f"the first {config.clips_per_sequence} clips of {config.clip_frames}"
    )
    return (
        f"{width}x{height}, of each sequence {which} from frame {config.first_frame} on: "
        f"{made} synthetic and {recorded} real{resized}"
    )


def clips(
    reader: StoreReader,
    originals: StoreReader | None,
    sequence_ids: Sequence[str],
    size_hw: tuple[int, int],
    config: EvaluateConfig,
    progress: Progress,
) -> Iterator[Clip]:
    """Yield the clips of sequences of a store, decoded ahead of whoever judges them.

    Args:
        reader: The store.
        originals: The real store, for a synthetic one.
        sequence_ids: Which sequences.
        size_hw: Of the frames, as they are measured.
        config: Which frames count.
        progress: Hears of every clip.

    Raises:
        ConfigError: If no frame of the store counts.
    """
    layers = _layers(reader, originals, config.metrics)
    stops = counted_frames(reader, config)
    counted = {name: stops[name] for name in sequence_ids}
    total = sum(max(stop - config.first_frame, 0) for stop in counted.values())
    progress.start(f"evaluate {reader.path.name}", total)
    for name, stop in counted.items():
        frames = in_background(_pairs(reader, originals, name, stop, layers, size_hw), capacity=8)
        before: Frame | None = None
        held: list[tuple[Frame, Frame | None]] = []
        for frame, original in frames:
            if frame.frame_index < config.first_frame:
                before = frame
                continue
            held.append((frame, original))
            last = frame.frame_index + 1 == stop
            if len(held) == config.clip_frames or last:
                yield _clip(name, held, before, config)
                progress.advance(len(held))
                before, held = held[-1][0], []


def base_sequence(reader: StoreReader, originals: StoreReader, name: str) -> str | None:
    """Return the recorded sequence that a synthetic one's labels come from, where there is one."""
    base = reader.sequence(name).details.get("base_sequence", name)
    return base if base in originals else None


def _layers(
    reader: StoreReader, originals: StoreReader | None, metrics: Collection[Metric]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which layers count: of a store's own frames, and of those that they came from.

    A synthetic store is shown as well as measured. Where it has flow, nobody else's is read.
    """
    motion = {"flow", "occlusion"} if {"warping_error", "flow_epe"} & set(metrics) else set()
    own = {"image"} | motion
    if originals is not None:
        own |= {"semantic", "provenance"}
    if {"miou", "drift", "flow_epe"} & set(metrics):
        own.add("semantic")
    if "identity" in metrics:
        own.add("instance")
    theirs = {"image", "semantic"} | (set() if "flow" in reader.info.modalities else motion)
    return _held(reader, own), () if originals is None else _held(originals, theirs)


def _held(reader: StoreReader, wanted: Collection[str]) -> tuple[str, ...]:
    return tuple(layer for layer in reader.info.modalities if layer in wanted)


def _stop(num_frames: int, config: EvaluateConfig) -> int:
    if config.clips_per_sequence is None:
        return num_frames
    return min(num_frames, config.first_frame + config.clips_per_sequence * config.clip_frames)


def _clip(
    name: str,
    held: Sequence[tuple[Frame, Frame | None]],
    before: Frame | None,
    config: EvaluateConfig,
) -> Clip:
    frames = tuple(frame for frame, _ in held)
    originals = tuple(original for _, original in held)
    return Clip(
        name,
        frames,
        before,
        originals if any(original is not None for original in originals) else (),
        is_whole=len(frames) == config.clip_frames,
    )


def _pairs(
    reader: StoreReader,
    originals: StoreReader | None,
    name: str,
    stop: int,
    layers: tuple[tuple[str, ...], tuple[str, ...]],
    size_hw: tuple[int, int],
) -> Iterator[tuple[Frame, Frame | None]]:
    """Yield frames with the recorded ones that their labels come from, while there are any."""
    recorded: Iterator[Frame] = iter(())
    base = None if originals is None else base_sequence(reader, originals, name)
    if originals is not None and base is not None:
        end = min(stop, originals.sequence(base).num_frames)
        recorded = originals.read(base, 0, end, layers=layers[1], size_hw=size_hw)
    for frame in reader.read(name, 0, stop, layers=layers[0], size_hw=size_hw):
        yield frame, next(recorded, None)
