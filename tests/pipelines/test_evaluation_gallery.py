from dataclasses import replace

import numpy as np
import pytest

from svsdata.evaluation.clip_figures import Clip, ClipFigures
from svsdata.labels import CITYSCAPES
from svsdata.pipelines.evaluation_gallery import Gallery
from svsdata.records import Frame

FRAME = Frame(0, 0, np.zeros((40, 40, 3), np.uint8), np.full((40, 40), 7, np.uint8))


def clip(name: str, **figures: float) -> ClipFigures:
    return ClipFigures(Clip(name, [FRAME], None), figures)


@pytest.mark.parametrize(
    ("edit_names", "ranked_by", "worst"),
    [({}, "lpips", "unedited"), ({"edited": {1: "truck"}}, "warping_error", "edited")],
)
def test_clips_are_ranked_by_one_measure_that_all_of_them_have(edit_names, ranked_by, worst):
    gallery = Gallery(1, CITYSCAPES, edit_names)
    gallery.add(clip("unedited", lpips=0.4, warping_error=1e-4))
    gallery.add(clip("edited", warping_error=2e-4))
    showcase = gallery.showcase(10.0)
    assert showcase.ranked_by == ranked_by
    assert [one.sequence_id for one in showcase.worst] == [worst]
    assert showcase.num_clips == 2


def test_clips_without_any_figure_are_not_ranked():
    gallery = Gallery(1, CITYSCAPES, {})
    gallery.add(clip("a", ssim=0.5))
    showcase = gallery.showcase(10.0)
    assert (showcase.worst, showcase.best, showcase.ranked_by) == ((), [], "")


def test_edits_are_counted_by_whether_they_can_be_seen():
    provenance = np.zeros((40, 40), np.uint8)
    provenance[0, 0], provenance[5:9, 5:9], provenance[20, :] = 1, 2, 251
    edited = replace(FRAME, provenance=provenance)
    gallery = Gallery(2, CITYSCAPES, {"a": {2: "truck"}})
    for _ in range(2):
        gallery.add(ClipFigures(Clip("a", [edited], None), {}))
    gallery.add(ClipFigures(Clip("b", [edited], None), {}))
    showcase = gallery.showcase(10.0)
    assert (showcase.num_edits, showcase.num_small_edits) == (2, 2)
    assert [(one.sequence_id, one.name) for one in showcase.edits] == [
        ("a", "truck"),
        ("b", "edit 2"),
    ]
