import math
from dataclasses import replace

import pytest
import torch

from svsdata.errors import NonFiniteLossError
from svsdata.nets.svsgan.config import (
    GeneratorConfig,
    ImageDiscriminatorConfig,
    MotionConfig,
    VideoDiscriminatorConfig,
)
from svsdata.nets.svsgan.generator import Generator
from svsdata.nets.svsgan.image_discriminator import ImageDiscriminator
from svsdata.nets.svsgan.losses import class_counts
from svsdata.nets.svsgan.video_discriminator import VideoDiscriminator, frame_triples
from svsdata.store.reader import StoreReader
from svsdata.training.chunks import chunk_of, reference
from svsdata.training.clips import load_clips
from svsdata.training.generating import generate
from svsdata.training.guards import check_finite, gradient_norm
from svsdata.training.image_judges import OasisJudge
from svsdata.training.objective import Networks, Objective
from svsdata.training.recompute import KEEP
from svsdata.training.sampler import Clip
from svsdata.training.updates import discriminator_terms, generator_terms, motion_terms

CLASSES = 35
WEIGHTS = {
    "image_adversarial": 1.0, "video_adversarial": 1.0, "flow": 10.0, "warp": 10.0,
    "perceptual": 10.0, "feature_matching": 10.0, "occlusion": 1.0, "pixel": 1.0, "labelmix": 5.0,
    "consistency": 10.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def batch(tmp_path_factory, sliding_store):
    store = sliding_store(tmp_path_factory.mktemp("updates") / "store", size_hw=(32, 64))
    clips = [Clip("s0", 0, 9, flip=False), Clip("s1", 0, 9, flip=True)]
    return load_clips(StoreReader(store), clips, size_hw=(32, 64))


@pytest.fixture
def networks():
    torch.manual_seed(0)
    generator = GeneratorConfig(
        CLASSES, motion=MotionConfig(widths=(4, 8), up_widths=(4,), num_residual=1),
        image_widths=(8, 8, 16), semantic_stem=(4, 4), decoder_widths=(8, 8, 8),
        modulation_kernels=(3, 3, 3),
    )  # fmt: skip
    return Networks(
        Generator(generator),
        OasisJudge(
            ImageDiscriminator(ImageDiscriminatorConfig(CLASSES, widths=(4, 8))),
            torch.zeros(CLASSES, dtype=torch.bool),
            None,
            KEEP,
        ),
        tuple(VideoDiscriminator(VideoDiscriminatorConfig(stride, 4)) for stride in (1, 3)),
    )


def all_terms(networks, chunk, past, objective):
    draws = torch.Generator().manual_seed(0)
    output = generate(networks.generator, chunk, past[:, -1])
    judged, real = discriminator_terms(
        networks, chunk, output, past, objective=objective, draws=draws
    )
    terms = generator_terms(networks, chunk, output, past, real_features=real, objective=objective)
    return judged, terms


def test_every_loss_of_the_paper_is_there_once_the_clip_is_long_enough(networks, batch):
    past = reference(batch)
    chunk = chunk_of(batch, 1, 2, with_edges=False)
    judged, terms = all_terms(networks, chunk, past, Objective(WEIGHTS))
    assert set(judged) == {"image_discriminator", "labelmix"}
    assert "video_adversarial" not in terms

    chunk = chunk_of(batch, 7, 9, with_edges=False)
    judged, terms = all_terms(networks, chunk, chunk.past_real, Objective(WEIGHTS))
    assert {"video_discriminator_0", "video_discriminator_1"} <= set(judged)
    assert set(terms) == set(WEIGHTS) - {"labelmix", "perceptual"}
    assert all(math.isfinite(value) for value in check_finite({**judged, **terms}, 0).values())


def test_a_weight_scales_its_term_and_zero_leaves_it_out(networks, batch):
    networks.generator.eval()
    networks.image_judge.network.eval()
    chunk = chunk_of(batch, 3, 4, with_edges=False)
    doubled = {**WEIGHTS, "pixel": 2.0, "warp": 0.0, "labelmix": 0.0}
    _, before = all_terms(networks, chunk, chunk.past_real, Objective(WEIGHTS))
    judged, after = all_terms(networks, chunk, chunk.past_real, Objective(doubled))
    torch.testing.assert_close(after["pixel"], 2 * before["pixel"])
    assert "warp" not in after
    assert "labelmix" not in judged


def test_the_video_discriminators_match_with_half_the_distance_of_every_layer(networks, batch):
    networks.generator.eval()
    chunk = chunk_of(batch, 7, 8, with_edges=False)
    past = chunk.past_real
    objective = Objective({**dict.fromkeys(WEIGHTS, 0.0), "feature_matching": 1.0})
    _, terms = all_terms(networks, chunk, past, objective)
    image = generate(networks.generator, chunk, past[:, -1]).image
    scores = networks.image_judge.network(image), networks.image_judge.network(chunk.real)
    maps = list(zip(*(it.features for it in scores), strict=True))
    expected = sum((a - b).abs().mean() for a, b in maps) / len(maps)
    for discriminator in networks.video_discriminators:
        stride = discriminator.config.stride
        pair = []
        for newest in (image, chunk.real):
            frames = torch.cat([past, newest[:, None]], dim=1)
            triples = frame_triples(frames, chunk.flows, stride=stride, num_new=1)
            pair.append(discriminator(triples))
        for layers, real_layers in zip(*pair, strict=True):
            for a, b in zip(layers[:-1], real_layers[:-1], strict=True):
                expected = expected + 0.5 * (a - b).abs().mean()
    torch.testing.assert_close(terms["feature_matching"], expected)


def test_the_perceptual_loss_compares_what_its_network_sees(networks, batch):
    class Means(torch.nn.Module):
        def forward(self, image):
            return [image.mean(dim=(2, 3), keepdim=True)] * 5

    chunk = chunk_of(batch, 3, 4, with_edges=False)
    _, terms = all_terms(
        networks, chunk, chunk.past_real, Objective(WEIGHTS, perceptual_net=Means())
    )
    assert terms["perceptual"] > 0


def test_the_generators_losses_leave_the_discriminators_without_gradients(networks, batch):
    chunk = chunk_of(batch, 7, 8, with_edges=False)
    _, terms = all_terms(networks, chunk, chunk.past_real, Objective(WEIGHTS))
    torch.autograd.backward([*terms.values()])
    for name, network in networks.by_name.items():
        touched = [p.grad is not None and bool(p.grad.any()) for p in network.parameters()]
        assert any(touched) == (name == "generator"), name
        assert all(p.requires_grad for p in network.parameters())


def test_the_discriminators_losses_leave_the_generator_without_gradients(networks, batch):
    chunk = chunk_of(batch, 7, 8, with_edges=False)
    judged, _ = all_terms(networks, chunk, chunk.past_real, Objective(WEIGHTS))
    torch.autograd.backward([*judged.values()])
    assert all(p.grad is None for p in networks.generator.parameters())
    assert all(p.grad is not None for p in networks.image_judge.network.parameters())


def test_gradients_reach_back_over_the_frames_of_a_chunk_and_no_further(networks, batch):
    chunk = chunk_of(batch, 1, 4, with_edges=False)
    previous = reference(batch)[:, 0].requires_grad_()
    output = generate(networks.generator, chunk, previous)
    assert output.image.shape == (6, 3, 32, 64)
    output.image[4:].sum().backward()
    assert previous.grad.abs().sum() > 0


def test_a_chunk_equals_its_frames_generated_one_by_one(networks, batch):
    networks.generator.eval()
    whole = generate(
        networks.generator, chunk_of(batch, 1, 4, with_edges=False), reference(batch)[:, 0]
    )
    image = reference(batch)[:, 0]
    for t in range(1, 4):
        image = generate(
            networks.generator, chunk_of(batch, t, t + 1, with_edges=False), image
        ).image
        torch.testing.assert_close(whole.image[2 * t - 2 : 2 * t], image, atol=1e-5, rtol=0)


def test_a_first_frame_from_labels_alone_does_not_see_a_previous_image(networks, batch):
    networks.generator.eval()
    chunk = chunk_of(batch, 0, 1, with_edges=False)
    one, other = (
        generate(networks.generator, chunk, torch.full((2, 3, 32, 64), value))
        for value in (-1.0, 1.0)
    )
    assert torch.equal(one.image, other.image)
    assert (one.occlusion_mask == 1).all()


def test_rare_classes_weigh_more_unless_limited(networks, batch):
    chunk = chunk_of(batch, 3, 4, with_edges=False)
    semantic = torch.full_like(chunk.semantic, 7)
    semantic[0, 0, 0] = 26
    rare = replace(chunk, semantic=semantic, class_counts=class_counts(semantic, 256))
    free, held = (
        all_terms(
            replace(networks, image_judge=replace(networks.image_judge, max_class_weight=limit)),
            rare, chunk.past_real, Objective(WEIGHTS),
        )[0]
        for limit in (None, 1.0)
    )  # fmt: skip
    assert free["image_discriminator"] > held["image_discriminator"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_term_that_is_no_number_is_named(value):
    terms = {"flow": torch.tensor(1.0), "warp": torch.tensor(value)}
    with pytest.raises(NonFiniteLossError, match=r"step 7: warp is not finite .*flow 1"):
        check_finite(terms, 7)


def test_gradients_are_measured_and_shortened_only_where_asked():
    layer = torch.nn.Linear(2, 1, bias=False)
    layer.weight.grad = torch.tensor([[3.0, 4.0]])
    assert gradient_norm(layer, limit=None) == 5
    assert layer.weight.grad.norm() == 5
    assert gradient_norm(layer, limit=1.0) == 5
    torch.testing.assert_close(layer.weight.grad.norm(), torch.tensor(1.0), atol=1e-5, rtol=0)
    assert gradient_norm(torch.nn.Linear(2, 1), limit=1.0) == 0


def test_the_occlusion_mask_is_pulled_to_what_the_store_says_whatever_was_generated(
    networks, batch
):
    chunk = chunk_of(batch, 3, 4, with_edges=False)
    networks.generator.eval()
    objective = Objective({**dict.fromkeys(WEIGHTS, 0.0), "occlusion": 1.0})
    told = []
    for previous in (chunk.past_real, 1 - chunk.past_real):
        _, terms = all_terms(networks, chunk, previous, objective)
        told.append(terms["occlusion"])
    assert told[0] == told[1]
    mask = generate(networks.generator, chunk, chunk.past_real[:, -1]).occlusion_mask
    hidden = 1 - chunk.reliable
    assert 0 < hidden.mean() < 1
    expected = -torch.where(hidden > 0, mask, 1 - mask).log().mean()
    torch.testing.assert_close(told[0], expected, atol=1e-5, rtol=0)


def test_a_given_motion_is_followed_and_teaches_the_motion_network_nothing(networks, batch):
    chunk = chunk_of(batch, 3, 5, with_edges=False, gives_motion=True)
    output = generate(networks.generator, chunk, chunk.past_real[:, -1])
    torch.testing.assert_close(output.backward_flow, chunk.motion.backward_flow)
    torch.testing.assert_close(output.occlusion_mask, chunk.motion.occlusion_mask)
    _, terms = all_terms(networks, chunk, chunk.past_real, Objective(WEIGHTS))
    assert not {"flow", "warp", "occlusion"} & set(terms)
    sum(terms.values()).backward()
    assert all(parameter.grad is None for parameter in networks.generator.motion.parameters())
    assert networks.generator.heads[0].weight.grad.abs().max() > 0


def test_without_flow_the_occlusion_mask_learns_where_its_own_warp_fails(networks, batch):
    chunk = replace(chunk_of(batch, 3, 4, with_edges=False), flow=None)
    _, terms = all_terms(networks, chunk, chunk.past_real, Objective(WEIGHTS))
    assert "flow" not in terms
    # the flow of a new network is zero, so its warp is the frame before
    changed = (chunk.previous_real - chunk.real).abs().sum(dim=1, keepdim=True).clamp(max=1)
    mask = generate(networks.generator, chunk, chunk.past_real[:, -1]).occlusion_mask
    expected = torch.nn.functional.binary_cross_entropy(mask, changed)
    torch.testing.assert_close(terms["occlusion"], expected, atol=1e-5, rtol=0)


def occlusion_term(chunk, level):
    """The term of a mask of one level everywhere."""
    mask = torch.full_like(chunk.reliable, level)
    objective = Objective({**dict.fromkeys(WEIGHTS, 0.0), "occlusion": 1.0})
    flow = chunk.previous_real.new_zeros(len(mask), 2, *mask.shape[2:])
    return motion_terms(chunk, flow, mask, objective=objective)["occlusion"].item()


def test_the_mask_learns_nothing_where_flow_is_unknown_and_nothing_marked(batch):
    blind = torch.zeros_like(batch.flow_validity)
    unmarked = replace(batch, flow_validity=blind, occlusion=torch.zeros_like(batch.occlusion))
    for level in (0.05, 0.95):
        assert occlusion_term(chunk_of(unmarked, 3, 4, with_edges=False), level) == 0
    marked = replace(batch, flow_validity=blind, occlusion=torch.ones_like(batch.occlusion))
    chunk = chunk_of(marked, 3, 4, with_edges=False)
    assert occlusion_term(chunk, 0.05) == pytest.approx(-math.log(0.05), rel=1e-4)


@pytest.mark.parametrize("layers", [{}, {"flow": None, "flow_validity": None, "occlusion": None}])
def test_a_first_frame_from_labels_alone_tells_the_mask_nothing(batch, layers):
    chunk = chunk_of(replace(batch, **layers), 0, 1, with_edges=False)
    assert occlusion_term(chunk, 1.0) == 0
