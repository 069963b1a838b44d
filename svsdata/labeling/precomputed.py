"""Label and confidence maps that somebody has already."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from svsdata.errors import LabelSetError, SourceError
from svsdata.estimation.segmenters import fitting_instances, majority_labels
from svsdata.images import Map, decode_map, resize_map
from svsdata.labeling.label_linter import id_system
from svsdata.labeling.map_folder import MapFolder
from svsdata.labeling.sources.folder import PictureRecording
from svsdata.labeling.sources.recording import Recording
from svsdata.labels import (
    CITYSCAPES_TRAIN,
    KITTI360,
    NO_LABEL,
    LabelSet,
    conversion_table,
)
from svsdata.records import INSTANCE_BASE, Frame, InstanceMap, SemanticMap

SemanticEncoding: TypeAlias = Literal["label_ids", "train_ids"]

SEMANTIC_WORDS: Mapping[SemanticEncoding, tuple[str, ...]] = {
    "label_ids": ("labelIds", "semantic"),
    "train_ids": ("labelTrainIds", "trainIds", "semantic"),
}
INSTANCE_WORDS = ("instanceIds", "instance")
CONFIDENCE_WORDS = ("confidence",)
"""Folder names and name endings that decide between several maps of one frame."""

MAPS_LOOKED_AT = 16
"""Before labelling, evenly spread, to tell train ids from label ids."""

_ROAD, _VEGETATION_AND_SKY = 0, [8, 10]
"""Train ids that hardly any street lacks; maps without them tell too little."""


@dataclass(frozen=True)
class Maps:
    """Where maps of each kind are; None where there are none."""

    semantic: MapFolder
    instance: MapFolder | None = None
    """16 bits hold ``id * 1000 + index`` (or the id alone), 8 bits hold a frame's own indices with
    255 as none, whose class is that of most pixels under them."""
    confidence: MapFolder | None = None
    """8 or 16 bits; the greatest value is certain."""

    @property
    def in_words(self) -> str:
        """The folders, whole paths, and how their maps are counted."""
        return ", ".join(kind.in_words for kind in self._kinds)

    @property
    def _kinds(self) -> tuple[MapFolder, ...]:
        kinds = (self.semantic, self.instance, self.confidence)
        return tuple(kind for kind in kinds if kind is not None)

    def refuse_frames(self, recordings: Iterable[Recording]) -> None:
        """Refuse maps that would be read as frames too, where both lie below one folder.

        Raises:
            SourceError: Names the first one.
        """
        frames = {
            recording.root.resolve() / path.relative_to(recording.root)
            for recording in recordings
            if isinstance(recording, PictureRecording)
            for path in recording.paths
        }
        for kind in self._kinds:
            root = kind.root.resolve()
            for path in kind.paths:
                if root / path.relative_to(kind.root) in frames:
                    raise SourceError(
                        f"{path}: would be read as a map and as a frame; name the folder of the "
                        "frames alone as the source, or move the maps to a folder beside it"
                    )


class PrecomputedLabels:
    """Labels from map files of the frames' size, or of one with the same aspect ratio.

    Args:
        maps: Where they are.
        label_set: Of the labels returned, and of maps in ``label_ids``.
        encoding: Whether semantic maps hold ids of the label set, or Cityscapes train ids with
            255 as none.
        folders: Of the recording.
        cropped: Whether frames lost their upper rows; maps lose theirs, unless they have the
            cropped frames' aspect ratio already.
    """

    batch_size = 1

    def __init__(
        self,
        maps: Maps,
        *,
        label_set: LabelSet,
        encoding: SemanticEncoding,
        folders: tuple[str, ...],
        cropped: bool = False,
    ) -> None:
        self._cropped = cropped
        self._maps = maps
        self._label_set = label_set
        self._encoding = encoding
        self._folders = folders
        instance = () if maps.instance is None else ("instance",)
        confidence = () if maps.confidence is None else ("confidence",)
        self.layers: tuple[str, ...] = ("semantic", *instance, *confidence)
        self.description = f"precomputed {encoding}"

    def label(self, frames: Sequence[Frame]) -> list[Frame]:
        """See ``Labeler``."""
        return [self._label(frame) for frame in frames]

    def _label(self, frame: Frame) -> Frame:
        assert frame.image is not None
        size_hw = (frame.image.shape[0], frame.image.shape[1])
        path = self._maps.semantic.find(frame, self._folders)
        if self._label_set != CITYSCAPES_TRAIN:
            _check_name(path, self._encoding)
        semantic = label_ids(
            self._read(path, size_hw), str(path), self._label_set, encoding=self._encoding
        )
        instance = confidence = None
        if self._maps.instance is not None:
            path = self._maps.instance.find(frame, self._folders)
            stored = self._read(path, size_hw)
            _check_numbering(stored, semantic, str(path))
            instance = instance_ids(stored, semantic, self._label_set)
        if self._maps.confidence is not None:
            path = self._maps.confidence.find(frame, self._folders)
            confidence = confidence_map(self._read(path, size_hw))
        return replace(frame, semantic=semantic, instance=instance, confidence=confidence)

    def _read(self, path: Path, size_hw: tuple[int, int]) -> Map:
        """Read a map and fit it to its frame."""
        try:
            stored = decode_map(path.read_bytes(), str(path))
        except OSError as error:
            raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
        if self._cropped:
            rows = round(stored.shape[1] * size_hw[0] / size_hw[1])
            stored = stored[-rows:]
        height, width = stored.shape
        if abs(height * size_hw[1] - width * size_hw[0]) > max(height, width):
            raise SourceError(
                f"{path}: map of {width}x{height} for a frame of {size_hw[1]}x{size_hw[0]}; "
                "expected the same aspect ratio"
            )
        return resize_map(stored, size_hw)


def refuse_train_ids(maps: MapFolder) -> None:
    """Stop before train ids are read as label ids: both are valid numbers.

    Args:
        maps: Semantic maps to be read as label ids. Those named ``labelIds`` are believed.

    Raises:
        LabelSetError: If the maps looked at show a street in train ids, and no id beyond them.
    """
    counts = np.zeros(2**16, np.int64)
    for path in maps.spread(MAPS_LOOKED_AT):
        try:
            stored = decode_map(path.read_bytes(), str(path))
        except (OSError, SourceError):
            continue  # labelling tells of it, or leaves its frame out, when it comes there
        if not path.stem.endswith("labelIds"):
            counts += np.bincount(stored.ravel(), minlength=len(counts))
    is_street = counts[_ROAD] and counts[_VEGETATION_AND_SKY].any()
    if is_street and id_system(counts, bits=8) == "train ids":
        raise LabelSetError(
            f"{maps.root}: its maps hold ids up to {np.flatnonzero(counts[:NO_LABEL])[-1]} alone, "
            "as train ids do; read as label ids, road would be 'unlabeled'; add --set "
            "encoding=train_ids, or --set encoding=label_ids if they are label ids after all"
        )


def _check_numbering(stored: Map, semantic: SemanticMap, where: str) -> None:
    """Refuse 16-bit instance maps that number objects 1, 2, 3: read as classes, all would go."""
    told = stored > 0
    if stored.dtype == np.uint8 or not told.any() or stored.max() >= INSTANCE_BASE:
        return
    if np.mean(stored[told] == semantic[told]) < 0.5:
        raise LabelSetError(
            f"{where}: 16-bit instance map with numbers up to {stored.max()} that are not the "
            f"classes under them; expected ID * {INSTANCE_BASE} + index, such as 26003 for a car; "
            "write bare indices with 8 bits, 255 as none"
        )


def _check_name(path: Path, encoding: SemanticEncoding) -> None:
    """Refuse a map whose name says that its ids are the other ones: both are valid numbers."""
    word = path.stem.rpartition("_")[2]
    for other, words in SEMANTIC_WORDS.items():
        if word in words and word not in SEMANTIC_WORDS[encoding]:
            raise LabelSetError(
                f"{path}: its name tells {other}, it would be read as {encoding}; add "
                f"--set encoding={other}, or rename the maps"
            )


def label_ids(
    stored: Map, where: str, label_set: LabelSet, *, encoding: SemanticEncoding
) -> SemanticMap:
    """Turn a semantic map as stored into ids of the label set.

    Raises:
        LabelSetError: If it is not 8-bit or holds ids outside its encoding.
    """
    if stored.dtype != np.uint8:
        raise LabelSetError(f"{where}: a semantic map must have 8 bits, got 16; is it instances?")
    semantic = np.asarray(stored, np.uint8)
    if encoding == "train_ids":
        CITYSCAPES_TRAIN.check(semantic[semantic != NO_LABEL], where)
        return conversion_table(CITYSCAPES_TRAIN, label_set)[semantic]
    if label_set == KITTI360:  # its licence plate, -1, is 255 in a byte
        semantic = np.where(semantic == 255, KITTI360.by_name["license plate"].id, semantic)
        semantic = semantic.astype(np.uint8)
    label_set.check(semantic, where)
    return semantic


def instance_ids(stored: Map, semantic: SemanticMap, label_set: LabelSet) -> InstanceMap:
    """Turn an instance map as stored into ids that agree with the semantic map, which wins.

    Args:
        stored: (H, W) uint16 of ``id * 1000 + index`` or ids, or uint8 of indices, 255 = none.
        semantic: (H, W) ids of the label set.
        label_set: Tells things from stuff.
    """
    if stored.dtype == np.uint8:
        segments = (stored.astype(np.int16) + 1) % 256
        used = int(segments.max())
        return fitting_instances(
            semantic, segments, majority_labels(semantic, segments, used), label_set
        )
    labels = np.where(stored >= INSTANCE_BASE, stored // INSTANCE_BASE, stored)
    is_thing = np.isin(labels, list(label_set.thing_ids))
    return np.where(is_thing & (labels == semantic), stored, semantic).astype(np.uint16)


def confidence_map(stored: Map) -> NDArray[np.uint8]:
    """Turn a confidence map as stored, of 8 or 16 bits, into one of 8."""
    if stored.dtype == np.uint8:
        return np.asarray(stored, np.uint8)
    return ((stored + 128.0) // 257).astype(np.uint8)  # 65535 is 255 * 257
