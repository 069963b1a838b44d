from dataclasses import replace

import pytest
import torch

from svsdata.object_colours import NUM_IDS
from svsdata.store.reader import StoreReader
from svsdata.tensors import edges, leaves_frame, warp
from svsdata.training.chunks import by_clip, chunk_of, images_before, perturb, reference
from svsdata.training.clips import load_clips
from svsdata.training.processes import WHOLE, Share
from svsdata.training.sampler import Clip


@pytest.fixture(scope="module")
def batch(tmp_path_factory, sliding_store):
    store = sliding_store(tmp_path_factory.mktemp("chunks") / "store")
    clips = [Clip("s0", 0, 9, flip=False), Clip("s1", 0, 9, flip=True)]
    return load_clips(StoreReader(store), clips, size_hw=(64, 128))


def test_rows_of_a_chunk_run_frame_by_frame_over_the_clips(batch):
    chunk = chunk_of(batch, 3, 5, with_edges=True)
    pictures = batch.image.float() / 127.5 - 1
    expected = [pictures[0, 3], pictures[1, 3], pictures[0, 4], pictures[1, 4]]
    assert torch.equal(chunk.real, torch.stack(expected))
    assert torch.equal(by_clip(chunk.real, 2), pictures[:, 3:5])
    assert torch.equal(chunk.previous_real, pictures[:, 2:4].transpose(0, 1).flatten(0, 1))
    assert torch.equal(chunk.previous_semantic[2, 0], batch.semantic[0, 3])
    assert torch.equal(chunk.edges["previous_edges"][2:3], edges(batch.instance[:1, 3]))
    assert torch.equal(chunk.flow[3], batch.flow[1, 4])


def test_each_pixel_of_a_chunk_has_the_colour_of_its_object(batch):
    assert chunk_of(batch, 3, 5, with_edges=True).colours is None
    tables = torch.zeros(2, NUM_IDS, 4)
    tables[:, 26001] = torch.tensor([[0.1, 0.2, 0.3, 1.0], [-0.4, -0.5, -0.6, 1.0]])
    colours = chunk_of(replace(batch, colours=tables), 3, 5, with_edges=True).colours
    rows = [(0, 3), (1, 3), (0, 4), (1, 4)]
    for painted, (clip, t) in zip(colours, rows, strict=True):
        is_car = batch.instance[clip, t] == 26001
        assert is_car.any()
        assert not painted[:, ~is_car].any()
        assert (painted[:, is_car] == tables[clip, 26001][:, None]).all()


def test_a_chunk_knows_up_to_six_frames_before_it(batch):
    assert chunk_of(batch, 8, 9, with_edges=False).past_real.shape[1] == 6
    early = chunk_of(batch, 2, 4, with_edges=False)
    assert torch.equal(early.past_real, batch.image[:, :2].float() / 127.5 - 1)
    assert early.flows.shape[1] == 4
    assert early.edges == {}


def test_reliable_pixels_are_those_that_the_flow_explains(batch):
    chunk = chunk_of(batch, 4, 6, with_edges=False)
    warped = warp(chunk.previous_real, chunk.flow)
    assert ((warped - chunk.real).abs() * chunk.reliable).max() < 1e-3
    assert 0.9 < chunk.reliable.mean() < 1


def test_without_an_occlusion_layer_the_images_tell_where_the_flow_is_wrong(batch):
    flow = batch.flow.clone()
    flow[..., :32] += 24
    blind = replace(batch, occlusion=None, flow=flow)
    reliable = chunk_of(blind, 4, 5, with_edges=False).reliable
    assert (reliable[..., 32:] == 1).all()
    assert reliable[..., :32].mean() < 0.3


def test_a_chunk_gives_the_motion_that_the_store_tells_without_its_pictures(batch):
    assert chunk_of(batch, 4, 6, with_edges=False).motion is None
    chunk = chunk_of(batch, 4, 6, with_edges=False, gives_motion=True)
    assert torch.equal(chunk.motion.backward_flow, chunk.flow)
    assert torch.equal(chunk.motion.occlusion_mask[1], batch.occlusion[1, 4].float())
    changed = replace(batch, occlusion=None, image=batch.image * 0)
    motion = chunk_of(changed, 4, 6, with_edges=False, gives_motion=True).motion
    assert torch.equal(motion.occlusion_mask, leaves_frame(chunk.flow))
    assert motion.known is None
    validity = batch.flow_validity.clone()
    validity[1, 4, :, :8] = 0
    unsure = replace(changed, flow_validity=validity)
    motion = chunk_of(unsure, 4, 6, with_edges=False, gives_motion=True).motion
    assert torch.equal(motion.known[1], validity[1, 4].float())
    assert torch.equal(motion.occlusion_mask, leaves_frame(chunk.flow))


def test_without_flow_every_pixel_counts_as_reliable(batch):
    bare = replace(batch, flow=None, flow_validity=None)
    chunk = chunk_of(bare, 4, 5, with_edges=False)
    assert chunk.flow is chunk.flows is None
    assert (chunk.reliable == 1).all()


def test_the_first_frame_of_a_clip_has_no_past_and_nothing_reliable(batch):
    chunk = chunk_of(batch, 0, 2, with_edges=False)
    assert chunk.past_real.shape[:2] == (2, 0)
    assert torch.equal(chunk.previous_semantic[0, 0], chunk.semantic[0])
    assert (chunk.reliable[:2] == 0).all()
    assert chunk.reliable[2:].any()
    assert torch.equal(reference(batch)[:, 0], chunk.real[:2])


def test_visibility_is_known_where_flow_is_or_a_pixel_is_marked_as_occluded(batch):
    validity = torch.ones_like(batch.flow_validity)
    validity[:, :, :, :8] = 0
    unsure = replace(batch, flow_validity=validity)
    known = chunk_of(unsure, 4, 5, with_edges=False).visibility_known
    expected = (validity[:, 4] | batch.occlusion[:, 4]).float()
    assert 0 < expected[:, :, :8].mean() < 1
    assert torch.equal(known, expected)
    without = replace(unsure, occlusion=None)
    assert torch.equal(
        chunk_of(without, 4, 5, with_edges=False).visibility_known, validity[:, 4].float()
    )
    for layers in ({}, {"flow": None, "flow_validity": None}):
        first = chunk_of(replace(batch, **layers), 0, 2, with_edges=False).visibility_known
        assert (first[:2] == 0).all()
        assert (first[2:] == 1).all()


@pytest.mark.parametrize(("probability", "disturbed"), [(0.0, 0), (1.0, 4)])
def test_feedback_is_disturbed_with_its_probability(probability, disturbed):
    image = torch.zeros(4, 3, 8, 10)
    seen = perturb(image, probability=probability, draws=torch.Generator().manual_seed(1))
    again = perturb(image, probability=probability, draws=torch.Generator().manual_seed(1))
    assert torch.equal(seen, again)
    assert int((seen != image).flatten(1).any(dim=1).sum()) == disturbed
    assert seen.abs().max() <= 1


def test_a_generator_that_sees_two_frames_gets_the_labels_of_both(batch):
    chunk = chunk_of(batch, 1, 4, with_edges=True, context_frames=2)
    assert chunk.previous_semantic.shape == (6, 2, *batch.semantic.shape[2:])
    assert torch.equal(chunk.previous_semantic[4], batch.semantic[0, 1:3])
    # the first frame stands in for the one before it
    assert torch.equal(chunk.previous_semantic[0], batch.semantic[0, [0, 0]])
    assert chunk.edges["previous_edges"].shape[1] == 2
    assert torch.equal(chunk.edges["previous_edges"][4, 1:], edges(batch.instance[:1, 2])[0])


def test_images_before_a_frame_repeat_the_oldest():
    past = torch.arange(3.0).view(1, 3, 1, 1, 1).expand(1, 3, 3, 2, 2)
    assert images_before(past, 2)[0, :, 0, 0].tolist() == [1, 1, 1, 2, 2, 2]
    assert images_before(past[:, :1], 2)[0, :, 0, 0].tolist() == [0] * 6


def test_processes_that_share_a_step_disturb_the_rows_that_one_would():
    image = torch.rand(4, 3, 5, 7) * 2 - 1

    def disturbed(part, share=WHOLE):
        draws = torch.Generator().manual_seed(3)
        return perturb(part, probability=0.6, draws=draws, share=share)

    whole = disturbed(image)
    parts = [disturbed(image[2 * i : 2 * i + 2], Share(i, 2)) for i in range(2)]
    assert not torch.equal(whole, image)
    assert torch.equal(torch.cat(parts), whole)
