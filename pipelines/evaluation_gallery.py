"""The clips and edits worth looking at; a few are held, whatever the length of the store."""

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import pyarrow.parquet as pq

from svsdata.editing.tables import EDITS_FILE
from svsdata.evaluation.clip_figures import ClipFigures, semantic_of
from svsdata.evaluation.exhibits import Exhibit, clip_exhibit, edit_exhibit, edit_pixels, edits_of
from svsdata.evaluation.showcase import Showcase, shown
from svsdata.labels import LabelSet
from svsdata.store.reader import StoreReader
from svsdata.store.sidecars import EDITS, sidecar_ids, sidecar_path

_BADNESS = {"label_agreement": -1.0, "lpips": 1.0, "warping_error": 1.0, "psnr": -1.0}
"""What makes a clip bad, and its sign: the first of these that was measured of the first clip."""
_OF_ANY_CLIP = ("label_agreement", "warping_error")
"""Those that edited clips have too, which have no recorded frames to be compared with."""


class Gallery:
    """Keeps the worst clips, the best ones, and every edit where it is largest.

    Args:
        size: Clips of each kind; twice as many edits.
        label_set: Of the labels.
        edit_names: By sequence, by edit index.
    """

    def __init__(
        self, size: int, label_set: LabelSet, edit_names: Mapping[str, Mapping[int, str]]
    ) -> None:
        self._label_set = label_set
        self._edit_names = edit_names
        self._worst, self._best = _Best(size), _Best(2 * size)
        self._edits = _Best(2 * size)
        self._classes = np.zeros(label_set.num_classes, np.bool_)
        self._ranked_by = ""
        self._num_clips = 0
        self._seen_edits: set[tuple[str, int]] = set()
        self._large_edits: set[tuple[str, int]] = set()

    def add(self, found: ClipFigures) -> None:
        """Keep a clip, or an edit in it, if it is worth it."""
        clip = found.clip
        for frame in clip.frames:
            self._classes |= np.bincount(semantic_of(frame).ravel(), minlength=256)[
                : len(self._classes)
            ].astype(np.bool_)
        place = (clip.sequence_id, clip.first_index)

        @cache
        def drawn() -> Exhibit:
            return clip_exhibit(found, self._label_set)

        self._num_clips += 1
        self._ranked_by = self._ranked_by or self._rank(found)
        if self._ranked_by in found.figures:
            badness = _BADNESS[self._ranked_by] * found.figures[self._ranked_by]
            for kept, merit in ((self._worst, badness), (self._best, -badness)):
                kept.offer(place, merit, drawn)
        names = self._edit_names.get(clip.sequence_id, {})
        self._seen_edits |= {(clip.sequence_id, edit) for edit in edits_of(clip)}
        for edit, pixels in edit_pixels(clip).items():
            self._large_edits.add((clip.sequence_id, edit))

            def show(edit: int = edit) -> Exhibit:
                return edit_exhibit(found, edit, names.get(edit, f"edit {edit}"), self._label_set)

            self._edits.offer((clip.sequence_id, edit), pixels, show)

    def showcase(self, fps: float) -> Showcase:
        """Return what is worth showing, as videos of ``fps`` frames a second."""
        worst, ranked, edits = (
            tuple(shown(exhibit, merit, fps) for merit, exhibit in kept.in_order())
            for kept in (self._worst, self._best, self._edits)
        )
        return Showcase(
            self._worst.size,
            worst,
            ranked,
            edits,
            class_ids=tuple(np.flatnonzero(self._classes).tolist()),
            ranked_by=self._ranked_by,
            num_clips=self._num_clips,
            num_edits=len(self._large_edits),
            num_small_edits=len(self._seen_edits - self._large_edits),
        )

    def _rank(self, found: ClipFigures) -> str:
        """Return the measure that clips are ranked by; empty if this clip has none."""
        names: tuple[str, ...] = tuple(_BADNESS)
        if self._edit_names:
            names = (*_OF_ANY_CLIP, *(name for name in names if name not in _OF_ANY_CLIP))
        return next((name for name in names if name in found.figures), "")


class _Best:
    """The exhibits of most merit, one for each place; of equals the first."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._kept: dict[tuple[str, int], tuple[float, Exhibit]] = {}

    def offer(self, place: tuple[str, int], merit: float, show: Callable[[], Exhibit]) -> None:
        """Keep what is shown if its merit suffices; drawn only then."""
        known = self._kept.get(place)
        if self.size == 0 or (known is not None and merit <= known[0]):
            return
        if known is None and len(self._kept) == self.size:
            weakest = min(reversed(self._kept), key=lambda key: self._kept[key][0])
            if merit <= self._kept[weakest][0]:
                return
            del self._kept[weakest]
        self._kept[place] = (merit, show())

    def in_order(self) -> list[tuple[float, Exhibit]]:
        """Return the merits and exhibits, most merit first."""
        return sorted(self._kept.values(), key=lambda one: -one[0])


def edit_names(reader: StoreReader) -> dict[str, dict[int, str]]:
    """Return what edits are called, by sequence and edit index.

    Raises:
        CorruptShardError: If the bytes of a table are not those that were written.
    """
    names = {}
    for sequence_id in sidecar_ids(reader.path, EDITS):
        path = sidecar_path(reader.path, EDITS, sequence_id, EDITS_FILE)
        rows = pq.read_table(path, columns=["edit_index", "edit_id"]).to_pylist()
        names[sequence_id] = {row["edit_index"]: row["edit_id"] for row in rows}
    return names
