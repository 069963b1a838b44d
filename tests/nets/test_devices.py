"""Frames are drawn on a device without a look at values, or a value from elsewhere."""

import pytest
import torch

from svsdata.nets.models import build_generator, changed_config, model_config
from svsdata.nets.svsgan.rollout import LabelMaps, RolloutState, begin, inference_copy, rollout
from svsdata.nets.video_generator import Motion
from svsdata.pipelines.configs.train import NetworkChanges
from tests.host_watch import HostWatch

H, W = 128, 256


def drawn(model, *, dtype=torch.bfloat16, motion=None, **changes):
    """Draw a first frame and three others on the meta device; return what was noted, and them."""
    config = model_config(model, 35, edges=True, width=0.1, extra_blocks=1)
    config = changed_config(config, **{**NetworkChanges().model_dump(), **changes})
    with torch.device("meta"):
        generator = inference_copy(build_generator(config), dtype)
        ids, borders = torch.zeros(1, H, W, dtype=torch.uint8), torch.zeros(1, 1, H, W)
        colours = torch.zeros(1, 4, H, W) if config.object_colours else None
        guidance = torch.zeros(1, 4, H, W)
        labels = LabelMaps(
            ids, borders, colours, motion, (lambda _: guidance) if config.sees_guidance else None
        )
        state = RolloutState(torch.zeros(1, 3, H, W), labels)
    with HostWatch() as watch, torch.no_grad():
        first = begin(generator, labels)
        return watch, [first, *rollout(generator, state, [labels] * 3, chunk=2)]


def known_motion():
    with torch.device("meta"):
        mask = torch.zeros(1, 1, H, W)
        return Motion(torch.zeros(1, 2, H, W), mask, mask)


@pytest.mark.parametrize("model", ["A", "C", "D", "E", "fast", "demo", "carry", "C-plain"])
def test_no_network_waits_for_its_device_or_feeds_it_while_it_draws(model):
    watch, outputs = drawn(model)
    assert (watch.reads, watch.feeds) == ([], [])
    assert [output.image.device.type for output in outputs] == ["meta"] * 4
    assert all(output.image.dtype == torch.float32 for output in outputs)


def test_nor_does_one_that_is_told_all_that_can_be_told():
    told = {"object_colours": True, "guidance": True, "image_sees_occlusion": True}
    watch, _ = drawn("C", motion=known_motion(), **told)
    assert (watch.reads, watch.feeds) == ([], [])
    watch, _ = drawn("C", motion_sees_image=True)
    assert (watch.reads, watch.feeds) == ([], [])


def test_the_watch_notes_reads_and_feeds():
    values = torch.ones(2, device="meta")
    with HostWatch() as watch:
        assert values.sum().item() == 1.0
        values + values.new_tensor([1.0, 2.0])
        torch.zeros(2).to("meta")
    assert watch.reads == ["item"]
    assert watch.feeds == ["new_tensor", "to"]
