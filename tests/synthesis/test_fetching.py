from collections.abc import Iterator

import numpy as np
import pytest
import torch

from svsdata.nets.video_generator import GeneratorOutput
from svsdata.synthesis.fetching import FetchedImages, one_ahead
from svsdata.tensors import tensor_to_image


def output_of(images: torch.Tensor) -> GeneratorOutput:
    return GeneratorOutput(images, images, images[:, :2], images[:, :1])


def batches(count: int, device: str = "cpu") -> list[torch.Tensor]:
    draws = torch.Generator().manual_seed(3)
    return [torch.randn(2, 3, 5, 7, generator=draws).to(device) for _ in range(count)]


def test_pictures_are_those_of_each_image_of_the_batch() -> None:
    (images,) = batches(1)
    for picture, image in zip(FetchedImages(images).pictures(), images, strict=True):
        np.testing.assert_array_equal(picture, tensor_to_image(image))
        assert picture.flags.c_contiguous


def test_the_next_output_is_asked_for_before_one_is_handed_out() -> None:
    asked: list[int] = []

    def outputs() -> Iterator[GeneratorOutput]:
        for number, images in enumerate(batches(3)):
            asked.append(number)
            yield output_of(images)

    known, seen = batches(3), []
    for number, (images, fetched) in enumerate(one_ahead(outputs())):
        torch.testing.assert_close(images, known[number], rtol=0, atol=0)
        np.testing.assert_array_equal(fetched.pictures()[1], tensor_to_image(known[number][1]))
        seen.append(len(asked))
    assert seen == [2, 3, 3]


def test_without_outputs_nothing_is_handed_out() -> None:
    assert list(one_ahead([])) == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_pictures_come_from_a_gpu_whole() -> None:
    on_gpu = [output_of(images) for images in batches(4, "cuda")]
    for images, (_, fetched) in zip(batches(4), one_ahead(on_gpu), strict=True):
        np.testing.assert_array_equal(np.stack(fetched.pictures()), tensor_to_image(images))
