"""COCO's panoptic format: one JSON of all segments, and a picture of segment ids a frame.

    <split>/<sequence>_<frame>.png                  the frames; recorded JPEGs keep their bytes
    panoptic_<split>/<sequence>_<frame>.png         RGB of a segment's id: R + 256 G + 65536 B
    annotations/panoptic_<split>.json               images, annotations, categories
    annotations/panoptic_<split>/<sequence>.jsonl   the same by sequence, of which it is made

A segment's id is its instance id, so that an object keeps it over its sequence; 0 is void.
Sources: COCO's panoptic task format; categories and crowds as cityscapesScripts'
createPanopticImgs.py has them.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from svsdata.export.exporter import MAP_LEVEL, picture_file, written
from svsdata.export.label_conversion import LabelConversion
from svsdata.images import encode_png
from svsdata.labels import CITYSCAPES, CITYSCAPES_TRAIN, LabelSet
from svsdata.records import INSTANCE_BASE, Frame, Image, InstanceMap, Sequence
from svsdata.whole_files import whole_file


@dataclass(frozen=True)
class CocoPanopticExporter:
    """Writes sequences; the evaluated classes of their label set are the categories."""

    folder: Path
    label_set: LabelSet
    """The store's. Of ``cityscapes_train`` the label ids are written: train id 0 would be void."""
    split: str = "train"
    layers: tuple[str, ...] = ("encoded_image", "semantic", "instance", "provenance")

    def check(self, sequences: list[Sequence]) -> None:
        """Accept all: names of files begin with the sequence's id."""

    def write(self, sequence: Sequence, frames: Iterator[Frame]) -> dict[str, str]:
        """Write frames and maps, then the sequence's part of the annotations.

        The document that lacks them goes.
        """
        self._document_path.unlink(missing_ok=True)
        for folder in (self.folder / self.split, self._panoptic, self._parts):
            folder.mkdir(parents=True, exist_ok=True)
        entries = written(lambda frame: self._write_frame(sequence, frame), frames)
        lines = (json.dumps(entry) + "\n" for entry in entries)
        _write_whole(self._parts / f"{sequence.sequence_id}.jsonl", lines)
        return {"split": self.split}

    @property
    def is_complete(self) -> bool:
        """Whether the document is there, which then tells of every sequence."""
        return self._document_path.exists()

    def complete(self) -> None:
        """Join the parts of all sequences in the folder and number the images."""
        _write_whole(self._document_path, self._document())

    @property
    def _document_path(self) -> Path:
        return self._parts.with_suffix(".json")

    @property
    def _panoptic(self) -> Path:
        return self.folder / f"panoptic_{self.split}"

    @property
    def _parts(self) -> Path:
        return self.folder / "annotations" / f"panoptic_{self.split}"

    @cached_property
    def _target(self) -> LabelSet:
        return CITYSCAPES if self.label_set == CITYSCAPES_TRAIN else self.label_set

    @cached_property
    def _conversion(self) -> LabelConversion:
        return LabelConversion(self.label_set, self._target)

    @cached_property
    def _is_void(self) -> NDArray[np.bool_]:
        """(256,) by label id of the target."""
        is_void = np.ones(256, bool)
        is_void[[label.id for label in self._target.labels if label.evaluated]] = False
        return is_void

    def _write_frame(self, sequence: Sequence, frame: Frame) -> dict[str, Any]:
        """Return what the annotations say of the frame, but for the image's number."""
        stem = f"{sequence.sequence_id}_{frame.frame_index:06d}"
        semantic, instance = self._conversion.maps(frame, f"'{stem}'")
        suffix, data = picture_file(frame, f"'{stem}'")
        (self.folder / self.split / f"{stem}{suffix}").write_bytes(data)
        ids = semantic.astype(np.uint16) if instance is None else instance
        segments = np.where(self._is_void[semantic], 0, ids).astype(np.uint16)
        (self._panoptic / f"{stem}.png").write_bytes(encode_png(_colors(segments), MAP_LEVEL))
        height, width = segments.shape
        return {
            "image": {
                "file_name": f"{stem}{suffix}",
                "width": width,
                "height": height,
                "sequence": sequence.sequence_id,
                "frame": frame.frame_index,
            },
            "annotation": {"file_name": f"{stem}.png", "segments_info": self._infos(segments)},
        }

    def _infos(self, segments: InstanceMap) -> list[dict[str, Any]]:
        """Describe each segment: boxes are (x, y, width, height) in pixels."""
        areas = np.bincount(segments.ravel())
        ids = np.flatnonzero(areas[1:]) + 1
        order = np.zeros(len(areas), np.int32)
        order[ids] = np.arange(1, len(ids) + 1)
        infos = []
        for number, (rows, columns) in zip(ids, find_objects(order[segments]), strict=True):
            label = number // INSTANCE_BASE if number >= INSTANCE_BASE else number
            is_crowd = label in self._target.thing_ids and number < INSTANCE_BASE
            x, y = columns.start, rows.start
            infos.append(
                {
                    "id": int(number),
                    "category_id": int(label),
                    "area": int(areas[number]),
                    "bbox": [x, y, columns.stop - x, rows.stop - y],
                    "iscrowd": int(is_crowd),
                }
            )
        return infos

    def _document(self) -> Iterator[str]:
        """Yield the JSON text piece by piece: it may be larger than memory."""
        categories = [
            {
                "id": label.id,
                "name": label.name,
                "supercategory": label.category,
                "isthing": int(label.has_instances),
                "color": label.color,
            }
            for label in self._target.labels
            if label.evaluated
        ]
        yield f'{{"licenses": [],\n"categories": {json.dumps(categories)},\n"images": ['
        yield from self._listed("image", "id")
        yield '],\n"annotations": ['
        yield from self._listed("annotation", "image_id")
        yield "]}\n"

    def _listed(self, what: Literal["image", "annotation"], number_name: str) -> Iterator[str]:
        number = 0
        for path in sorted(self._parts.glob("*.jsonl")):
            with path.open(encoding="utf-8") as lines:
                for line in lines:
                    number += 1
                    separator = ",\n" if number > 1 else "\n"
                    yield separator + json.dumps({number_name: number, **json.loads(line)[what]})


def _colors(segments: InstanceMap) -> Image:
    high, low = np.divmod(segments, 256)
    return np.stack([low, high, np.zeros_like(low)], axis=-1).astype(np.uint8)


def _write_whole(path: Path, texts: Iterable[str]) -> None:
    with whole_file(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.writelines(texts)
