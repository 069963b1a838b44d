"""Every kind of network goes through the same trainer and the same synthesis."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.amp.grad_scaler import GradScaler

from svsdata.checkpoints.training_state import checkpoint_folders, read_networks
from svsdata.checkpoints.weights import load_generator, save_generator
from svsdata.errors import ConfigError, WeightsError
from svsdata.labels import CITYSCAPES
from svsdata.nets.vid2vid.generator import Vid2VidGenerator
from svsdata.pipelines.configs.synthesize import SynthesizeConfig
from svsdata.pipelines.configs.train import LossWeights, TrainConfig
from svsdata.pipelines.synthesize import run_synthesize
from svsdata.pipelines.train import estimate_train, run_train
from svsdata.pipelines.training_learner import build_learner
from svsdata.pipelines.training_networks import build_networks, build_objective
from svsdata.pipelines.training_plan import checkpoint_info, plan_training
from svsdata.pipelines.training_step import train_step
from svsdata.progress import Silent
from svsdata.store.reader import StoreReader
from svsdata.training.chunks import chunk_of
from svsdata.training.clips import load_clips
from svsdata.training.colours_by_class import colours_by_class
from svsdata.training.run_log import FigureMeans
from svsdata.training.sampler import Recording
from svsdata.training.schedules import Phase
from svsdata.video_codec import video_info

SIZE = (64, 128)


@pytest.fixture(scope="module")
def store(tmp_path_factory, sliding_store):
    return sliding_store(tmp_path_factory.mktemp("models") / "store", lengths=(6, 6))


def config(store, run, **changes):
    fields = {
        "store": store, "run": run, "model": "demo", "width": 0.1, "steps": 2,
        "phases": [Phase(1, 4, SIZE, 2e-4)], "precision": "float32", "log_steps": 1,
        "preview_steps": 100, "checkpoint_steps": 1, "reference_free": 0.0, "seed": 3,
    }  # fmt: skip
    return TrainConfig(**{**fields, **changes})


def figures_of(result):
    return {name for name in result.figures if name.startswith("loss/")}


def weights_of(run):
    return read_networks(checkpoint_folders(run)[-1])


@pytest.mark.parametrize("model", ["A", "B"])
def test_vid2vid_trains_resumes_and_synthesizes_like_the_others(store, tmp_path, model):
    added = dict.fromkeys(("labelmix", "patch_heads", "alignment"), 5.0) if model == "B" else {}
    weights = LossWeights(consistency=10.0, **added)
    told = config(store, tmp_path / "run", model=model, width=0.03, loss_weights=weights)
    result = run_train(told, Silent())
    expected = {"loss/image_adversarial", "loss/consistency", "loss/flow", "loss/occlusion"}
    assert expected <= figures_of(result)
    added = {f"loss/{name}" for name in (*added, "patch_discriminator")}
    assert added <= figures_of(result) if model == "B" else not added & figures_of(result)

    # stopped after the first step, it goes on to the same bytes
    last = checkpoint_folders(told.run)[-1]
    whole = {path.name: path.read_bytes() for path in last.iterdir()}
    for path in last.iterdir():
        path.unlink()
    last.rmdir()
    assert run_train(told, Silent()).steps_done_now == 1
    assert {path.name: path.read_bytes() for path in last.iterdir()} == whole

    generator, info = load_generator(told.run)
    assert isinstance(generator, Vid2VidGenerator)
    assert (info.model, generator.config.foreground) == (model, (26,))
    made = {}
    for chunk in (2, 4):
        out = tmp_path / f"out{chunk}"
        run_synthesize(
            SynthesizeConfig(
                store=store,
                checkpoint=told.run,
                out=out,
                sequences=("s0",),
                chunk_length=chunk,
                part_frames=4,
                precision="float32",
            ),
            Silent(),
        )
        (sequence_id,) = StoreReader(out).sequence_ids
        made[chunk] = [f.image for f in StoreReader(out).read(sequence_id, 0, 6)]
    differences = [abs(a.astype(int) - b).max() for a, b in zip(made[2], made[4], strict=True)]
    assert max(differences) <= 2  # both past frames cross the borders of chunks


@pytest.mark.parametrize(
    ("model", "network", "precision"),
    [
        ("E-plain", {}, "float32"),
        ("C-plain", {}, "bf16"),
        ("C", {"fusion": "cat", "image_sees_occlusion": True}, "float32"),
        ("C", {"fusion": "gate", "motion_sees_image": True}, "bf16"),
    ],
)
def test_a_step_of_a_variant_reaches_all_that_learns(store, tmp_path, model, network, precision):
    changes = {"model": model, "width": 0.02, "network": network, "precision": precision}
    told = config(store, tmp_path / "run", **changes)
    plan = plan_training(told, Silent())
    clips = load_clips(plan.reader, [plan.sampler.clip(0, 4, flips=False)], size_hw=SIZE)
    chunk = chunk_of(clips, 3, 4, with_edges=plan.uses_edges)
    learner = build_learner(told, plan, Silent(), extra_blocks=0)
    learner.set_rate(1e-4, 1.0)
    figures, past = train_step(learner, chunk, chunk.past_real, 0, told)
    assert {"loss/flow", "loss/occlusion", "loss/image_adversarial"} <= set(figures)
    assert past[:, -1].abs().max() <= 1
    generator = learner.networks.generator
    moments = learner.optimizers["generator"].state
    still = [
        name for name, parameter in generator.named_parameters()
        if not moments[parameter]["exp_avg"].abs().sum() > 0 and not name.startswith("motion")
    ]  # fmt: skip
    assert still == []
    path = tmp_path / "generator.safetensors"
    save_generator(
        path, generator, checkpoint_info(told, plan, step=1, pixel_counts={}, object_colours={})
    )
    again, _ = load_generator(path)
    assert again.config == generator.config


def test_video_discriminators_look_at_as_many_sizes_as_asked_for(store, tmp_path):
    told = config(store, tmp_path / "run", video_resolutions=3)
    plan = plan_training(told, Silent())
    clips = load_clips(plan.reader, [plan.sampler.clip(0, 4, flips=False)], size_hw=SIZE)
    chunk = chunk_of(clips, 3, 4, with_edges=plan.uses_edges)
    learner = build_learner(told, plan, Silent(), extra_blocks=0)
    learner.set_rate(1e-4, 1.0)
    train_step(learner, chunk, chunk.past_real, 0, told)
    nearest = learner.networks.video_discriminators[0]
    assert [len(one.resolutions) for one in learner.networks.video_discriminators] == [3, 3]
    moments = learner.optimizers["video_discriminator_0"].state
    for resolution in nearest.resolutions:
        assert moments[resolution.layers[-1].weight]["exp_avg"].abs().sum() > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "B", "network": {"fusion": "cat"}}, "A and B have no variants"),
        (
            {"network": {"motion_sees_image": True}, "given_motion": 0.5},
            "model demo with network.motion_sees_image draws its flow together with the frame",
        ),
        (
            {
                "network": {"motion_sees_image": True},
                "phases": [Phase(1, 2, SIZE, 2e-4, learns="motion")],
            },
            "learns motion, which model demo with network.motion_sees_image reads off pictures",
        ),
    ],
)
def test_variants_that_cannot_be_trained_so_are_refused(store, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        run_train(config(store, tmp_path / "run", **changes), Silent())
    assert not (tmp_path / "run").exists()


def test_a_preview_is_a_strip_and_a_video(store, tmp_path):
    told = config(store, tmp_path / "run", steps=1)
    run_train(told, Silent())
    names = sorted(path.name for path in (told.run / "previews").iterdir())
    assert names == ["step-000000001.mp4", "step-000000001.png"]
    info = video_info(told.run / "previews" / names[0])
    assert (info.size_hw, info.fps, info.num_frames) == ((SIZE[0], 3 * SIZE[1]), 10.0, 5)


def test_recomputed_activations_give_the_same_weights(store, tmp_path):
    runs = []
    for recomputed in (False, True):
        told = config(
            store, tmp_path / str(recomputed), steps=2, backprop_frames=2,
            checkpoint_activations=recomputed, loss_weights=LossWeights(labelmix=5.0),
        )  # fmt: skip
        run_train(told, Silent())
        runs.append(weights_of(told.run))
    kept, recomputed = runs
    for name, tensors in kept.items():
        for key, value in tensors.items():
            assert torch.equal(value, recomputed[name][key]), (name, key)


def test_a_named_perceptual_network_that_is_not_here_says_how_to_get_it(store, tmp_path):
    told = config(
        store, tmp_path / "run", perceptual_weights="vgg16", weights_folder=tmp_path / "none"
    )
    with pytest.raises(WeightsError, match="svsdata weights fetch vgg16"):
        run_train(told, Silent())
    typo = told.model_copy(update={"perceptual_weights": "vgg17", "run": tmp_path / "run2"})
    with pytest.raises(WeightsError, match="vgg17"):
        run_train(typo, Silent())


def test_a_run_that_tells_colours_keeps_those_of_its_store_for_synthesis(store, tmp_path):
    told = config(store, tmp_path / "run", network={"object_colours": True}, steps=2)
    _, info = load_generator(run_train(told, Silent()).checkpoint)
    reader = StoreReader(store)
    layers = ("image", "instance")
    frames = [frame for one in ("s0", "s1") for frame in reader.read(one, layers=layers)]
    cars = [frame.image[frame.instance == 26001] for frame in frames]
    expected = [car.mean(axis=0) for car in cars if len(car) >= 16]
    assert set(info.object_colours) == {"car"}
    np.testing.assert_allclose(info.object_colours["car"], expected, atol=0.51)
    plain = config(store, tmp_path / "plain", steps=2)
    assert load_generator(run_train(plain, Silent()).checkpoint)[1].object_colours == {}


def test_colours_of_a_large_store_are_sampled_evenly(tmp_path, sliding_store):
    store = sliding_store(tmp_path / "store", lengths=(150, 150))
    recordings = [Recording("s0", 150), Recording("s1", 150)]
    colours = colours_by_class(StoreReader(store), recordings)
    assert len(colours["car"]) == 64
    (half,) = (colours_by_class(StoreReader(store), [one])["car"] for one in recordings[1:])
    assert set(colours["car"]) & set(half)
    assert set(colours["car"]) - set(half)


def test_parts_of_frames_are_trained_on_and_whole_frames_are_synthesized(store, tmp_path):
    phase = Phase(1, 4, (128, 256), 2e-4, crop_hw=SIZE)
    told = config(store, tmp_path / "run", model="C", width=0.05, phases=[phase])
    estimate = estimate_train(told, Silent())
    assert estimate.phases[0].size_hw == SIZE
    result = run_train(told, Silent())
    _, info = load_generator(result.checkpoint)
    assert info.size_hw == (128, 256)


@pytest.mark.parametrize(
    ("model", "crop_hw", "given_motion", "learns", "message"),
    [
        ("demo", SIZE, 0.0, "all", "where in the frame a pixel lies"),
        ("demo", SIZE, 0.9, "all", "where in the frame a pixel lies.*given_motion=1"),
        ("demo", SIZE, 1.0, "motion", "where in the frame a pixel lies"),
        ("demo", SIZE, 1.0, "all", None),
        ("C", (64, 320), 0.0, "all", "larger than its size_hw"),
        ("C", (96, 128), 0.0, "all", "128x96: model C needs sides that are multiples of 64"),
        ("C", (64, 128), 0.0, "all", None),
    ],
)
def test_parts_that_cannot_be_trained_on_are_refused(
    store, tmp_path, model, crop_hw, given_motion, learns, message
):
    phase = Phase(1, 4, (128, 256), 2e-4, crop_hw=crop_hw, learns=learns)
    told = config(store, tmp_path / "run", model=model, phases=[phase], given_motion=given_motion)
    if message is None:
        plan_training(told, Silent())
        return
    with pytest.raises(ConfigError, match=message):
        plan_training(told, Silent())


@pytest.mark.parametrize("term", ["labelmix", "patch_heads", "alignment"])
def test_terms_of_a_segmenting_discriminator_are_refused_for_one_of_patches(store, tmp_path, term):
    told = config(store, tmp_path / "run", model="A", loss_weights=LossWeights(**{term: 5.0}))
    with pytest.raises(ConfigError, match="model A has one of patches"):
        run_train(told, Silent())


def test_scaled_losses_take_the_same_step_and_an_overflow_takes_none(store, tmp_path):
    told = config(store, tmp_path / "run")
    plan = plan_training(told, Silent())
    clips = load_clips(plan.reader, [plan.sampler.clip(0, 4, flips=False)], size_hw=SIZE)
    chunk = chunk_of(clips, 3, 4, with_edges=plan.uses_edges)
    weights, scales = {}, {}
    for scale in (1.0, 2.0**12, 2.0**127):
        learner = build_learner(told, plan, Silent(), extra_blocks=0)
        learner = replace(learner, scaler=GradScaler("cpu", init_scale=scale, enabled=scale > 1))
        learner.set_rate(1e-4, 1.0)
        start = torch.cat([p.detach().flatten() for p in learner.networks.generator.parameters()])
        train_step(learner, chunk, chunk.past_real, 0, told)
        weights[scale] = torch.cat(
            [p.detach().flatten() for p in learner.networks.generator.parameters()]
        )
        scales[scale] = (
            learner.carried(None, FigureMeans({})).get("scale", torch.zeros(2))[0].item()
        )
    torch.testing.assert_close(weights[2.0**12], weights[1.0], atol=1e-6, rtol=0)
    assert not torch.equal(weights[1.0], start)
    assert torch.equal(weights[2.0**127], start)
    assert scales == {1.0: 0.0, 2.0**12: 2.0**12, 2.0**127: 2.0**126}


def test_the_oasis_loss_asks_for_no_void_class_of_the_stores_label_set(store, tmp_path):
    told = config(store, tmp_path / "run")
    networks = build_networks(told, plan_training(told, Silent()), extra_blocks=0)
    names = [label.name for label in CITYSCAPES.labels if networks.image_judge.ignored[label.id]]
    assert names == [
        "unlabeled", "ego vehicle", "rectification border", "out of roi",
        "static", "dynamic", "ground",
    ]  # fmt: skip


def test_perceptual_weights_that_go_unused_are_told(store, tmp_path):
    notes = []
    listener = SimpleNamespace(note=notes.append)
    told = config(store, tmp_path / "run", perceptual_weights="vgg16")
    unweighted = told.model_copy(update={"loss_weights": LossWeights(perceptual=0.0)})
    assert build_objective(unweighted, listener, extra_blocks=0).perceptual_net is None
    assert notes == ["perceptual_weights go unused: loss_weights.perceptual is 0"]
