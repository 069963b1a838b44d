import json
import shutil
from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from svsdata.errors import StoreError
from svsdata.labels import CITYSCAPES
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.configs.usefulness import StreetConfig, UsefulnessConfig
from svsdata.pipelines.label import run_label
from svsdata.pipelines.usefulness import run_usefulness
from svsdata.pipelines.usefulness_runs import TRAININGS, measured_run, mixed
from svsdata.pipelines.usefulness_streets import Stores, label_streets
from svsdata.progress import Silent
from svsdata.records import Frame
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader
from svsdata.store.writer import StoreWriter

TRUCK = CITYSCAPES.label("truck").id


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("usefulness") / "store"
    run_label(LabelConfig(source="street:seed=3,frames=4,size=128x64", store=str(path)), Silent())
    return path


class Heard(Silent):
    """A progress that remembers."""

    def __init__(self) -> None:
        self.notes = []

    def note(self, message: str) -> None:
        self.notes.append(message)


def config_for(store: Path, out: Path, **fields) -> UsefulnessConfig:
    stores = dict.fromkeys(("real", "synthetic", "edited", "test"), store)
    fields = {"steps": 2, "batch_size": 1, "seeds": (0, 1), "height": 32, **fields}
    return UsefulnessConfig(out=out, **{**stores, **fields})


def test_every_training_is_measured_on_every_seed_and_told(store, tmp_path):
    result = run_usefulness(config_for(store, tmp_path / "out"), Silent())
    assert list(result.iou) == [training.name for training in TRAININGS]
    for spreads in result.iou.values():
        assert {"road", "sky"} <= set(spreads)
        assert all(0 <= one.mean <= 1 and one.seeds == 2 for one in spreads.values())
    assert "2 steps of 1 frames of 64x32, 50% of them synthetic" in result.protocol
    assert json.loads(result.report.read_text())["iou"]["real"]["road"]["seeds"] == 2
    page = result.page.read_text()
    assert "real + edited synthetic" in page
    assert [warning.partition(" too:")[0] for warning in result.warnings] == [
        f"1 sequence of the test store '{store}' is in the {name} store"
        for name in ("real", "synthetic", "edited")
    ]
    assert page.count("were learnt by heart") == 3
    assert "a hint, not a proof" in page
    # two steps teach hardly anything
    assert not set(result.gains) & set(result.losses)
    assert 0 < len(result.unlearned) < len(result.iou["real"]) - 1
    assert f"No training learned {result.unlearned[0]}" in page
    assert "http" not in page


def test_a_stopped_measurement_goes_on_with_what_is_missing(store, tmp_path):
    config = config_for(store, tmp_path / "out", seeds=(0,))
    whole = run_usefulness(config, Silent())
    assert (whole.gains, whole.losses) == ((), ())
    assert whole.warnings[0].startswith("with one seed nobody knows")
    assert "neither gains nor losses" in whole.page.read_text()
    runs = sorted((tmp_path / "out/runs").glob("*.json"))
    assert len(runs) == len(TRAININGS)
    kept, texts = runs[0].stat().st_mtime_ns, [run.read_text() for run in runs]
    runs[1].unlink()
    runs[2].write_text(json.dumps(json.loads(texts[2])["iou"]))  # tells not what it rests on
    assert run_usefulness(config, Silent()) == whole
    assert [run.read_text() for run in runs] == texts
    assert runs[0].stat().st_mtime_ns == kept


def test_what_rests_on_a_store_that_changed_is_trained_again(store, tmp_path):
    edited = tmp_path / "edited"
    shutil.copytree(store, edited)
    config = config_for(store, tmp_path / "out", edited=edited)
    heard = Heard()

    def measure() -> dict[str, float]:
        readers = {it: StoreReader(getattr(config, it)) for it in ("real", "edited", "test")}
        (training,) = (one for one in TRAININGS if one.added == "edited")
        return measured_run(training, 0, readers, (32, 64), config, heard)

    assert measure()["road"] == measure()["road"]
    source = "street:seed=4,frames=1,size=128x64"
    run_label(LabelConfig(source=source, store=str(edited)), Silent())
    measure()
    assert heard.notes == [
        "train: real + edited synthetic, seed 0",
        "train: real + edited synthetic, seed 0, again: "
        "the stores or settings are not those of before",
    ]


def test_mixtures_hold_the_asked_share_evenly():
    drawn = list(islice(mixed(count(0), count(1000), 0.25), 12))
    assert [value >= 1000 for value in drawn] == [False, False, False, True] * 3
    assert [value for value in drawn if value < 1000] == list(range(9))


def test_stores_that_do_not_fit_are_refused(store, tmp_path):
    square = StoreWriter(
        tmp_path / "square", StoreInfo(CITYSCAPES, (8, 8), 10.0, ("image", "semantic"))
    )
    with pytest.raises(StoreError, match=r"'.*square' \(test\) has no sequence yet"):
        run_usefulness(config_for(store, tmp_path / "a", test=square.path), Silent())
    odd = StoreWriter(tmp_path / "odd", StoreInfo(CITYSCAPES, (64, 100), 10.0, ("semantic",)))
    with odd.sequence("a", source="test", fps=10.0) as sequence:
        sequence.append(Frame(0, 0, semantic=np.zeros((64, 100), np.uint8)))
        sequence.commit()
    with pytest.raises(StoreError, match=r"no whole width at height 33; .*height=32"):
        run_usefulness(config_for(odd.path, tmp_path / "b", height=33), Silent())
    with pytest.raises(StoreError, match=r"\(test\) has frames of 100x64, .* of 128x64"):
        run_usefulness(config_for(store, tmp_path / "d", test=odd.path), Silent())
    with pytest.raises(ValidationError, match="missing: edited"):
        config_for(store, tmp_path / "c", edited=None)


def test_streets_for_training_have_one_truck_and_those_for_the_test_only_such(tmp_path):
    config = StreetConfig(streets=2, test_streets=1, frames=8, height=64)
    stores = Stores(*(tmp_path / name for name in ("real", "synthetic", "edited", "test")))
    label_streets(config, stores, Silent())

    def shares(store: Path) -> list[float]:
        reader = StoreReader(store)
        return [
            float(np.mean([(it.semantic == TRUCK).mean() for it in reader.read(one)]))
            for one in reader.sequence_ids
        ]

    rare, common = sorted(shares(stores.real))
    assert rare < common
    assert min(shares(stores.test)) > 0
    seeds = [StoreReader(store).sequence_ids for store in (stores.real, stores.test)]
    assert not set(seeds[0]) & set(seeds[1])
