"""What a page shows of a store, ready to travel; what parts of a store show joins."""

from collections.abc import Mapping
from dataclasses import dataclass

from svsdata.evaluation.exhibits import Exhibit
from svsdata.evaluation.page import moving_picture
from svsdata.labels import LabelSet


@dataclass(frozen=True)
class Shown:
    """An exhibit whose frames became a video."""

    sequence_id: str
    first_frame: int
    last_frame: int
    figures: Mapping[str, float]
    """By measure; means over the clip."""
    captions: tuple[str, ...]
    """Of the tiles, row by row."""
    columns: int
    name: str
    """Of the edit that is shown; empty for a clip."""
    video: str
    """Data URI."""
    picture: str
    """Data URI of the frame in the middle."""
    merit: float
    """What it was chosen by; more is better."""


@dataclass(frozen=True)
class Showcase:
    """The clips and edits of a store that are worth looking at, most merit first."""

    size: int
    """Clips of each kind; twice as many edits."""
    worst: tuple[Shown, ...] = ()
    """By how bad they are."""
    ranked: tuple[Shown, ...] = ()
    """By how good they are, ``2 * size`` of them, since some may be among the worst."""
    edits: tuple[Shown, ...] = ()
    class_ids: tuple[int, ...] = ()
    """Of the labels that occur, ascending."""
    ranked_by: str = ""
    """Measure that clips are ranked by; empty where none was taken of any."""
    num_clips: int = 0
    """Of which they were chosen."""
    num_edits: int = 0
    """Of which those shown were chosen."""
    num_small_edits: int = 0
    """Edits besides, that are too small everywhere to be shown."""

    def joined(self, other: "Showcase") -> "Showcase":
        """Return what the whole shows of which both are parts; of equals the first.

        Clips of the other that are ranked by another measure cannot be compared and are left out.
        """
        comparable = other.ranked_by in ("", self.ranked_by) or not self.ranked_by
        worst, ranked = (other.worst, other.ranked) if comparable else ((), ())
        return Showcase(
            self.size,
            _foremost((*self.worst, *worst), self.size),
            _foremost((*self.ranked, *ranked), 2 * self.size),
            _foremost((*self.edits, *other.edits), 2 * self.size),
            class_ids=tuple(sorted({*self.class_ids, *other.class_ids})),
            ranked_by=self.ranked_by or other.ranked_by,
            num_clips=self.num_clips + other.num_clips,
            num_edits=self.num_edits + other.num_edits,
            num_small_edits=self.num_small_edits + other.num_small_edits,
        )

    @property
    def best(self) -> list[Shown]:
        """Best first; none that is among the worst."""
        worst = {_place(clip) for clip in self.worst}
        return [clip for clip in self.ranked if _place(clip) not in worst][: self.size]

    def legend(self, label_set: LabelSet) -> dict[str, str]:
        """Return the classes that occur, by name, with their colours in hex."""
        labels = (label for label in label_set.labels if label.id in self.class_ids)
        return {label.name: "#{:02x}{:02x}{:02x}".format(*label.color) for label in labels}


def shown(exhibit: Exhibit, merit: float, fps: float) -> Shown:
    """Turn an exhibit's frames into a video of ``fps`` frames a second."""
    video, picture = moving_picture(exhibit.frames, fps)
    return Shown(
        exhibit.sequence_id,
        exhibit.first_frame,
        exhibit.last_frame,
        exhibit.figures,
        exhibit.captions,
        exhibit.columns,
        exhibit.name,
        video,
        picture,
        merit,
    )


def _foremost(exhibits: tuple[Shown, ...], count: int) -> tuple[Shown, ...]:
    ranked = sorted(exhibits, key=lambda one: (-one.merit, one.sequence_id, one.first_frame))
    return tuple(ranked[:count])


def _place(clip: Shown) -> tuple[str, int]:
    return clip.sequence_id, clip.first_frame
