"""A training step on a device: how often it waits for values, and that nothing is fed to it."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.optim import Adam

from svsdata.pipelines.configs.train import LossWeights, TrainConfig
from svsdata.pipelines.training_learner import Learner, build_learner, for_phase
from svsdata.pipelines.training_plan import plan_training
from svsdata.pipelines.training_step import train_step
from svsdata.progress import Silent
from svsdata.tensors import full_precision
from svsdata.training.chunks import chunk_of, to_device
from svsdata.training.clips import load_clips
from svsdata.training.schedules import Phase
from tests.host_watch import HostWatch

SIZE = (64, 128)
NUM_FRAMES = 8


class OnMeta(Learner):
    """A learner on a device that autocast does not know."""

    def autocast(self) -> Any:
        return full_precision("meta")


def on_meta(learner: Learner) -> OnMeta:
    """Move a learner there, with optimisers that the device has."""
    networks = learner.networks
    for network in (*networks.by_name.values(), learner.average):
        network.to("meta")
    judge = networks.image_judge
    if hasattr(judge, "ignored"):
        judge = replace(judge, ignored=judge.ignored.to("meta"))
    optimizers = {
        name: Adam(it.parameters(), foreach=True) for name, it in networks.by_name.items()
    }
    return OnMeta(
        **{
            **vars(learner),
            "networks": replace(networks, image_judge=judge),
            "optimizers": optimizers,
        }
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory, sliding_store):
    return sliding_store(tmp_path_factory.mktemp("devices") / "store")


def watched_step(
    store, model, *, frames=2, stop=NUM_FRAMES, learns="all", gives_motion=False, **changes
):
    phase = Phase(1, NUM_FRAMES, SIZE, 1e-4, learns=learns)
    config = TrainConfig(
        store=store, run=store / "none", model=model, width=0.1, precision="float32",
        phases=[phase], backprop_frames=frames, **changes,
    )  # fmt: skip
    plan = plan_training(config, Silent())
    learner = on_meta(build_learner(config, plan, Silent(), extra_blocks=0))
    learner = for_phase(learner, config, plan, phase)
    loaded = load_clips(
        plan.reader, [plan.sampler.clip(0, NUM_FRAMES, flips=False)], size_hw=SIZE,
        coloured=plan.uses_colours,
    )  # fmt: skip
    clips = to_device(loaded, torch.device("meta"))
    with HostWatch() as watch:
        chunk = chunk_of(
            clips, stop - frames, stop, with_edges=plan.uses_edges,
            context_frames=learner.average.config.context_frames, gives_motion=gives_motion,
        )  # fmt: skip
        figures, past = train_step(learner, chunk, chunk.past_real, 0, config)
    assert past.is_meta
    assert {"loss/generator", "gradient/generator"} <= set(figures)
    return watch


@pytest.mark.parametrize("model", ["A", "B", "C", "E"])
def test_a_step_reads_nothing_but_its_figures_and_feeds_nothing(store, model):
    watch = watched_step(store, model, perturbed_feedback=0.0)
    # two sets of losses and the gradients, before they are used; occlusion; colours and pixels
    assert watch.reads == ["tolist"] * 3 + ["item"] + ["tolist"] * 2
    assert watch.feeds == []


def test_a_given_motion_is_read_once_and_coins_and_noise_are_fed(store):
    watch = watched_step(
        store, "carry", frames=1, gives_motion=True, given_motion=0.5, perturbed_feedback=1.0,
        loss_weights=LossWeights(labelmix=5.0),
    )  # fmt: skip
    assert watch.reads == ["__bool__"] + ["tolist"] * 3 + ["item"] + ["tolist"] * 2
    # blur, gain, offset, noise and which rows of the previous frame; coins of LabelMix
    assert watch.feeds == ["to"] * 6


def test_a_first_step_of_a_clip_has_no_triple_yet_and_stays_on_the_device(store):
    watch = watched_step(store, "C", frames=1, stop=2, perturbed_feedback=0.0)
    assert watch.reads == ["tolist"] * 3 + ["item"] + ["tolist"] * 2
    assert watch.feeds == []


def test_a_step_of_motion_alone_stays_on_the_device(store):
    watch = watched_step(store, "C", frames=1, learns="motion")
    # losses and gradients, before they are used; occlusion
    assert watch.reads == ["tolist"] * 2 + ["item"]
    assert watch.feeds == []
