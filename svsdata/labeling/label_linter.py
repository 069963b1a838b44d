"""Tell which ids a folder of label maps holds, and how to label with them."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from svsdata.errors import SourceError
from svsdata.images import decode_map, read_header
from svsdata.labeling.sources.folder import PICTURE_SUFFIXES, is_hidden
from svsdata.labels import CITYSCAPES, CITYSCAPES_TRAIN, KITTI360, NO_LABEL, LabelSet
from svsdata.records import INSTANCE_BASE

MAPS_READ = 50
"""Maps of one kind that are looked at, evenly spread; ids are few and recur."""

IdSystem: TypeAlias = Literal[
    "label ids", "train ids", "KITTI-360 ids", "instance ids", "KITTI-360 instance ids",
    "instance indices", "confidence", "colours", "colours as gray", "palette", "JPEG", "unknown",
]  # fmt: skip

# Ids that train ids end before and that hardly any street lacks: vegetation, sky, vehicles.
_BEYOND_TRAIN_IDS = frozenset({21, 23, *range(24, 34)})
_ADVICE: Mapping[IdSystem, str] = {
    "label ids": "svsdata label FRAMES STORE --segmenter precomputed --semantic {folder}",
    "train ids": "svsdata label FRAMES STORE --segmenter precomputed --semantic {folder} "
    "--set encoding=train_ids",
    "KITTI-360 ids": "svsdata label FRAMES STORE --segmenter precomputed --semantic {folder} "
    "--set label_set=kitti360",
    "instance ids": "svsdata label ... --instance {folder}, beside the semantic maps",
    "KITTI-360 instance ids": "svsdata label ... --instance {folder} --set label_set=kitti360, "
    "beside the semantic maps",
    "instance indices": "svsdata label ... --instance {folder}; the semantic maps give the classes",
    "confidence": "svsdata label ... --set confidence={folder}, beside the semantic maps",
    "colours": "use the maps of ids that these pictures were painted from: several classes share "
    "a colour, and whatever is painted over or resized between colours names none",
    "colours as gray": "these are the colours' brightness, which many classes share; write the "
    "ids themselves as gray values",
    "palette": "write the palette's indices as plain gray values, if those are the ids",
    "JPEG": "JPEG changes ids; write the maps anew as PNG from the labels they were made of",
    "unknown": "the ids below fit no system that is known here; map them to Cityscapes label ids",
}
_REFUSED = frozenset({"colours", "colours as gray", "palette", "JPEG", "unknown"})


@dataclass(frozen=True)
class IdShare:
    """One id of a group of maps."""

    id: int
    """As stored; of instance maps the label id."""
    name: str
    """Of the class; empty where the system does not say."""
    share: float
    """Of all pixels looked at."""


@dataclass(frozen=True)
class MapGroup:
    """Maps below a folder that end in the same word, or lie in folders of the same name."""

    name: str
    system: IdSystem
    files: int
    files_read: int
    usable: bool
    """Whether ``svsdata label`` takes such maps."""
    advice: str
    ids: tuple[IdShare, ...]
    """The most frequent first; empty where values are no ids."""


def lint_labels(folder: Path) -> tuple[MapGroup, ...]:
    """Look at up to ``MAPS_READ`` maps of every kind that lies below a folder.

    Kinds are told apart by the word that ends a file's name (``_labelIds``), else by its folder.

    Raises:
        SourceError: If there are no pictures, or one cannot be read.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder; expected one with label maps")
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICTURE_SUFFIXES and not is_hidden(path, folder):
            groups[_kind_of(path)].append(path)
    if not groups:
        raise SourceError(f"{folder}: no label maps; expected PNG files, one a frame")
    return tuple(_linted(name, paths, folder) for name, paths in sorted(groups.items()))


def id_system(counts: NDArray[np.int64], *, bits: int, instances: bool = False) -> IdSystem:
    """Tell a system from how often each value occurs.

    Cityscapes label ids and train ids overlap: without vegetation, sky and every road user, ids
    up to 18 are train ids. Label ids with 255 are KITTI-360's, whose licence plate is -1.

    Args:
        counts: (65536,) pixels of each gray value.
        bits: 8 or 16, of the files.
        instances: Whether the files' name says that they are instance maps.
    """
    found = {int(value) for value in np.flatnonzero(counts)}
    if bits == 16:
        objects = {value // INSTANCE_BASE for value in found if value >= INSTANCE_BASE}
        labels = objects | {value for value in found if value < INSTANCE_BASE}
        if not (instances or objects) or max(labels) >= KITTI360.num_classes:
            return "unknown"
        # KITTI-360 numbers roads and buildings too; Cityscapes only what moves by itself.
        return "instance ids" if objects <= CITYSCAPES.thing_ids else "KITTI-360 instance ids"
    if instances:
        return "instance indices"
    ids = found - {NO_LABEL}
    if ids and max(ids) < CITYSCAPES_TRAIN.num_classes:
        return "train ids"
    if ids and max(ids) < KITTI360.num_classes and ids & _BEYOND_TRAIN_IDS:
        cityscapes = max(ids) < CITYSCAPES.num_classes and NO_LABEL not in found
        return "label ids" if cityscapes else "KITTI-360 ids"
    return "colours as gray" if found <= _brightness_of_colours() else "unknown"


def _linted(name: str, paths: list[Path], folder: Path) -> MapGroup:
    step = -(-len(paths) // MAPS_READ)
    read = paths[::step]
    counts = np.zeros(2**16, np.int64)
    systems: Counter[IdSystem] = Counter()
    bits = 8
    for path in read:
        data = _bytes_of(path)
        header = read_header(data, str(path))
        if header.format == "JPEG":
            systems["JPEG"] += 1
        elif header.has_palette:
            systems["palette"] += 1
        elif header.channels > 1:
            systems["colours"] += 1
        else:
            stored = decode_map(data, str(path))
            bits = max(bits, 8 * stored.itemsize)
            counts += np.bincount(stored.ravel(), minlength=len(counts))
    if counts.any():
        system: IdSystem = "confidence"
        if "confidence" not in name.lower():
            system = id_system(counts, bits=bits, instances="instance" in name.lower())
        systems[system] += len(read) - systems.total()
    # One picture that is no map spoils its group: labelling would stop there.
    system = next((it for it in systems if it in _REFUSED), next(iter(systems)))
    return MapGroup(
        name=name,
        system=system,
        files=len(paths),
        files_read=len(read),
        usable=system not in _REFUSED,
        advice=_ADVICE[system].format(folder=folder),
        ids=_shares(counts, system),
    )


def _shares(counts: NDArray[np.int64], system: IdSystem) -> tuple[IdShare, ...]:
    if "instance ids" in system:
        values = np.arange(len(counts))
        labels = np.where(values >= INSTANCE_BASE, values // INSTANCE_BASE, values)
        counts = np.bincount(labels, weights=counts).astype(np.int64)
    if system in {"instance indices", "confidence", "colours as gray"}:
        return ()
    names = _names(system)
    total = max(1, int(counts.sum()))
    found = sorted(np.flatnonzero(counts), key=lambda value: -counts[value])
    return tuple(IdShare(int(id_), names.get(int(id_), ""), counts[id_] / total) for id_ in found)


def _names(system: IdSystem) -> dict[int, str]:
    label_sets: dict[str, LabelSet] = {
        "label ids": CITYSCAPES,
        "instance ids": CITYSCAPES,
        "train ids": CITYSCAPES_TRAIN,
        "KITTI-360 ids": KITTI360,
        "KITTI-360 instance ids": KITTI360,
    }
    if system not in label_sets:
        return {}
    names = {label.id: label.name for label in label_sets[system].labels}
    return names | {NO_LABEL: "license plate" if system == "KITTI-360 ids" else "none"}


def _brightness_of_colours() -> frozenset[int]:
    """Return the gray values that the label sets' colours turn into (ITU-R BT.601)."""
    colours = np.array([label.color for label in KITTI360.labels])
    return frozenset(np.rint(colours @ [0.299, 0.587, 0.114]).astype(int).tolist())


def _kind_of(path: Path) -> str:
    word = path.stem.rpartition("_")[2]
    return word if word.isalpha() else path.parent.name


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
