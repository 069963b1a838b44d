import numpy as np

from svsdata.synthesis.drift import class_colours, pulled_to

SIZE_HW = (40, 30)


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Two classes of different colour and contrast, and a third of too few pixels to judge."""
    rng = np.random.default_rng(4)
    semantic = np.zeros(SIZE_HW, np.uint8)
    semantic[:, 15:] = 2
    semantic[:3, :5] = 1
    image = 0.1 * rng.standard_normal((3, *SIZE_HW))
    image += np.where(semantic == 2, 0.4, -0.3)
    return image.astype(np.float32), semantic


def test_colours_by_class_equal_those_of_the_masked_pixels() -> None:
    image, semantic = scene()
    colours = class_colours(image, semantic, 4)
    assert colours.num_pixels.tolist() == [585, 15, 600, 0]
    for label in (0, 1, 2):
        pixels = image[:, semantic == label]
        np.testing.assert_allclose(colours.mean[label], pixels.mean(axis=1), atol=1e-6)
        np.testing.assert_allclose(colours.deviation[label], pixels.std(axis=1), atol=1e-5)
    assert not colours.mean[3].any()


def test_full_strength_brings_brightness_and_contrast_back() -> None:
    image, semantic = scene()
    reference = class_colours(image, semantic, 4)
    drifted = (0.8 * image + 0.1).astype(np.float32)
    restored = pulled_to(reference, drifted, semantic, strength=1.0)
    known = semantic != 1
    np.testing.assert_allclose(restored[:, known], image[:, known], atol=1e-4)
    np.testing.assert_array_equal(restored[:, ~known], drifted[:, ~known])


def test_half_strength_goes_half_the_way_and_none_goes_nowhere() -> None:
    image, semantic = scene()
    reference = class_colours(image, semantic, 4)
    drifted = (image + 0.2).astype(np.float32)
    half = pulled_to(reference, drifted, semantic, strength=0.5)
    np.testing.assert_allclose(half[:, semantic == 2], image[:, semantic == 2] + 0.1, atol=1e-4)
    none = pulled_to(reference, drifted, semantic, strength=0.0)
    np.testing.assert_allclose(none, drifted, atol=1e-6)


def test_a_class_that_lost_all_contrast_is_not_amplified_without_limit() -> None:
    image, semantic = scene()
    reference = class_colours(image, semantic, 4)
    flat = np.where(semantic == 2, 0.4, -0.3).astype(np.float32)[None].repeat(3, axis=0)
    noise = flat + 1e-4 * np.random.default_rng(1).standard_normal(flat.shape)
    pulled = pulled_to(reference, noise.astype(np.float32), semantic, strength=1.0)
    assert pulled[:, semantic == 2].std() < 1e-2
