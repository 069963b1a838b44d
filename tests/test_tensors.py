import numpy as np
import pytest
import torch

from svsdata import flow as numpy_flow
from svsdata.errors import LabelSetError
from svsdata.tensors import (
    check_ids,
    compose_flow,
    edges,
    hidden_mask,
    image_to_tensor,
    leaves_frame,
    one_hot,
    resize_flow,
    tensor_to_image,
    warp,
)


def constant_flow(dx: float, dy: float, size_hw: tuple[int, int]) -> torch.Tensor:
    return (
        torch.tensor([dx, dy], dtype=torch.float32).view(1, 2, 1, 1).expand(1, 2, *size_hw).clone()
    )


def test_images_survive_the_round_trip_through_tensors():
    image = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    tensor = image_to_tensor(image)
    assert tensor.shape == (2, 3, 5, 7)
    assert tensor.dtype == torch.float32
    np.testing.assert_array_equal(tensor_to_image(tensor), image)


def test_black_is_minus_one_and_white_is_one():
    image = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    torch.testing.assert_close(image_to_tensor(image)[0, 0], torch.tensor([-1.0, 1.0]))


def test_values_beyond_the_range_are_clipped():
    assert tensor_to_image(torch.tensor([-3.0, 0.0, 3.0]).view(3, 1, 1)).tolist() == [
        [[0, 128, 255]]
    ]


def test_one_hot_names_each_pixel_once():
    semantic = torch.tensor([[[0, 2], [1, 2], [2, 0]]], dtype=torch.uint8)
    channels = one_hot(semantic, 3)
    assert channels.shape == (1, 3, 3, 2)
    assert torch.equal(channels.argmax(dim=1), semantic.long())
    assert torch.equal(channels.sum(dim=1), torch.ones(1, 3, 2))


def test_an_id_beyond_the_classes_is_refused_and_named():
    check_ids(torch.tensor([[[4]]]), 5)
    with pytest.raises(LabelSetError, match=r"id 5.*0\.\.4"):
        one_hot(torch.tensor([[[5]]]), 5)


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint16])
def test_edges_mark_both_sides_of_a_border_between_instances(dtype):
    instance = torch.tensor([[[26001, 26001, 26002], [7, 7, 26002]]], dtype=torch.int32).to(dtype)
    assert edges(instance).tolist() == [[[[1, 1, 1], [1, 1, 1]]]]
    assert edges(torch.full((1, 3, 2), 9, dtype=dtype)).sum() == 0


def test_edges_do_not_look_across_diagonals():
    instance = torch.zeros(1, 3, 3, dtype=torch.int32)
    instance[0, 0, 0] = 1
    assert edges(instance)[0, 0].tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_warp_by_one_pixel_repeats_the_border():
    previous = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 1, 3, 5)
    warped = warp(previous, constant_flow(1, 0, (3, 5)))
    torch.testing.assert_close(warped[0, 0, 1], torch.tensor([1.0, 2, 3, 4, 4]))


def test_warp_takes_dx_along_columns_and_dy_along_rows():
    previous = torch.arange(12.0).view(1, 1, 3, 4)
    warped = warp(previous, constant_flow(0, -1, (3, 4)))
    torch.testing.assert_close(warped[0, 0], previous[0, 0, [0, 0, 1]])


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_no_motion_returns_the_image(interpolation):
    image = torch.rand(2, 3, 6, 9)
    still = torch.zeros(2, 2, 6, 9)
    torch.testing.assert_close(warp(image, still, interpolation=interpolation), image)


def test_warp_agrees_with_numpy():
    rng = np.random.default_rng(1)
    previous = rng.random((17, 23, 3)).astype(np.float32)
    # whole and half pixels: OpenCV rounds finer positions to 1/32
    flow = (rng.integers(-12, 13, (17, 23, 2)) / 2).astype(np.float32)
    expected = numpy_flow.warp(previous, flow)
    actual = warp(
        torch.from_numpy(previous).movedim(-1, 0)[None], torch.from_numpy(flow).movedim(-1, 0)[None]
    )
    np.testing.assert_allclose(actual[0].movedim(0, -1).numpy(), expected, atol=1e-5)


def test_leaving_the_frame_agrees_with_numpy():
    flow = np.random.default_rng(2).normal(0, 4, (9, 6, 2)).astype(np.float32)
    actual = leaves_frame(torch.from_numpy(flow).movedim(-1, 0)[None])
    np.testing.assert_array_equal(actual[0, 0].numpy(), numpy_flow.leaves_frame(flow))


def test_balanced_interpolation_keeps_the_gradients_that_others_blur_or_sharpen():
    noise = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    picture = torch.nn.functional.interpolate(noise, (64, 64), mode="bilinear")
    there, back = constant_flow(0.4, 0.3, (64, 64)), constant_flow(-0.4, -0.3, (64, 64))
    kept = {}
    for interpolation in ("bilinear", "balanced", "bicubic"):
        moved = picture
        for flow in (there, back) * 5:
            moved = warp(moved, flow, interpolation=interpolation)
        inner = [it[..., 16:48, 16:48].diff(dim=3).abs().mean().item() for it in (moved, picture)]
        kept[interpolation] = inner[0] / inner[1]
    assert kept["bilinear"] < kept["balanced"] < kept["bicubic"]
    assert abs(kept["balanced"] - 1) < min(abs(kept[it] - 1) for it in ("bilinear", "bicubic"))


def test_pixels_are_hidden_where_they_are_occluded_or_flow_points_outside():
    flow = constant_flow(2, 0, (1, 6))
    assert hidden_mask(flow, None).flatten().tolist() == [0, 0, 0, 0, 1, 1]
    occlusion = torch.tensor([0, 1, 0, 0, 0, 0], dtype=torch.uint8).view(1, 1, 1, 6)
    hidden = hidden_mask(flow, occlusion)
    assert hidden.flatten().tolist() == [0, 1, 0, 0, 1, 1]
    assert hidden.dtype == torch.float32


def test_a_flow_of_another_size_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        warp(torch.zeros(1, 3, 4, 4), torch.zeros(1, 2, 4, 5))


@pytest.mark.parametrize("size_hw", [(4, 24), (16, 6), (8, 12)])
def test_resized_flow_scales_each_component_by_its_own_ratio(size_hw):
    resized = resize_flow(constant_flow(3, -2, (8, 12)), size_hw)
    torch.testing.assert_close(
        resized, constant_flow(3 * size_hw[1] / 12, -2 * size_hw[0] / 8, size_hw)
    )


def test_composed_flow_adds_what_lies_at_the_displaced_pixel():
    newer = constant_flow(2, 0, (1, 6))
    older = torch.zeros(1, 2, 1, 6)
    older[0, 0, 0] = torch.tensor([0.0, 1, 2, 3, 4, 5])
    composed = compose_flow(newer, older)
    assert composed[0, 0, 0].tolist() == [4, 5, 6, 7, 7, 7]
    frames = torch.rand(1, 3, 1, 6)
    torch.testing.assert_close(
        warp(warp(frames, torch.zeros_like(older)), newer), warp(frames, newer)
    )
