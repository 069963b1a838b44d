import pytest
import torch
from torch import Tensor

from svsdata.nets.flownet2.flownet2 import FlowNet2, channel_norm
from svsdata.tensors import warp

BOUND = 5e-5
"""Of the reference's own noise in float32, 3.4e-6, with room for other processors."""


@pytest.fixture
def pair(golden) -> tuple[Tensor, Tensor]:
    frames = torch.from_numpy(golden["pair_uint8"]).float()
    return frames[:, :, 0], frames[:, :, 1]


def twin(network: FlowNet2, *, contrast: float = 1.0) -> FlowNet2:
    """Another network on the same weights."""
    with torch.device("meta"):
        other = FlowNet2(contrast=contrast)
    other.load_state_dict(network.state_dict(), assign=True)
    return other.requires_grad_(False)


def test_keys_and_shapes_are_those_of_the_published_checkpoint(published_shapes):
    with torch.device("meta"):
        network = FlowNet2()
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert shapes == published_shapes
    assert sum(value.numel() for value in network.parameters()) == 162_518_834


@torch.inference_mode()
def test_flow_and_its_stages_equal_the_reference(flownet2, golden, pair):
    stages = ("flownetc", "flownets_1", "flownets_2", "flownets_d")
    found = {}
    hooks = [
        getattr(flownet2, name).register_forward_hook(
            lambda _module, _inputs, flow, name=name: found.update({name: flow})
        )
        for name in stages
    ]
    flow = flownet2(*pair)
    for hook in hooks:
        hook.remove()
    for name in stages:
        expected = torch.from_numpy(golden[f"{name}_quarter"])
        torch.testing.assert_close(found[name], expected, rtol=0, atol=BOUND)
    torch.testing.assert_close(flow, torch.from_numpy(golden["flow"]), rtol=0, atol=BOUND)


@torch.inference_mode()
def test_both_directions_at_once_equal_one_after_the_other(flownet2, pair):
    there, back = flownet2.both(*pair)
    torch.testing.assert_close(there, flownet2(*pair), rtol=0, atol=BOUND)
    torch.testing.assert_close(back, flownet2(*reversed(pair)), rtol=0, atol=BOUND)
    assert (there - back).abs().max() > 0.1


@torch.inference_mode()
def test_pairs_of_a_batch_do_not_see_each_other(flownet2, pair):
    first, second = pair
    batch = flownet2(torch.cat([first, first * 0.5]), torch.cat([second, second.flip(3)]))
    torch.testing.assert_close(batch[:1], flownet2(first, second), rtol=0, atol=BOUND)
    torch.testing.assert_close(batch[1:], flownet2(first * 0.5, second.flip(3)), rtol=0, atol=BOUND)


@torch.inference_mode()
def test_odd_sizes_are_continued_by_their_border_and_cropped(flownet2):
    torch.manual_seed(0)
    first, second = (torch.rand(2, 1, 3, 37, 101) * 255).unbind()
    # A border of the pair's mean keeps the mean when it is continued.
    mean = torch.stack([first, second])[..., :-1, :-1].mean(dim=(0, 1, 3, 4)).view(1, 3, 1)
    for frame in (first, second):
        frame[..., -1, :], frame[..., :, -1] = mean, mean
    continued = [torch.nn.functional.pad(it, (0, 27, 0, 27), "replicate") for it in (first, second)]
    flow = flownet2(first, second)
    assert flow.shape == (1, 2, 37, 101)
    expected = flownet2(*continued)[..., :37, :101]
    torch.testing.assert_close(flow, expected, rtol=0, atol=BOUND)


@torch.inference_mode()
def test_a_brighter_pair_has_the_same_flow(flownet2, pair):
    first, second = (frame / 2 for frame in pair)
    brighter = flownet2(first + 40, second + 40)
    torch.testing.assert_close(brighter, flownet2(first, second), rtol=0, atol=BOUND)


@torch.inference_mode()
def test_double_contrast_is_what_vid2vid_feeds(flownet2, pair):
    doubled = twin(flownet2, contrast=2.0)(*pair)
    # vid2vid: images of -1..1 without a division by 255; 2 x / 255 - 1 up to the mean.
    expected = flownet2(*(frame * 2 for frame in pair))
    torch.testing.assert_close(doubled, expected, rtol=0, atol=BOUND)
    assert (doubled - flownet2(*pair)).abs().max() > 0.5


@torch.inference_mode()
def test_bfloat16_features_stay_near_and_flows_stay_float32(flownet2, pair):
    half = twin(flownet2).to_bfloat16()
    flow = half(*pair)
    assert flow.dtype == torch.float32
    error = (flow - flownet2(*pair)).abs()
    assert 0 < error.mean() < 0.005
    assert error.max() < 0.04


def test_warp_equals_the_reference_far_outside_too(golden):
    image, flow = (torch.from_numpy(golden[f"warp_{name}"]) for name in ("img", "flow"))
    expected = torch.from_numpy(golden["warp_out"])
    torch.testing.assert_close(warp(image, flow), expected, rtol=0, atol=5e-6)


def test_channel_norm_equals_the_reference_and_has_a_gradient_at_zero(golden):
    image = torch.from_numpy(golden["warp_img"])
    expected = torch.from_numpy(golden["norm_out"])
    torch.testing.assert_close(channel_norm(image), expected, rtol=1e-6, atol=1e-6)
    still = torch.zeros(1, 2, 3, 3, requires_grad=True)
    channel_norm(still).sum().backward()
    assert torch.equal(still.grad, torch.zeros(1, 2, 3, 3))
