"""Maps below a folder, found by the names of their frames."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from svsdata.errors import LabelSetError, SourceError
from svsdata.labeling.sources.folder import PICTURE_SUFFIXES, is_hidden
from svsdata.records import Frame


class MapFolder:
    """The PNG maps below a folder, found by the name of their frame.

    ``aachen_000000_000019_leftImg8bit.png`` has the map ``aachen_000000_000019_gtFine_labelIds
    .png``: endings of words do not count. Frames of a video are found by their number.

    Args:
        root: The folder; sub-folders count, hidden files and folders do not.
        words: Which maps are meant where a frame has several.
        first: Number of the map of a video's first frame. None is 0, and a folder that looks as if
            it were 1 is refused.

    Raises:
        SourceError: If there are no PNG files.
    """

    def __init__(self, root: Path, words: tuple[str, ...], *, first: int | None = None) -> None:
        self.root, self._words, self._first = root, words, first
        if not root.is_dir():
            raise SourceError(f"{root}: no such folder; expected one with label maps")
        if not self._by_core:
            raise SourceError(f"{root}: no label maps; expected PNG files, one a frame")

    @cached_property
    def _by_core(self) -> Mapping[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(self.root.rglob("*")):
            if path.suffix.lower() == ".png" and not is_hidden(path, self.root):
                found[_core(path.stem)].append(path)
        return dict(found)

    @cached_property
    def _by_number(self) -> Mapping[int, list[Path]]:
        found: dict[int, list[Path]] = defaultdict(list)
        for core, paths in self._by_core.items():
            if match := re.search(r"(\d+)$", core):
                found[int(match.group(1))].extend(paths)
        return found

    @property
    def in_words(self) -> str:
        """The whole path, and the number of the first map where it is not 0."""
        return f"{self.root.absolute()}{f' from {self._first} on' if self._first else ''}"

    @cached_property
    def paths(self) -> Sequence[Path]:
        """All maps, or those that ``words`` mean."""
        return self._meant(path for paths in self._by_core.values() for path in paths)

    def spread(self, count: int) -> Sequence[Path]:
        """Return up to ``count`` of the maps, evenly spread."""
        return self.paths[:: -(-len(self.paths) // count)]

    def find(self, frame: Frame, folders: tuple[str, ...]) -> Path:
        """Return the map of a frame.

        Args:
            frame: Named by its ``source``.
            folders: Folders that must stand in the map's path.

        Raises:
            SourceError: If there is none, or more than one.
            LabelSetError: If maps of a video seem to be counted from 1, so that all would be those
                of the frame before.
        """
        name = PurePosixPath(frame.source)
        if name.suffix.lower() in PICTURE_SUFFIXES:
            what, named = frame.source, f"'{_core(name.stem)}.png' or '{_core(name.stem)}_WORD.png'"
            found = self._below(self._by_core.get(_core(name.stem), ()), folders)
        else:
            position = frame.source_frame or 0
            number = position + (self._first or 0)
            what, named = f"{frame.source}, frame {position}", f"by the number {number}"
            found = self._below(self._by_number.get(number, ()), folders)
            if not found and position == 0:
                self._refuse_count_from_one(frame.source, folders)
        found = self._meant(found)
        if len(found) != 1:
            below = f" below folders called {', '.join(folders)}" if folders else ""
            there = " and ".join(path.name for path in found[:2])
            other = next(iter(self._by_core.values()))[0].relative_to(self.root)
            raise SourceError(
                f"{what}: expected one map of it in {self.root}{below}, named {named}, found "
                f"{there or f'none; there are files such as {other}'}"
            )
        return found[0]

    def _refuse_count_from_one(self, source: str, folders: tuple[str, ...]) -> None:
        ones = self._below(self._by_number.get(1, ()), folders)
        if self._first is None and ones:
            raise LabelSetError(
                f"{self.root}: {ones[0].name} is there, but no map 0 for the first frame of "
                f"{source}; add --set first_map=1 if maps are counted from 1, as FFmpeg does, or "
                "--set first_map=0 if the first frame has none"
            )

    def _below(self, paths: Iterable[Path], folders: tuple[str, ...]) -> list[Path]:
        above = self.root.resolve().parts
        return [path for path in paths if set(folders) <= {*path.parent.parts, *above}]

    def _meant(self, paths: Iterable[Path]) -> list[Path]:
        """Return those that ``words`` name, or all where they name none."""
        paths = list(paths)
        return [path for path in paths if self._is_meant(path)] or paths

    def _is_meant(self, path: Path) -> bool:
        parts = {*path.relative_to(self.root).parent.parts, path.stem.rpartition("_")[2]}
        return not parts.isdisjoint(self._words)


def _core(stem: str) -> str:
    """Drop the words at the end of a name: ``x_000019_gtFine_labelIds`` → ``x_000019``."""
    return re.sub(r"(?<=\d)(_[A-Za-z][A-Za-z0-9]*)+$", "", stem)
