import os
import signal
from pathlib import Path

import numpy as np
import pytest

from svsdata.checkpoints.training_state import checkpoint_folders
from svsdata.checkpoints.weights import load_generator
from svsdata.errors import ConfigError
from svsdata.labels import KITTI360
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.train import run_train
from svsdata.pipelines.train_presets import train_preset
from svsdata.progress import Silent
from svsdata.records import Frame
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader
from svsdata.store.writer import StoreWriter
from svsdata.training.footage import STREET_FRAMES, StreetFootage
from svsdata.training.schedules import Phase

SIZE = (64, 128)


class Interrupting(Silent):
    """Presses Ctrl-C once after some steps."""

    def __init__(self, after):
        self.left, self.task = after, ""

    def start(self, task, total, *, done=0, unit="frames"):  # noqa: ARG002
        self.task = task

    def advance(self, count=1, **figures):  # noqa: ARG002
        if self.task == "train":
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def store(tmp_path_factory, sliding_store):
    return sliding_store(tmp_path_factory.mktemp("rehearsal") / "store", lengths=(4, 4))


def config(store, run, **changes):
    fields = {
        "store": store, "run": run, "model": "demo", "width": 0.1, "steps": 40,
        "precision": "float32", "phases": [Phase(1, 2, SIZE, 1e-4)], "keep_checkpoints": 1,
        "checkpoint_steps": 100, "preview_steps": 100, "rehearsal": 0.25,
    }  # fmt: skip
    return TrainConfig(**{**fields, **changes})


@pytest.fixture
def read(monkeypatch):
    """What is read of streets and of stores."""
    streets, recorded = [], []
    for footage, kept in ((StreetFootage, streets), (StoreReader, recorded)):
        own = footage.read

        def noted(self, sequence_id, start, stop, *, layers, own=own, kept=kept, **size):
            if size:  # for clips
                kept.append((sequence_id, start, stop))
            return own(self, sequence_id, start, stop, layers=layers, **size)

        monkeypatch.setattr(footage, "read", noted)
    return streets, recorded


def test_so_many_clips_show_streets(store, tmp_path, read):
    streets, recorded = read
    run_train(config(store, tmp_path / "run", preview_steps=1000), Silent())
    assert 4 <= len(streets) <= 17  # of 40, and a preview that reads the store
    assert 40 <= len(streets) + len(recorded) <= 44
    assert len({seed for seed, _, _ in streets}) == len(streets)  # of 64, each once
    assert all(start >= 0 and stop <= STREET_FRAMES for _, start, stop in streets)
    streets.clear()
    run_train(config(store, tmp_path / "plain", rehearsal=0.0, steps=4), Silent())
    assert not streets


def test_a_rehearsing_run_goes_on_bit_for_bit(store, tmp_path):
    whole, stopped = (
        config(store, tmp_path / name, steps=8, rehearsal=0.5) for name in ("whole", "stopped")
    )
    run_train(whole, Silent())
    with pytest.raises(KeyboardInterrupt):
        run_train(stopped, Interrupting(3))
    assert run_train(stopped, Silent()).steps_done_now == 5
    files = [
        {path.name: path.read_bytes() for path in checkpoint_folders(one.run)[-1].iterdir()}
        for one in (whole, stopped)
    ]
    assert files[0] == files[1]


def test_what_streets_show_is_known_and_their_colours_stand_in(store, tmp_path):
    told = config(store, tmp_path / "run", steps=1, network={"object_colours": True})
    _, info = load_generator(run_train(told, Silent()).checkpoint)
    _, street = load_generator(Path("demo"))
    assert {"truck", "bus", "road"} <= set(info.known_classes)
    own = info.object_colours["car"]  # eight frames show the store's
    assert len(own) == 8 + len(street.object_colours["car"])
    assert own[8:] == tuple(street.object_colours["car"])
    assert info.object_colours["truck"] == street.object_colours["truck"]
    alone = config(store, tmp_path / "alone", steps=1, rehearsal=0.0)
    _, info = load_generator(run_train(alone, Silent()).checkpoint)
    assert "truck" not in info.known_classes


def test_enough_colours_of_ones_own_stay_alone(tmp_path, sliding_store):
    store = sliding_store(tmp_path / "store", lengths=(20,))
    told = config(store, tmp_path / "run", steps=1, network={"object_colours": True})
    _, info = load_generator(run_train(told, Silent()).checkpoint)
    assert len(info.object_colours["car"]) == 20


def test_streets_are_not_rehearsed_beside_other_labels(tmp_path):
    writer = StoreWriter(tmp_path / "store", StoreInfo(KITTI360, SIZE, 10.0, ("image", "semantic")))
    with writer.sequence("s", source="test", fps=10.0) as sequence:
        for t in range(3):
            image = np.zeros((*SIZE, 3), np.uint8)
            sequence.append(Frame(t, t, image=image, semantic=np.full(SIZE, 7, np.uint8)))
        sequence.commit()
    with pytest.raises(ConfigError, match=r"labelled 'cityscapes', and the store holds 'kitti360'"):
        run_train(config(tmp_path / "store", tmp_path / "run"), Silent())
    assert not (tmp_path / "run").exists()


def test_finetuning_rehearses_and_no_other_preset_does():
    shares = {
        name: train_preset(name).get("rehearsal", 0.0) for name in ("finetune", "carry", "demo")
    }
    assert shares == {"finetune": 0.25, "carry": 0.0, "demo": 0.0}
