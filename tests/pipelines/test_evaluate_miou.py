import json
from pathlib import Path

import cv2
import pytest
import torch
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling

from svsdata.errors import WeightsError
from svsdata.labels import CITYSCAPES
from svsdata.nets.features.drn import Drn105
from svsdata.pipelines.configs.evaluate import EvaluateConfig
from svsdata.pipelines.evaluate import run_evaluate
from svsdata.pipelines.judge_choice import chosen_judge
from svsdata.progress import Silent
from svsdata.records import Frame
from svsdata.store.format import StoreInfo
from svsdata.store.writer import StoreWriter
from svsdata.street_world.scene import StreetWorld

SIZE = (96, 192)


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    world = StreetWorld(3, size_hw=SIZE)
    truths = [world.render(index) for index in range(3)]
    return [
        Frame(index, index * 100_000, truth.image, truth.semantic)
        for index, truth in enumerate(truths)
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory, frames) -> Path:
    path = tmp_path_factory.mktemp("miou") / "store"
    writer = StoreWriter(path, StoreInfo(CITYSCAPES, SIZE, 10.0, ("image", "semantic")))
    with writer.sequence("a", source="test", fps=10.0) as sequence:
        for frame in frames:
            sequence.append(frame)
        sequence.commit()
    return path


def report(store: Path, out: Path, **fields):
    config = EvaluateConfig(
        real=store,
        synthetic=store,
        out=out,
        metrics=("miou",),
        first_frame=0,
        kept_figures=None,
        **fields,
    )
    result = run_evaluate(config, Silent())
    assert result.not_measured == {}
    return json.loads(result.report.read_text()), result.page.read_text()


def test_iou_by_class_is_what_cityscapesscripts_finds(store, frames, tmp_path, monkeypatch):
    told, page = report(store, tmp_path / "report", judge="demo")
    judge = chosen_judge(
        "demo", CITYSCAPES, height=None, drn_weights="", weights_folder=tmp_path, device="cpu"
    )
    pairs = []
    for frame in frames:
        (labels,) = judge.segment([frame.image])
        names = [str(tmp_path / f"{frame.frame_index}_{kind}.png") for kind in ("seen", "written")]
        for name, map_ in zip(names, (labels.semantic, frame.semantic), strict=True):
            cv2.imwrite(name, map_)
        pairs.append(names)
    args = evalPixelLevelSemanticLabeling.args
    for name, value in (("quiet", True), ("JSONOutput", False), ("evalInstLevelScore", False)):
        monkeypatch.setattr(args, name, value)
    seen, written = (list(side) for side in zip(*pairs, strict=True))
    theirs = evalPixelLevelSemanticLabeling.evaluateImgLists(seen, written, args)
    for name, (ours, of_real) in told["class_iou"].items():
        iou = theirs["classScores"][name]
        assert ours == (pytest.approx(iou) if iou == iou else None)
        assert of_real == ours
    assert None in [ours for ours, _ in told["class_iou"].values()]
    assert told["measures"]["miou"]["value"] == pytest.approx(theirs["averageScoreClasses"])
    assert told["measures"]["miou"]["real"] == told["measures"]["miou"]["value"]
    assert "IoU by class" in page
    assert "the segmenter sees another class" in page
    again, _ = report(store, tmp_path / "report", judge="demo")
    assert again == told


def test_drn_judges_at_the_height_that_is_asked_for(store, tmp_path):
    torch.manual_seed(0)
    torch.save({"state_dict": Drn105().state_dict()}, tmp_path / "drn.pth")
    weights = {"drn": str(tmp_path / "drn.pth")}
    told, _ = report(store, tmp_path / "report", judge="drn", judge_height=64, weights=weights)
    protocol = told["measures"]["miou"]["protocol"]
    assert "drn-d-105 drn.pth sha256:" in protocol
    assert protocol.endswith("input_height=64")
    assert 0 <= told["measures"]["miou"]["value"] <= 1


def test_a_judge_that_is_named_and_lacks_its_weights_stops_the_command(store, tmp_path):
    config = EvaluateConfig(
        real=store, synthetic=store, out=tmp_path / "out", metrics=("miou", "psnr", "drift"),
        first_frame=0, judge="drn", weights_folder=tmp_path / "none", kept_figures=None,
    )  # fmt: skip
    with pytest.raises(WeightsError, match=r"^miou: .*drn-d-105_ms_cityscapes\.pth"):
        run_evaluate(config, Silent())
    assert not (tmp_path / "out").exists()


def test_without_a_judge_the_rest_is_measured(store, tmp_path):
    config = EvaluateConfig(
        real=store, synthetic=store, out=tmp_path / "out", metrics=("miou", "psnr", "drift"),
        first_frame=0, kept_figures=None,
    )  # fmt: skip
    result = run_evaluate(config, Silent())
    assert set(result.not_measured) == {"miou"}
    assert "add --judge demo" in result.not_measured["miou"]
    assert result.measures["psnr"].value == float("inf")
    assert '"psnr":{"value":"inf"' in result.model_dump_json()
    colors = result.measures["color_distance"]
    assert colors.value == colors.real > 0
    assert run_evaluate(config, Silent()) == result
