from dataclasses import replace

import numpy as np
import pytest

from svsdata.evaluation.clip_figures import Clip, ClipFigures
from svsdata.evaluation.exhibits import clip_exhibit, edit_exhibit, edit_pixels
from svsdata.labels import CITYSCAPES
from svsdata.records import Frame

SIZE = (96, 192)
YELLOW = np.array([255, 208, 0])


def recorded(index: int) -> Frame:
    return Frame(
        index, index, np.full((*SIZE, 3), 60, np.uint8), np.full(SIZE, 7, np.uint8),
        provenance=np.zeros(SIZE, np.uint8),
    )  # fmt: skip


def edited(index: int) -> Frame:
    """Make a frame with edit 3 as a square that grows, and fill below it."""
    frame = recorded(index)
    provenance, semantic = frame.provenance.copy(), frame.semantic.copy()
    provenance[40 : 50 + index, 80:100] = 3
    semantic[provenance == 3] = 27
    provenance[70:80, 80:100] = 251
    return replace(frame, provenance=provenance, semantic=semantic, plan_hash="p")


def found(frames, originals=(), **fields) -> ClipFigures:
    return ClipFigures(Clip("a", frames, None, originals), {}, **fields)


def test_edits_are_counted_where_they_are_largest_and_fill_is_none():
    assert edit_pixels(found([edited(0), edited(9), edited(4)]).clip) == {3: 19 * 20}
    assert edit_pixels(found([recorded(0)]).clip) == {}
    dot = recorded(0)
    dot.provenance[0, :18] = 7  # of 18432 pixels
    assert edit_pixels(found([dot]).clip) == {}
    dot.provenance[0, 18] = 7
    assert edit_pixels(found([dot]).clip) == {7: 19}


def test_an_edit_is_boxed_in_every_tile_of_its_clip():
    frames = [edited(index) for index in range(3)]
    shown = edit_exhibit(
        found(frames, [recorded(index) for index in range(3)]), 3, "truck", CITYSCAPES
    )
    assert shown.captions == ("real", "generated", "labels before", "labels after")
    assert (shown.name, shown.first_frame, shown.last_frame) == ("truck", 0, 2)
    for sheet in shown.frames:
        assert sheet.shape == (2 * 280 + 4, 2 * 560 + 4, 3)
        yellow = np.abs(sheet.astype(int) - YELLOW).sum(axis=2) < 60
        halves = [part for row in np.split(yellow, 2) for part in np.split(row, 2, axis=1)]
        assert all(half.any() for half in halves)
    without = edit_exhibit(found(frames), 3, "truck", CITYSCAPES)
    assert without.captions == ("generated", "labels after")
    assert without.frames[0].shape == (280, 2 * 560 + 4, 3)


def test_the_segmenter_s_word_on_an_edit_counts_its_pixels_alone():
    frames = [edited(0), edited(0)]
    seen = [np.full(SIZE, 7, np.uint8) for _ in frames]
    seen[1][40:50, 80:90] = 27
    shown = edit_exhibit(found(frames, predictions=tuple(seen)), 3, "truck", CITYSCAPES)
    assert shown.figures == {"label_agreement": pytest.approx(0.25)}


@pytest.mark.parametrize("size", [(37, 51), (96, 192), (200, 100)])
def test_clips_of_any_shape_become_sheets_with_even_sides(size):
    frame = Frame(5, 5, np.zeros((*size, 3), np.uint8), np.full(size, 7, np.uint8))
    shown = clip_exhibit(found([frame, frame]), CITYSCAPES)
    assert shown.captions == ("labels", "generated")
    assert (shown.first_frame, shown.last_frame) == (5, 6)
    assert all(side % 2 == 0 for side in shown.frames[0].shape[:2])


def test_a_difference_to_the_recording_is_shown_of_unedited_clips_alone():
    frames = [recorded(0), replace(recorded(1), image=np.full((*SIZE, 3), 90, np.uint8))]
    originals = [recorded(0), recorded(1)]
    shown = clip_exhibit(found(frames, originals), CITYSCAPES)
    assert shown.captions == ("real", "labels", "generated", "difference to real")
    assert shown.frames[0][:, -384:].max() == 0
    assert (shown.frames[1][:, -384:] == 30).all()
    assert len(clip_exhibit(found([edited(0)], [recorded(0)]), CITYSCAPES).captions) == 3
