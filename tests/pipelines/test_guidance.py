from dataclasses import replace

import numpy as np
import pytest
import torch

from svsdata.checkpoints.weights import load_generator, save_generator
from svsdata.errors import ConfigError, StoreError
from svsdata.labels import CITYSCAPES
from svsdata.nets.svsgan.losses import guidance_loss
from svsdata.pipelines.configs.synthesize import SynthesizeConfig
from svsdata.pipelines.configs.train import NetworkChanges, TrainConfig
from svsdata.pipelines.synthesize import run_synthesize
from svsdata.pipelines.train import run_train
from svsdata.progress import Silent
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader
from svsdata.store.writer import StoreWriter
from svsdata.street_world.scene import StreetWorld
from svsdata.training.chunks import chunk_of
from svsdata.training.clips import load_clips
from svsdata.training.sampler import Clip
from svsdata.training.schedules import Phase
from tests.pipelines.interfering import StopAfter, StoppedError

SIZE = (64, 128)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("guidance") / "store"
    layers = ("image", "semantic", "instance", "flow", "occlusion")
    street = StreetWorld(7, size_hw=SIZE, fps=10.0)
    writer = StoreWriter(path, StoreInfo(CITYSCAPES, SIZE, 10.0, layers))
    with writer.sequence("street", source="street", fps=10.0) as rows:
        for index in range(12):
            rows.append(replace(street.frame(index), camera=street.camera))
        rows.commit(instance_scope="sequence")
    return path


def config(store, run, **changes):
    fields = {
        "store": store, "run": run, "model": "demo", "width": 0.1, "steps": 2, "seed": 3,
        "phases": [Phase(1, 5, SIZE, 2e-3)], "precision": "float32", "log_steps": 1,
        "preview_steps": 100, "ema_start": 9,
        "reference_free": 0.0, "network": NetworkChanges(guidance=True),
    }  # fmt: skip
    return TrainConfig(**{**fields, **changes})


@pytest.fixture(scope="module")
def trained(store, tmp_path_factory):
    run = tmp_path_factory.mktemp("trained") / "run"
    return run, run_train(config(store, run), Silent())


def test_a_run_learns_from_its_guidance(trained):
    run, result = trained
    assert result.figures["loss/guidance"] > 0
    generator, _ = load_generator(run)
    learned = [m.head.conv.weight.abs().sum() for m in generator.guidance_modulators]
    assert len(learned) == 3
    assert all(weight > 0 for weight in learned)


@pytest.mark.parametrize("flip", [False, True])
def test_guidance_shows_recorded_colours_where_they_belong(store, flip):
    reader = StoreReader(store)
    batch = load_clips(reader, [Clip("street", 2, 6, flip)], size_hw=SIZE, guided=True)
    chunk = chunk_of(batch, 1, 6, with_edges=False)
    known = chunk.guidance[:, 3:]
    assert known.mean() > 0.3
    assert not chunk.guidance[:, :3][known.expand(-1, 3, -1, -1) == 0].any()
    off = guidance_loss(chunk.real, chunk.guidance).sum() / (3 * known.sum())
    assert off < 0.1  # of -1 to 1
    mirrored = guidance_loss(chunk.real.flip(-1), chunk.guidance).sum() / (3 * known.sum())
    assert mirrored > 2 * off
    first = chunk_of(batch, 0, 1, with_edges=False)
    assert not first.guidance.any()


def test_a_clip_that_chose_its_own_colours_is_not_shown_recorded_ones(store, tmp_path):
    told = config(store, tmp_path / "run", reference_free=1.0, steps=1)
    assert "loss/guidance" not in run_train(told, Silent()).figures


def seeing(trained, path):
    """A checkpoint that looks at its guidance."""
    generator, info = load_generator(trained[0])
    torch.manual_seed(0)
    for modulator in generator.guidance_modulators:
        torch.nn.init.normal_(modulator.head.conv.weight, std=0.5)
    save_generator(path, generator, info)
    return path


def test_a_stopped_synthesis_goes_on_with_the_same_bytes(store, trained, tmp_path):
    fields = {
        "store": store, "checkpoint": seeing(trained, tmp_path / "seeing.safetensors"),
        "chunk_length": 2, "part_frames": 4,
    }  # fmt: skip
    run_synthesize(SynthesizeConfig(out=tmp_path / "whole", **fields), Silent())
    stopped = SynthesizeConfig(out=tmp_path / "stopped", **fields)
    with pytest.raises(StoppedError):
        run_synthesize(stopped, StopAfter(9))
    assert run_synthesize(stopped, Silent()).num_frames < 12
    whole, again = (
        [frame.image for frame in StoreReader(tmp_path / name).read("street")]
        for name in ("whole", "stopped")
    )
    np.testing.assert_array_equal(np.stack(again), np.stack(whole))


def at_rate(path, nominal):
    """A store of that nominal rate, whose only sequence has 10 frames a second and no poses."""
    street = StreetWorld(7, size_hw=SIZE, fps=10.0)
    layers = ("image", "semantic", "instance", "flow", "occlusion")
    writer = StoreWriter(path, StoreInfo(CITYSCAPES, SIZE, nominal, layers))
    with writer.sequence("street", source="street", fps=10.0) as rows:
        for index in range(12):
            frame = street.frame(index)
            ego = replace(frame.ego, world_T_vehicle=None)
            rows.append(replace(frame, camera=street.camera, ego=ego))
        rows.commit(instance_scope="sequence")
    return path


def test_guidance_goes_by_the_rate_of_a_sequence_and_not_by_that_of_its_store(trained, tmp_path):
    stores = [at_rate(tmp_path / f"at-{nominal}", float(nominal)) for nominal in (10, 30)]
    clip, checkpoint = Clip("street", 2, 6, flip=False), seeing(trained, tmp_path / "seeing.st")
    learned, drawn = [], []
    for store in stores:
        reader, out = StoreReader(store), tmp_path / f"{store.name}-out"
        learned.append(load_clips(reader, [clip], size_hw=SIZE, guided=True).guidance)
        run_synthesize(SynthesizeConfig(store=store, checkpoint=checkpoint, out=out), Silent())
        drawn.append(np.stack([frame.image for frame in StoreReader(out).read("street")]))
    assert learned[0][:, :, 3].float().mean() > 0.3
    assert torch.equal(*learned)
    np.testing.assert_array_equal(*drawn)


def test_what_cannot_be_guided_is_refused(store, trained, tmp_path, sliding_store):
    bare = sliding_store(tmp_path / "bare")
    with pytest.raises(
        ConfigError, match=r"needs flow, camera and ego motion, .* no camera and no"
    ):
        run_train(config(bare, tmp_path / "run"), Silent())
    with pytest.raises(ConfigError, match="from frame to frame, and frame_stride is 2"):
        run_train(config(store, tmp_path / "run", frame_stride=2), Silent())
    fields = {"store": store, "checkpoint": trained[0], "out": tmp_path / "out"}
    with pytest.raises(ConfigError, match="whose place flow tells"):
        run_synthesize(SynthesizeConfig(flow=False, **fields), Silent())
    with pytest.raises(ConfigError, match="keyframe_interval=3, but the checkpoint is guided"):
        run_synthesize(SynthesizeConfig(keyframe_interval=3, **fields), Silent())
    fields["store"] = bare
    with pytest.raises(StoreError, match="has no camera or no ego motion"):
        run_synthesize(SynthesizeConfig(**fields), Silent())
