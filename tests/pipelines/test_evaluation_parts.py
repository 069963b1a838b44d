import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from svsdata.errors import ConfigError
from svsdata.pipelines.configs.evaluate import EvaluateConfig
from svsdata.pipelines.evaluate import run_evaluate, run_evaluate_part
from svsdata.progress import Silent
from svsdata.store.reader import StoreReader
from svsdata.store.writer import StoreWriter

METRICS = ("psnr", "ssim", "warping_error", "flow_epe", "drift", "identity")


class Heard(Silent):
    """A progress that remembers how many frames were read of which store."""

    def __init__(self) -> None:
        self.started: dict[str, int] = {}
        self.notes: list[str] = []

    def start(self, task: str, total: int, **_: object) -> None:
        self.started[task] = total

    def note(self, message: str) -> None:
        self.notes.append(message)


def tinted(recorded: Path, path: Path, *, add: int = 0) -> Path:
    """Write what a generator might have made: darker by sequence, with an edit in the last ones."""
    reader = StoreReader(recorded)
    layers = ("image", "semantic", "instance", "flow", "occlusion")
    info = replace(reader.info, modalities=(*layers, "provenance"))
    writer = StoreWriter(path, info)
    for place, name in enumerate(reader.sequence_ids):
        with writer.sequence(name, source="test", fps=10.0) as sequence:
            for frame in reader.read(name, layers=layers):
                provenance = np.zeros(reader.info.size_hw, np.uint8)
                provenance[10:20, 10:30] = place > 1
                sequence.append(
                    replace(
                        frame,
                        image=frame.image // 2 + np.uint8(7 * place + add),
                        provenance=provenance,
                        plan_hash="p" if place > 1 else None,
                    )
                )
            sequence.commit()
    return path


@pytest.fixture(scope="module")
def stores(sliding_store, tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("stores")
    real = sliding_store(folder / "real", lengths=(12, 10, 11, 2), size_hw=(32, 64))
    return real, tinted(real, folder / "made")


def config_for(stores, tmp_path: Path, **fields) -> EvaluateConfig:
    usual = {"metrics": METRICS, "clip_frames": 9, "gallery_clips": 1,
             "kept_figures": tmp_path / "figures", "out": tmp_path / "report"}  # fmt: skip
    return EvaluateConfig(real=stores[0], synthetic=stores[1], **(usual | fields))


def report_of(config: EvaluateConfig) -> tuple[dict, str]:
    return json.loads((config.out / "report.json").read_text()), (
        config.out / "report.html"
    ).read_text()


def assert_same_report(one: EvaluateConfig, other: EvaluateConfig) -> None:
    (ours, our_page), (theirs, their_page) = report_of(one), report_of(other)
    for name, measure in theirs["measures"].items():
        found = ours["measures"][name]
        assert (found["samples"], found["protocol"]) == (measure["samples"], measure["protocol"])
        assert found["value"] == pytest.approx(measure["value"], rel=1e-12)
        if measure["real"] is not None:
            assert found["real"] == pytest.approx(measure["real"], rel=1e-12)
    assert ours["measures"].keys() == theirs["measures"].keys()
    for key in ("clips", "edits", "frames", "not_measured", "warnings", "basis"):
        assert ours[key] == theirs[key]
    for text in ("<h2>Edits</h2>", "<h2>Worst clips</h2>", "<h2>Best clips</h2>"):
        assert text in our_page
        assert text in their_page
    assert our_page.count("data:video/mp4") == their_page.count("data:video/mp4")


def test_parts_measured_apart_are_joined_into_the_report_of_the_whole(stores, tmp_path):
    config = config_for(stores, tmp_path)
    for part, frames in (("2/2", 9 + 1), ("1/2", 11 + 10)):
        heard = Heard()
        result = run_evaluate_part(config.model_copy(update={"part": part}), heard)
        assert result.sequences == "2 of 4 synthetic and 2 of 4 real"
        assert result.frames.endswith(f"{frames} synthetic and {frames} real")
        assert heard.started == {"evaluate real": frames, "evaluate made": frames}
    assert not config.out.exists()
    joining = Heard()
    joined = run_evaluate(config, joining)
    assert joining.started == {}
    assert any("4 of 4 sequences of" in note for note in joining.notes)
    assert set(joined.kept) == set(METRICS) - {"psnr", "ssim"}
    alone = config_for(stores, tmp_path, out=tmp_path / "alone", kept_figures=None)
    run_evaluate(alone, Silent())
    assert_same_report(config, alone)
    assert joined.measures["flow_outliers"].value >= 0


def test_the_same_part_again_measures_nothing_and_missing_ones_are_measured(stores, tmp_path):
    config = config_for(stores, tmp_path)
    first = config.model_copy(update={"part": "1/3"})
    run_evaluate_part(first, Silent())
    again = Heard()
    run_evaluate_part(first, again)
    assert again.started == {}
    heard = Heard()
    result = run_evaluate(config, heard)
    assert heard.started == {"evaluate real": 9 + 10, "evaluate made": 9 + 10}
    assert "drift (2 of 4 sequences)" in result.kept
    alone = config_for(stores, tmp_path, out=tmp_path / "alone", kept_figures=None)
    run_evaluate(alone, Silent())
    assert_same_report(config, alone)


def test_parts_of_another_protocol_or_store_are_not_joined(stores, tmp_path):
    config = config_for(stores, tmp_path)
    run_evaluate_part(config.model_copy(update={"part": "1/1", "first_frame": 2}), Silent())
    other = tinted(stores[0], tmp_path / "made", add=1)
    run_evaluate_part(
        config.model_copy(update={"part": "1/1", "synthetic": other, "metrics": ("psnr",)}),
        Silent(),
    )
    heard = Heard()
    run_evaluate(config, heard)
    assert heard.started == {"evaluate real": 31, "evaluate made": 31}


def test_a_part_that_cannot_be_measured_or_kept_is_told(stores, tmp_path):
    config = config_for(stores, tmp_path)
    with pytest.raises(ConfigError, match=r"part 5/5 is empty: the stores have 4 and 4 sequences"):
        run_evaluate_part(config.model_copy(update={"part": "5/5"}), Silent())
    with pytest.raises(ConfigError, match="name 'kept_figures'"):
        run_evaluate_part(config.model_copy(update={"part": "1/2", "kept_figures": None}), Silent())
    with pytest.raises(ConfigError, match="part 1/2 has no report"):
        run_evaluate(config.model_copy(update={"part": "1/2"}), Silent())
    for part in ("3/2", "0/2", "2", "1/0", "a/b", ""):
        with pytest.raises(ValueError, match="expected I/N, one of N parts"):
            config_for(stores, tmp_path, part=part)


def test_of_a_recording_that_grew_only_the_new_is_measured(sliding_store, tmp_path):
    real = sliding_store(tmp_path / "real", lengths=(12, 10))
    config = config_for((real, real), tmp_path, metrics=("drift", "identity"))
    run_evaluate(config, Silent())
    grown = sliding_store(tmp_path / "grown", lengths=(12, 10, 11))
    heard = Heard()
    fields = {"real": grown, "synthetic": grown, "out": tmp_path / "again"}
    for name in ("s0", "s1"):
        assert StoreReader(grown).content_hash(name) == StoreReader(real).content_hash(name)
    assert len(list((tmp_path / "figures").glob("*.safetensors"))) == 2
    later = run_evaluate(config.model_copy(update=fields), heard)
    assert [it.split()[0] for it in heard.notes] == ["taken"]
    assert heard.started == {"evaluate grown": 30}  # the second count, of the synthetic one
    assert later.kept == ("drift (2 of 3 sequences)", "identity (2 of 3 sequences)")
    alone = run_evaluate(
        config.model_copy(update=fields | {"out": tmp_path / "alone", "kept_figures": None}),
        Silent(),
    )
    assert later.measures.keys() == alone.measures.keys()
    for name, measure in alone.measures.items():
        assert later.measures[name].real == pytest.approx(measure.real, rel=1e-12)
