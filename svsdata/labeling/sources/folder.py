"""A folder of frames, or of sub-folders with frames; one PNG or JPEG file a frame."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from svsdata.errors import SourceError
from svsdata.images import decode_image
from svsdata.labeling.sources.orientation import UPRIGHT, exif_orientation, turned_upright
from svsdata.labeling.sources.recording import (
    BadFrame,
    Recording,
    require_unicode,
    sequence_id_of,
)
from svsdata.overlap import ahead
from svsdata.records import Camera, EgoMotion, EncodedImage, Frame

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})

# Two threads decode 1024x512 PNG at about 150 frames/s, far more than any segmenter takes.
DECODERS = 2
DECODED_AHEAD = 6


@dataclass(frozen=True)
class PictureRecording:
    """A sequence whose frames are picture files, in the order of ``paths``."""

    sequence_id: str
    source: str
    fps: float
    root: Path
    """What ``Frame.source`` is told relative to."""
    paths: tuple[Path, ...]
    source_frames: tuple[int, ...]
    """Strictly increasing; gaps are gaps of the recording."""
    timestamps_us: tuple[int, ...]
    folders: tuple[str, ...] = ()
    camera: Camera | None = None
    ego: Mapping[int, EgoMotion] = field(default_factory=dict)
    """By position; positions without one are absent."""

    def __post_init__(self) -> None:
        """Refuse names that no store can hold."""
        require_unicode(self.source, *map(str, self.paths))

    @property
    def num_frames(self) -> int:
        """Number of picture files."""
        return len(self.paths)

    def frames(self, start: int) -> Iterator[Frame | BadFrame]:
        """Yield the frames from position ``start`` on; JPEG files bring their own bytes along."""
        return ahead(
            self._load, range(start, len(self.paths)), workers=DECODERS, capacity=DECODED_AHEAD
        )

    def _load(self, position: int) -> Frame | BadFrame:
        path = self.paths[position]
        try:
            data = path.read_bytes()
            orientation = exif_orientation(data)
            image = turned_upright(decode_image(data, str(path)), orientation)
        except OSError as error:
            return BadFrame(
                self.source_frames[position], f"{path}: cannot be read: {error.strerror}"
            )
        except SourceError as error:
            return BadFrame(self.source_frames[position], str(error))
        # Readers of exports turn a picture by its EXIF data or do not: none may be left to turn.
        keeps_bytes = path.suffix.lower() != ".png" and orientation == UPRIGHT
        return Frame(
            frame_index=position,
            timestamp_us=self.timestamps_us[position],
            image=image,
            camera=self.camera,
            ego=self.ego.get(position),
            source=path.relative_to(self.root).as_posix(),
            source_frame=self.source_frames[position],
            encoded_image=EncodedImage(data, path.name) if keeps_bytes else None,
        )


def folder_recordings(root: Path, *, fps: float) -> tuple[Recording, ...]:
    """Find the sequences of a folder: the folder itself, or every folder below it with pictures.

    Raises:
        SourceError: If there are no pictures, or pictures both in the folder and below it.
    """
    folders = {folder: pictures for folder in _folders(root) if (pictures := _pictures(folder))}
    if not folders:
        raise SourceError(
            f"{root}: no frames; expected PNG or JPEG files, in the folder or in one folder a "
            f"sequence, or videos in the folder itself; found {_kinds_of_files(root)}"
        )
    if root in folders and len(folders) > 1:
        below = next(folder for folder in folders if folder != root)
        raise SourceError(
            f"{root}: pictures lie both here and in {below.relative_to(root)}; name the one "
            "folder, or give each sequence a folder of its own"
        )
    return tuple(
        _recording(root, folder, pictures, fps=fps) for folder, pictures in folders.items()
    )


def is_hidden(path: Path, root: Path) -> bool:
    """Tell whether a file below a folder is none of the recording's, such as macOS' ``._x.jpg``.

    Args:
        path: The file or folder.
        root: A folder above it; what lies in hidden folders below that one is hidden.
    """
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def files_of_kind(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Return what lies in a folder itself and ends so, in any case; hidden files do not count."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not is_hidden(path, folder)
    )


def picture_numbers(paths: list[Path]) -> tuple[int, ...]:
    """Return the number that ends each name, or the positions where those do not increase."""
    found = [re.search(r"(\d{1,9})\D*$", path.stem) for path in paths]
    numbers = tuple(int(match.group(1)) for match in found if match)
    increasing = len(numbers) == len(paths) and all(
        left < right for left, right in pairwise(numbers)
    )
    return numbers if increasing else tuple(range(len(paths)))


def _recording(root: Path, folder: Path, pictures: list[Path], *, fps: float) -> PictureRecording:
    name = "-".join(folder.relative_to(root).parts) or folder.resolve().name
    return PictureRecording(
        sequence_id=sequence_id_of(name),
        source=str(folder),
        fps=fps,
        root=root,
        paths=tuple(pictures),
        folders=folder.relative_to(root).parts,
        source_frames=picture_numbers(pictures),
        timestamps_us=tuple(round(index * 1e6 / fps) for index in range(len(pictures))),
    )


def _folders(root: Path) -> list[Path]:
    below = (path for path in root.rglob("*") if path.is_dir() and not is_hidden(path, root))
    return [root, *sorted(below)]


def _kinds_of_files(root: Path) -> str:
    """Tell the most frequent endings below a folder and where one of each lies."""
    below = sorted(path for path in root.rglob("*") if not is_hidden(path, root))
    files = [path for path in below if path.is_file()]
    examples = {path.suffix.lower(): path.relative_to(root) for path in reversed(files)}
    counts = Counter(path.suffix.lower() for path in files).most_common(3)
    return ", ".join(f"{count} such as {examples[it]}" for it, count in counts) or "no files"


def _pictures(folder: Path) -> list[Path]:
    return sorted(files_of_kind(folder, PICTURE_SUFFIXES), key=_natural_order)


def _natural_order(path: Path) -> list[tuple[str, int]]:
    """Order ``frame_2`` before ``frame_10``."""
    return [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", path.name)]
