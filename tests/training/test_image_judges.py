from dataclasses import replace

import pytest
import torch

from svsdata.labels import CITYSCAPES
from svsdata.nets.svsgan.config import ImageDiscriminatorConfig
from svsdata.nets.svsgan.image_discriminator import ImageDiscriminator
from svsdata.nets.svsgan.losses import class_counts, segmentation_loss
from svsdata.nets.vid2vid.config import PatchImageConfig
from svsdata.nets.vid2vid.image_discriminator import PatchImageDiscriminator
from svsdata.store.reader import StoreReader
from svsdata.training.chunks import chunk_of
from svsdata.training.clips import load_clips
from svsdata.training.image_judges import OasisJudge, PatchJudge
from svsdata.training.recompute import KEEP, Recompute
from svsdata.training.sampler import Clip

CLASSES = 35


@pytest.fixture(scope="module")
def chunk(tmp_path_factory, sliding_store):
    store = sliding_store(tmp_path_factory.mktemp("judges") / "store", size_hw=(32, 64))
    batch = load_clips(StoreReader(store), [Clip("s0", 0, 4, flip=False)], size_hw=(32, 64))
    return chunk_of(batch, 1, 3, with_edges=True)


def make_judge(kind, recompute=KEEP):
    torch.manual_seed(0)
    if kind == "oasis":
        config = ImageDiscriminatorConfig(CLASSES, widths=(4, 8))
        void = torch.tensor([id_ in CITYSCAPES.void_ids for id_ in range(CLASSES)])
        return OasisJudge(ImageDiscriminator(config), void, None, recompute)
    config = PatchImageConfig(CLASSES, edges=True, width=4)
    return PatchJudge(PatchImageDiscriminator(config), "ls", recompute)


def losses_of(judge, chunk, generated):
    draws = torch.Generator().manual_seed(0)
    terms, real = judge.judge(chunk, generated.detach(), labelmix=0.0, draws=draws)
    convinced = judge.convince(chunk, generated, real)
    assert set(convinced) == {"image_adversarial", "feature_matching"}
    return terms["image_discriminator"], *convinced.values()


def make_heads(*, aligns, heads=True, recompute=KEEP):
    torch.manual_seed(0)
    config = ImageDiscriminatorConfig(CLASSES, widths=(4, 4, 8), patch_head_width=4 if heads else 0)
    nothing = torch.zeros(CLASSES, dtype=torch.bool)
    return OasisJudge(ImageDiscriminator(config), nothing, None, recompute, aligns=aligns)


def head_terms(judge, chunk, generated):
    draws = torch.Generator().manual_seed(0)
    told, real = judge.judge(chunk, generated.detach(), labelmix=0.0, draws=draws)
    return told, judge.convince(chunk, generated, real)


def test_patch_heads_take_the_literal_hinge_and_both_sides_learn_from_it(chunk):
    judge = make_heads(aligns=False)
    generated = torch.zeros_like(chunk.real).requires_grad_()
    told, convinced = head_terms(judge, chunk, generated)
    with torch.no_grad():
        pairs = zip(
            judge.network(chunk.real).patches, judge.network(generated).patches, strict=True
        )
        told_apart, passed = [], []
        for real, fake in pairs:
            reals, fakes = real.flatten().tolist(), fake.flatten().tolist()
            told_apart += [
                sum(max(0.0, 1 - value) for value in reals) / len(reals)
                + sum(max(0.0, 1 + value) for value in fakes) / len(fakes)
            ]
            passed += [-sum(fakes) / len(fakes)]
    assert told["patch_discriminator"].item() == pytest.approx(sum(told_apart) / 2, rel=1e-4)
    assert convinced["patch_heads"].item() == pytest.approx(sum(passed) / 2, rel=1e-4)
    convinced["patch_heads"].backward()
    assert generated.grad.abs().sum() > 0
    assert all(p.grad is None for p in judge.network.parameters())
    told["patch_discriminator"].backward()
    kernels = [p for p in judge.network.patch_heads.parameters() if p.ndim == 4]
    assert all(kernel.grad.abs().sum() > 0 for kernel in kernels)


@pytest.mark.parametrize("recompute", [KEEP, Recompute(enabled=True)])
def test_alignment_is_the_sum_of_mean_squares_over_later_up_outputs(chunk, recompute):
    judge = make_heads(aligns=True, heads=False, recompute=recompute)
    generated = torch.zeros_like(chunk.real).requires_grad_()
    _, convinced = head_terms(judge, chunk, generated)
    seen = []
    for up in judge.network.ups[1:]:
        up.register_forward_hook(lambda _, __, out: seen.append(out.detach()))
    with torch.no_grad():
        judge.network(chunk.real), judge.network(generated)
    expected = sum((a - b).square().mean() for a, b in zip(seen[:2], seen[2:], strict=True))
    assert len(seen) == 4
    torch.testing.assert_close(convinced["alignment"].detach(), expected)
    convinced["alignment"].backward()
    assert generated.grad.abs().sum() > 0
    _, same = head_terms(judge, chunk, chunk.real.clone())
    assert same["alignment"] < 1e-9


@pytest.mark.parametrize("kind", ["oasis", "patch"])
def test_a_second_picture_of_each_frame_counts_as_much_as_the_first(chunk, kind):
    judge = make_judge(kind)
    generated = torch.rand(chunk.real.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    told, convinced, matched = losses_of(judge, chunk, generated)
    told_twice, convinced_twice, matched_twice = losses_of(
        judge, chunk, generated.repeat(2, 1, 1, 1)
    )
    torch.testing.assert_close(told_twice, told)
    torch.testing.assert_close(convinced_twice, 2 * convinced)
    torch.testing.assert_close(matched_twice, 2 * matched)


def test_pixels_of_no_class_weigh_nothing_however_few_they_are(chunk):
    judge = make_judge("oasis")
    generated = torch.zeros_like(chunk.real)
    told = {}
    for name in ("unlabeled", "ego vehicle", "rectification border", "license plate"):
        semantic = chunk.semantic.clone()
        semantic[:, :2] = CITYSCAPES.label(name).id
        counts = class_counts(semantic, 256)
        told[name] = losses_of(
            judge, replace(chunk, semantic=semantic, class_counts=counts), generated
        )
    # which void class it is makes no difference: none is asked for
    for name in ("ego vehicle", "rectification border"):
        assert told[name][:2] == told["unlabeled"][:2]
    assert told["license plate"][1] != told["unlabeled"][1]
    rest, pixels = class_counts(chunk.semantic[:, 2:], CLASSES), chunk.semantic.numel()
    weights = pixels / ((rest > 0).sum() * rest.clamp(min=1)) * (rest > 0)
    with torch.no_grad():
        logits = judge.network(generated).logits[:, :, 2:]
    named = segmentation_loss(logits, chunk.semantic[:, 2:], weights).sum() / pixels
    torch.testing.assert_close(told["unlabeled"][1], named)


@pytest.mark.parametrize("kind", ["oasis", "patch"])
def test_real_frames_match_themselves_and_recomputing_changes_no_gradient(chunk, kind):
    gradients = []
    for recompute in (KEEP, Recompute(enabled=True)):
        judge = make_judge(kind, recompute)
        generated = chunk.real.clone().requires_grad_()
        told, convinced, matched = losses_of(judge, chunk, generated)
        assert matched < 1e-6
        torch.autograd.backward([told, convinced])
        own = [p.grad for p in judge.network.parameters()]
        assert all(gradient is not None for gradient in own)
        gradients.append([generated.grad, *own])
    for kept, again in zip(*gradients, strict=True):
        assert torch.equal(kept, again)


def test_patches_match_with_half_the_distance_of_every_layer(chunk):
    judge = make_judge("patch")
    generated = torch.zeros_like(chunk.real)
    _, _, matched = losses_of(judge, chunk, generated)
    with torch.no_grad():
        pair = [
            judge.network(it, chunk.semantic, chunk.edges["edges"])
            for it in (chunk.real, generated)
        ]
    expected = sum(
        0.5 * (a - b).abs().mean()
        for real, fake in zip(*pair, strict=True)
        for a, b in zip(real[:-1], fake[:-1], strict=True)
    )
    torch.testing.assert_close(matched, expected)


def test_the_patch_loss_is_the_literal_mean_of_squares(chunk):
    judge = make_judge("patch")
    generated = torch.zeros_like(chunk.real)
    told, convinced, _ = losses_of(judge, chunk, generated)
    expected_told, expected_convinced = 0.0, 0.0
    edges = chunk.edges["edges"]
    with torch.no_grad():
        real = judge.network(chunk.real, chunk.semantic, edges)
        fake = judge.network(generated, chunk.semantic, edges)
    for real_maps, fake_maps in zip(real, fake, strict=True):
        trues, fakes = real_maps[-1].flatten().tolist(), fake_maps[-1].flatten().tolist()
        expected_told += sum((value - 1) ** 2 for value in trues) / len(trues) / 2
        expected_told += sum(value**2 for value in fakes) / len(fakes) / 2
        expected_convinced += sum((value - 1) ** 2 for value in fakes) / len(fakes)
    assert told.item() == pytest.approx(expected_told, rel=1e-4)
    assert convinced.item() == pytest.approx(expected_convinced, rel=1e-4)
