"""MP4 that browsers play: every frame beside its labels, for people to look at."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from svsdata.errors import ExportError
from svsdata.export.digital_source import SOURCE_TYPES, SourceType, mark_mp4, source_type
from svsdata.images import id_borders
from svsdata.labels import LabelSet
from svsdata.records import Frame, Image, Sequence
from svsdata.video_codec import VideoWriter

_LABEL_OPACITY = 0.6


@dataclass(frozen=True)
class VideoExporter:
    """Writes one MP4 a sequence."""

    folder: Path
    label_set: LabelSet
    layers: tuple[str, ...] = ("image", "semantic", "instance", "provenance")
    is_complete = True

    def check(self, sequences: list[Sequence]) -> None:
        """Accept all: sequence ids are unique and fit file names."""

    def write(self, sequence: Sequence, frames: Iterator[Frame]) -> dict[str, str]:
        """Write the sequence to a temporary name and rename it when it is whole."""
        path = self.folder / f"{sequence.sequence_id}.mp4"
        unfinished = self.folder / f".{sequence.sequence_id}.unfinished.mp4"
        self.folder.mkdir(parents=True, exist_ok=True)
        height, width = sequence.size_hw
        kinds: set[SourceType | None] = set()
        with VideoWriter(unfinished, _even_hw(height, 2 * width), sequence.fps) as video:
            for frame in frames:
                video.append(_padded_to_even(side_by_side(frame, self.label_set)))
                kinds.add(source_type(frame))
        if kinds != {None}:
            mark_mp4(unfinished, next(kind for kind in SOURCE_TYPES if kind in kinds))
        unfinished.replace(path)
        return {"video": path.name}

    def complete(self) -> None:
        """Nothing: every video stands for itself."""


def side_by_side(frame: Frame, label_set: LabelSet) -> Image:
    """Return the picture beside itself with its labels over it: (H, 2W, 3)."""
    if frame.image is None or frame.semantic is None:
        raise ExportError(
            f"frame {frame.frame_index}: the video needs image and semantic map of every frame; "
            "label the store first"
        )
    colors = label_set.colorize(frame.semantic)
    overlay = cv2.addWeighted(frame.image, 1 - _LABEL_OPACITY, colors, _LABEL_OPACITY, 0)
    if frame.instance is not None:
        overlay[id_borders(frame.instance)] = 255
    return np.concatenate([frame.image, np.asarray(overlay, np.uint8)], axis=1)


def _even_hw(height: int, width: int) -> tuple[int, int]:
    """Return the next size that H.264 with halved chroma can hold."""
    return height + height % 2, width + width % 2


def _padded_to_even(image: Image) -> Image:
    if image.shape[0] % 2 == 0:
        return image
    return np.pad(image, ((0, 1), (0, 0), (0, 0)), mode="edge")
