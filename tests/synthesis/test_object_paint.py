from dataclasses import replace

import numpy as np
import pytest

from svsdata.records import Frame
from svsdata.synthesis.object_paint import NO_PALETTE, ObjectPaint, Palette

RED, BLUE = (200, 20, 20), (20, 20, 200)
TWO_COLOURS = Palette({26: np.array([[-1.0, 0.0, 1.0], [1.0, 0.0, -1.0]], np.float32)}, seed=3)


@pytest.fixture
def first() -> Frame:
    """A red and a blue car on a road."""
    instance = np.full((12, 20), 7, np.uint16)
    instance[2:8, 2:8], instance[2:8, 12:18] = 26_000, 26_001
    image = np.full((12, 20, 3), 90, np.uint8)
    image[instance == 26_000], image[instance == 26_001] = RED, BLUE
    semantic = np.where(instance >= 26_000, 26, 7).astype(np.uint8)
    return Frame(0, 0, image=image, semantic=semantic, instance=instance, source="street 7")


def colour_of(paint: ObjectPaint, instance_id: int, palette: Palette) -> list[float]:
    painted = paint.over(np.full((3, 5), instance_id, np.uint16), palette)
    assert painted.shape == (4, 3, 5)
    assert (painted == painted[:, :1, :1]).all()
    return painted[:, 0, 0].tolist()


def test_objects_of_the_reference_keep_its_colours_and_the_rest_is_from_the_palette(first):
    paint = ObjectPaint.begun_with(first, 3, shows_itself=True)
    expected = [*(np.array(RED) / 127.5 - 1), 1.0]
    assert colour_of(paint, 26_000, TWO_COLOURS) == pytest.approx(expected, abs=1e-6)
    others = {tuple(colour_of(paint, 26_002 + i, TWO_COLOURS)) for i in range(20)}
    assert others == {(-1.0, 0.0, 1.0, 1.0), (1.0, 0.0, -1.0, 1.0)}
    assert colour_of(paint, 24_000, TWO_COLOURS) == [0.0] * 4  # no person was ever seen
    assert colour_of(paint, 7, TWO_COLOURS) == [0.0] * 4
    assert colour_of(paint, 26_002, NO_PALETTE) == [0.0] * 4


def test_what_was_edited_shows_something_else_and_its_colour_is_not_taken(first):
    provenance = np.zeros((12, 20), np.uint8)
    provenance[:, 10:] = 1
    paint = ObjectPaint.begun_with(replace(first, provenance=provenance), 3, shows_itself=True)
    assert paint.ids.tolist() == [26_000]


def test_what_edits_ask_for_comes_before_what_the_picture_shows(first):
    asked = {26_001: (255, 255, 0), 27_000: (0, 0, 0)}
    paint = ObjectPaint.begun_with(replace(first, object_colours=asked), 3, shows_itself=True)
    assert colour_of(paint, 26_001, NO_PALETTE) == [1.0, 1.0, -1.0, 1.0]
    assert colour_of(paint, 27_000, NO_PALETTE) == [-1.0, -1.0, -1.0, 1.0]
    assert colour_of(paint, 26_000, NO_PALETTE)[3] == 1.0


def test_a_picture_still_to_be_drawn_tells_no_colour(first):
    assert not len(ObjectPaint.begun_with(first, 3, shows_itself=False).ids)
    assert not len(ObjectPaint.begun_with(replace(first, image=None), 3, shows_itself=True).ids)


def test_who_gets_which_colour_depends_on_seed_and_video_alone(first):
    def chosen(frame: Frame, seed: int) -> list[list[float]]:
        paint = ObjectPaint.begun_with(frame, seed, shows_itself=True)
        return [colour_of(paint, 26_100 + i, TWO_COLOURS) for i in range(30)]

    assert chosen(first, 3) == chosen(first, 3)
    assert chosen(first, 4) != chosen(first, 3)
    assert chosen(replace(first, source="street 8"), 3) != chosen(first, 3)


def test_what_an_edit_asks_for_is_held_by_one_shift_of_the_objects_own_pixels(first):
    asked = {26_001: (255, 128, 0), 27_000: (0, 0, 0)}  # the truck is not in view
    paint = ObjectPaint.begun_with(replace(first, object_colours=asked), 3, shows_itself=True)
    image = np.random.default_rng(0).uniform(-0.3, 0.3, (3, 12, 20)).astype(np.float32)
    held = paint.held(image, first.instance)
    own = first.instance == 26_001
    np.testing.assert_array_equal(held[:, ~own], image[:, ~own])
    told = np.array(asked[26_001]) / 127.5 - 1
    expected = image[:, own] + 0.5 * (told - image[:, own].mean(axis=1))[:, None]
    np.testing.assert_allclose(held[:, own], expected, atol=1e-6)
    plain = ObjectPaint.begun_with(first, 3, shows_itself=True)
    assert plain.held(image, first.instance) is image


def test_paint_goes_into_a_store_and_comes_back(first):
    paint = ObjectPaint.begun_with(first, 3, shows_itself=True)
    again = ObjectPaint.from_arrays(paint.arrays())
    assert again.key == paint.key
    np.testing.assert_array_equal(again.ids, paint.ids)
    np.testing.assert_array_equal(again.rgb, paint.rgb)
    np.testing.assert_array_equal(again.asked, paint.asked)
