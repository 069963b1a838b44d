import numpy as np

from svsdata.records import Image
from svsdata.synthesis.correspondence import Correspondence
from svsdata.synthesis.filling import filled

SIZE_HW = (15, 26)
ALIKE = np.zeros(SIZE_HW, np.uint8)


def picture(seed: int) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (*SIZE_HW, 3), dtype=np.uint8)


def still(shown: np.ndarray | int = 1) -> Correspondence:
    flow = np.zeros((*SIZE_HW, 2), np.float32)
    return Correspondence(flow, np.zeros(SIZE_HW, np.uint8) | np.uint8(shown))


def test_where_both_show_a_pixel_the_nearer_one_counts_more() -> None:
    before, after = picture(1), picture(2)
    image = filled((before, still()), (after, still()), ALIKE, share=0.25)
    expected = 0.75 * before + 0.25 * after.astype(np.float64)
    assert np.abs(image - expected).max() <= 0.51


def test_what_one_does_not_show_is_the_others_alone() -> None:
    before, after = picture(1), picture(2)
    half = np.zeros(SIZE_HW, np.uint8)
    half[:, :10] = 1
    image = filled((before, still(half)), (after, still(1 - half)), ALIKE, share=0.9)
    np.testing.assert_array_equal(image[:, :10], before[:, :10])
    np.testing.assert_array_equal(image[:, 10:], after[:, 10:])


def test_pixels_are_taken_from_where_they_have_been() -> None:
    before, after = picture(1), picture(2)
    shifted = np.broadcast_to(np.float32([2, -1]), (*SIZE_HW, 2)).copy()
    in_before = Correspondence(shifted, np.ones(SIZE_HW, np.uint8))
    image = filled((before, in_before), (after, still(0)), ALIKE, share=0.5)
    np.testing.assert_array_equal(image[1:, :-2], before[:-1, 2:])


def test_what_neither_shows_is_continued_within_its_label() -> None:
    semantic = np.zeros(SIZE_HW, np.uint8)
    semantic[:, 13:] = 1
    image = np.where(semantic[..., None] == 1, np.uint8(200), np.uint8(50)).repeat(3, axis=2)
    hidden = np.ones(SIZE_HW, np.uint8)
    hidden[2:12, 4:20] = 0
    ruined = np.where(hidden[..., None] == 0, np.uint8(7), image)
    found = filled((ruined, still(hidden)), (ruined, still(hidden)), semantic, share=0.5)
    np.testing.assert_array_equal(found, image)


def test_a_label_that_neither_shows_anywhere_takes_the_nearest_colour() -> None:
    semantic = np.zeros(SIZE_HW, np.uint8)
    semantic[5:8, 5:8] = 9
    image = np.full((*SIZE_HW, 3), 60, np.uint8)
    hidden = (semantic != 9).astype(np.uint8)
    found = filled((image, still(hidden)), (image, still(hidden)), semantic, share=0.5)
    np.testing.assert_array_equal(found, image)


def test_the_pictures_of_the_key_frames_stay_as_they_are() -> None:
    before, after = picture(1), picture(2)
    kept = before.copy(), after.copy()
    hidden = np.ones(SIZE_HW, np.uint8)
    hidden[:6] = 0
    filled((before, still(hidden)), (after, still(hidden)), ALIKE, share=0.5)
    np.testing.assert_array_equal(before, kept[0])
    np.testing.assert_array_equal(after, kept[1])
