import numpy as np

from svsdata.evaluation.exhibits import Exhibit
from svsdata.evaluation.showcase import Showcase, Shown, shown
from svsdata.labels import CITYSCAPES


def clip(name: str, badness: float, first: int = 0) -> Shown:
    frames = (np.zeros((8, 8, 3), np.uint8),)
    return shown(Exhibit(name, first, {}, ("generated",), 1, frames), badness, fps=10.0)


def of(ranked_by: str, *bad: tuple[str, float]) -> Showcase:
    worst = sorted(bad, key=lambda one: -one[1])[:1]
    ranked = sorted(bad, key=lambda one: one[1])[:2]
    return Showcase(
        1, tuple(clip(*one) for one in worst), tuple(clip(name, -value) for name, value in ranked),
        class_ids=(26, 7), ranked_by=ranked_by, num_clips=len(bad), num_edits=1, num_small_edits=2,
    )  # fmt: skip


def names(showcase: Showcase) -> tuple[list[str], list[str]]:
    return [it.sequence_id for it in showcase.worst], [it.sequence_id for it in showcase.best]


def test_parts_show_what_the_whole_shows():
    parts = of("lpips", ("a", 0.3), ("b", 0.1)), of("lpips", ("c", 0.9), ("d", 0.2))
    whole = of("lpips", ("a", 0.3), ("b", 0.1), ("c", 0.9), ("d", 0.2))
    for joined in (parts[0].joined(parts[1]), parts[1].joined(parts[0])):
        assert names(joined) == names(whole) == (["c"], ["b"])
        assert (joined.num_clips, joined.num_edits, joined.num_small_edits) == (4, 2, 4)
        assert list(joined.legend(CITYSCAPES)) == ["road", "car"]


def test_a_part_without_clips_changes_nothing():
    part = of("psnr", ("a", 0.3), ("b", 0.1))
    for joined in (Showcase(1).joined(part), part.joined(Showcase(1))):
        assert (names(joined), joined.ranked_by) == (names(part), "psnr")


def test_clips_ranked_by_different_measures_are_not_mixed():
    joined = of("lpips", ("a", 0.3), ("b", 0.1)).joined(of("warping_error", ("c", 1e-4)))
    assert names(joined) == (["a"], ["b"])
    assert joined.num_clips == 3
