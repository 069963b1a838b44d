import os
import time
from pathlib import Path

import numpy as np
import pytest

from svsdata.evaluation import clip_figures
from svsdata.evaluation.clip_figures import Judges
from svsdata.evaluation.features import FeatureExtractor
from svsdata.pipelines import evaluate as evaluate_pipeline
from svsdata.pipelines.configs.evaluate import EvaluateConfig
from svsdata.pipelines.evaluate import run_evaluate
from svsdata.pipelines.evaluation_kept import code_files, code_sha256
from svsdata.pipelines.evaluation_real import measure_real
from svsdata.progress import Silent
from svsdata.store.reader import StoreReader

SIZE_HW = (64, 128)
IDS = ["s0", "s1"]
METRICS = ("warping_error", "flow_epe", "drift", "identity")


class Heard(Silent):
    """A progress that remembers."""

    def __init__(self) -> None:
        self.started, self.notes = [], []

    def start(self, task: str, *_: object, **__: object) -> None:
        self.started.append(task)

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.fixture
def store(sliding_store, tmp_path) -> Path:
    return sliding_store(tmp_path / "real", lengths=(12, 10))


def config_for(store: Path, tmp_path: Path, **fields) -> EvaluateConfig:
    usual = {
        "metrics": METRICS,
        "clip_frames": 9,
        "gallery_clips": 0,
        "kept_figures": tmp_path / "figures",
    }
    return EvaluateConfig(real=store, synthetic=store, out=tmp_path / "report", **(usual | fields))


def evaluate(config: EvaluateConfig, name: str):
    heard = Heard()
    out = config.out.with_name(name)
    return run_evaluate(config.model_copy(update={"out": out}), heard), heard


def test_the_next_evaluation_beside_a_store_does_not_measure_it_again(store, tmp_path):
    config = config_for(store, tmp_path)
    first, heard = evaluate(config, "first")
    assert first.kept == ()
    assert heard.started == ["evaluate real", "evaluate real"]
    again, heard = evaluate(config, "again")
    assert set(again.kept) == set(METRICS)
    assert heard.started == ["evaluate real"]
    assert "kept_figures=none" in heard.notes[0]
    assert again.measures == first.measures
    assert "measured by an earlier evaluation" in again.page.read_text()
    assert "measured by an earlier evaluation" not in first.page.read_text()
    without, heard = evaluate(config.model_copy(update={"kept_figures": None}), "without")
    assert without.kept == ()
    assert without.measures == first.measures


def test_what_was_not_measured_before_is_measured_alone(store, tmp_path):
    evaluate(config_for(store, tmp_path, metrics=("drift",)), "first")
    both, heard = evaluate(config_for(store, tmp_path, metrics=("drift", "identity")), "both")
    assert both.kept == ("drift",)
    assert heard.started == ["evaluate real", "evaluate real"]
    alone, _ = evaluate(config_for(store, tmp_path, kept_figures=None), "alone")
    assert both.measures["identity"] == alone.measures["identity"]
    assert both.measures["color_distance"] == alone.measures["color_distance"]


@pytest.mark.parametrize(
    "fields",
    [{"first_frame": 0}, {"clip_frames": 10}, {"clips_per_sequence": 1}, {"curve_frames": 3}],
)
def test_another_protocol_is_measured_anew(store, tmp_path, fields):
    usual = {"metrics": ("drift", "identity")}
    evaluate(config_for(store, tmp_path, **usual), "first")
    other, _ = evaluate(config_for(store, tmp_path, **usual, **fields), "other")
    assert other.kept == ()


def test_figures_depend_on_the_code_that_measures_and_composes_them():
    assert {Path(evaluate_pipeline.__file__), Path(clip_figures.__file__)} <= set(code_files())


def test_code_that_is_edited_while_it_runs_is_not_what_has_run(tmp_path, monkeypatch):
    running = code_sha256()
    (tmp_path / "curves.py").write_text("edited")
    monkeypatch.setattr(
        "svsdata.pipelines.evaluation_kept.code_files", lambda: [tmp_path / "curves.py"]
    )
    assert code_sha256() == running


def test_another_judge_or_store_is_measured_anew(sliding_store, store, tmp_path):
    def brightness(protocol: str) -> FeatureExtractor:
        return FeatureExtractor("fid", 3, False, 1, protocol, lambda frames: frames.mean((1, 2)), 2)

    config = config_for(store, tmp_path, metrics=("fid",))
    of_store = StoreReader(store)
    first, kept = measure_real(of_store, IDS, Judges((brightness("a"),)), SIZE_HW, config, Heard())
    assert (kept, first.features["fid"].count) == ((), 20)
    same, kept = measure_real(of_store, IDS, Judges((brightness("a"),)), SIZE_HW, config, Heard())
    assert kept == ("fid",)
    np.testing.assert_array_equal(
        same.features["fid"].covariance(1), first.features["fid"].covariance(1)
    )
    assert (
        measure_real(of_store, IDS, Judges((brightness("b"),)), SIZE_HW, config, Heard())[1] == ()
    )
    other = StoreReader(sliding_store(tmp_path / "other", lengths=(12, 11)))
    found, kept = measure_real(other, IDS, Judges((brightness("a"),)), SIZE_HW, config, Heard())
    assert (kept, found.features["fid"].count) == ((), 21)


def test_another_size_is_measured_anew_and_colours_beside_their_own(store, tmp_path):
    config = config_for(store, tmp_path, metrics=("drift",))
    reader = StoreReader(store)
    judges = Judges(wanted=frozenset({"drift"}))
    found, _ = measure_real(reader, IDS, judges, SIZE_HW, config, Heard())
    assert found.curves["color_distance"].count == 20
    assert 0 < found.curves["color_distance"].mean < 255
    again, kept = measure_real(reader, IDS, judges, SIZE_HW, config, Heard())
    assert (kept, again.curves) == (("drift",), found.curves)
    assert measure_real(reader, IDS, judges, (32, 64), config, Heard())[1] == ()


@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: data[:-1] + b"?"])
def test_damaged_figures_are_measured_again_and_replaced(store, tmp_path, damage):
    config = config_for(store, tmp_path, metrics=("drift",))
    first, _ = evaluate(config, "first")
    (path,) = (tmp_path / "figures").iterdir()
    path.write_bytes(damage(path.read_bytes()))
    again, heard = evaluate(config, "again")
    assert again.kept == ()
    assert "drift of the real store is measured again" in heard.notes[0]
    assert again.measures == first.measures
    assert evaluate(config, "once more")[0].kept == ("drift",)


def test_an_evaluation_that_cannot_keep_its_figures_says_so_and_ends(store, tmp_path):
    (tmp_path / "figures").write_text("a file")
    result, heard = evaluate(config_for(store, tmp_path, metrics=("drift",)), "report")
    assert result.measures
    assert heard.notes[0].startswith("drift of the real store cannot be kept")


def test_nothing_is_left_beside_what_is_kept(store, tmp_path):
    evaluate(config_for(store, tmp_path), "first")
    names = sorted(path.name.partition("-")[0] for path in (tmp_path / "figures").iterdir())
    assert names == sorted(METRICS)


def test_figures_that_nobody_takes_up_any_more_are_forgotten(store, tmp_path):
    def aged(path: Path, days: float) -> Path:
        seconds = time.time() - days * 24 * 3600
        os.utime(path, (seconds, seconds))
        return path

    evaluate(config_for(store, tmp_path, metrics=("drift",)), "first")
    (drift,) = (tmp_path / "figures").iterdir()
    evaluate(config_for(store, tmp_path, metrics=("identity",)), "other")
    (identity,) = set((tmp_path / "figures").iterdir()) - {drift}
    foreign = tmp_path / "figures" / "mine.safetensors"
    foreign.write_bytes(b"mine")
    aged(foreign, 31), aged(identity, 31), aged(drift, 29)
    evaluate(config_for(store, tmp_path, metrics=("drift",)), "again")
    assert set((tmp_path / "figures").iterdir()) == {drift, foreign}
    aged(drift, 29)
    assert evaluate(config_for(store, tmp_path, metrics=("drift",)), "taken up")[0].kept
    assert time.time() - drift.stat().st_mtime < 3600
