import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from svsdata.errors import ConfigError, StoreError, WeightsError
from svsdata.evaluation.clip_figures import Clip, Judges, StoreFigures
from svsdata.evaluation.features import FeatureExtractor
from svsdata.evaluation.showcase import Showcase
from svsdata.labels import CITYSCAPES, KITTI360
from svsdata.nets.features.lpips import Lpips
from svsdata.pipelines.configs.evaluate import ALL_METRICS, EvaluateConfig
from svsdata.pipelines.evaluate import run_evaluate
from svsdata.pipelines.evaluation_judges import dtype_of
from svsdata.pipelines.evaluation_report import make_report
from svsdata.progress import Silent
from svsdata.records import Frame
from svsdata.store.format import StoreInfo
from svsdata.store.writer import StoreWriter

SIZE = (24, 40)
LAYERS = ("image", "semantic", "instance", "flow", "provenance")


def recorded(index: int, seed: int) -> Frame:
    """Make a frame whose texture moves three pixels to the left a frame, under a car."""
    texture = np.random.default_rng(seed).integers(0, 200, (24, 400, 3), dtype=np.uint8)
    semantic = np.full(SIZE, 7, np.uint8)
    semantic[6:18, 10:30] = 26
    instance = semantic.astype(np.uint16)
    instance[6:18, 10:30] = 26_000
    image = texture[:, 3 * index : 3 * index + 40].copy()
    image[6:18, 10:30] = (200, 30, 30)
    flow = np.zeros((*SIZE, 2), np.float32)
    flow[..., 0] = 3
    return Frame(
        index, index * 100_000, image=image, semantic=semantic, instance=instance,
        flow=flow if index else None, provenance=np.zeros(SIZE, np.uint8),
    )  # fmt: skip


def synthesized(frame: Frame, *, tint: int = 0, plan: str | None = None) -> Frame:
    provenance = np.zeros(SIZE, np.uint8)
    semantic = frame.semantic.copy()
    if plan:
        provenance[2:5, 2:8] = 1
        semantic[2:5, 2:8] = 27
    return replace(
        frame, image=frame.image + np.uint8(tint), semantic=semantic, provenance=provenance,
        flow=None, is_synthetic=True, plan_hash=plan,
    )  # fmt: skip


def write(path, sequences, *, label_set=CITYSCAPES, size=SIZE, base=None):
    flows = any(frame.flow is not None for frames in sequences.values() for frame in frames)
    layers = tuple(layer for layer in LAYERS if flows or layer != "flow")
    info = StoreInfo(label_set, size, 10.0, layers)
    writer = StoreWriter(path, info)
    for name, frames in sequences.items():
        with writer.sequence(name, source="test", fps=10.0) as sequence:
            for frame in frames:
                sequence.append(frame)
            sequence.commit(
                details={"base_sequence": base} if base else {}, instance_scope="sequence"
            )
    return path


@pytest.fixture
def stores(tmp_path):
    recordings = {name: [recorded(i, seed) for i in range(25)] for seed, name in enumerate("ab")}
    made = {"a": [synthesized(frame, tint=10) for frame in recordings["a"]]}
    made["a.truck"] = [synthesized(frame, plan="p") for frame in recordings["a"][:20]]
    real = write(tmp_path / "real", recordings)
    return real, write(tmp_path / "made", {"a": made["a"]}), made


def config_for(stores, tmp_path, **fields):
    usual = {"weights_folder": tmp_path / "no-weights", "kept_figures": None}
    fields = usual | {"out": tmp_path / "report"} | fields
    return EvaluateConfig(real=stores[0], synthetic=stores[1], **fields)


def test_a_tinted_copy_has_the_figures_of_its_tint(stores, tmp_path):
    result = run_evaluate(config_for(stores, tmp_path), Silent())
    assert result.measures["psnr"].value == pytest.approx(20 * np.log10(25.5))
    assert result.measures["color_distance"].value == pytest.approx(np.sqrt(300), rel=0.1)
    assert result.measures["identity"].value == pytest.approx(0)
    assert "flow_epe" in result.measures
    assert set(result.not_measured) == {
        "fid", "fvd_i3d", "fvd_cd", "lpips", "miou", "identity_after_occlusion",
    }  # fmt: skip
    assert "svsdata weights fetch inception-fid" in result.not_measured["fid"]
    report = json.loads(result.report.read_text())
    assert report["measures"]["psnr"]["samples"] == "24 frames"
    assert report["measures"]["warping_error"]["protocol"].startswith("Lai et al. 2018")
    warped = report["measures"]["warping_error"]
    # a tint moves with the picture; the real store holds another texture besides
    assert warped["value"] == pytest.approx(warped["real"], rel=0.02)


def test_a_synthetic_store_with_flow_is_judged_by_its_own(stores, tmp_path):
    real, without, made = stores
    still = [
        replace(frame, flow=np.zeros((*SIZE, 2), np.float32) if index else None)
        for index, frame in enumerate(made["a"])
    ]
    own = write(tmp_path / "own", {"a": still})
    found = [
        run_evaluate(
            config_for(
                (real, store), tmp_path, metrics=("warping_error",), out=tmp_path / f"by-{name}"
            ),
            Silent(),
        )
        .measures["warping_error"]
        .value
        for store, name in ((without, "theirs"), (own, "own"))
    ]
    assert found[1] > 3 * found[0] > 0


@pytest.mark.parametrize(
    "metric", sorted(set(ALL_METRICS) - {"fid", "fvd_i3d", "fvd_cd", "lpips", "miou"})
)
def test_a_measure_alone_is_what_it_is_beside_the_others(stores, tmp_path, metric):
    together = run_evaluate(
        config_for(stores, tmp_path, out=tmp_path / "all", gallery_clips=0), Silent()
    )
    alone = run_evaluate(config_for(stores, tmp_path, metrics=(metric,), gallery_clips=0), Silent())
    assert alone.measures
    assert alone.measures.items() <= together.measures.items()


def test_a_frame_that_equals_the_recorded_one_does_not_swallow_the_others(stores, tmp_path):
    real, _, made = stores
    one_equal = [recorded(1, 0) if it.frame_index == 1 else it for it in made["a"]]
    store = write(tmp_path / "equal", {"a": one_equal})
    config = config_for((real, store), tmp_path, metrics=("psnr",))
    psnr = run_evaluate(config, Silent()).measures["psnr"]
    assert psnr.value == pytest.approx(20 * np.log10(25.5))
    assert psnr.samples == "24 frames"
    assert psnr.protocol.endswith("; 1 of 24 equal theirs and are left out of the mean")


def test_a_store_of_another_size_but_the_same_shape_is_measured_at_the_synthetic_size(
    sliding_store, tmp_path
):
    stores = [
        sliding_store(tmp_path / name, lengths=(4,), size_hw=size_hw)
        for name, size_hw in (("real", (32, 64)), ("made", (64, 128)))
    ]
    metrics = ("psnr", "drift", "warping_error")
    result = run_evaluate(config_for(stores, tmp_path, metrics=metrics), Silent())
    assert result.frames == (
        "128x64, of each sequence all from frame 1 on: 3 synthetic and 3 real, "
        "resized from 64x32 to that size"
    )
    assert set(result.measures) == {"psnr", "warping_error", "color_distance"}
    assert result.frames in result.page.read_text()
    assert result.warnings[-1].startswith("the real frames were enlarged")


def test_protocols_tell_what_their_figures_rest_on(sliding_store, tmp_path):
    stores = [sliding_store(tmp_path / name, lengths=(4,)) for name in ("real", "made")]
    config = config_for(
        stores,
        tmp_path,
        metrics=("miou", "identity", "drift"),
        judge="demo",
        clips_per_sequence=1,
        clip_frames=9,
    )
    result = run_evaluate(config, Silent())
    told = result.measures
    assert "demo-segmenter sha256=" in told["label_agreement"].protocol
    assert told["identity"].samples == "2 synthetic and 2 real views"
    assert told["color_distance"].samples == "3 synthetic and 3 real frames"
    assert result.frames.startswith("128x64, of each sequence the first 1 clips of 9 from frame 1")
    few = "identity, colour distance of 2 and 2 views: few, 30 or more"
    assert any(warning.startswith(few) for warning in result.warnings)


def test_clips_are_spoken_of_where_clips_are_measured(stores, tmp_path):
    draws = np.random.default_rng(0)
    judges = Judges(tuple(
        FeatureExtractor(name, 3, of_clips, 1, name, lambda _: draws.random((9, 3)), 2)
        for name, of_clips in (("fid", False), ("fvd_i3d", True))
    ))  # fmt: skip
    figures = StoreFigures(CITYSCAPES, judges, 10)
    figures.add(Clip("a", [recorded(0, 0)], None))
    config = config_for(stores, tmp_path, metrics=("fid", "fvd_i3d"))
    measures = make_report(config, judges, figures, figures, {}, Showcase(0)).measures
    assert measures["fid"].protocol == "fid"
    assert measures["fvd_i3d"].protocol == "fvd_i3d; clips without overlap from frame 1 on"


@pytest.mark.parametrize(
    ("name", "clip_frames", "advice"),
    [
        ("fvd_i3d", 16, "or more videos, or shorter clips, 'clip_frames' down to 9"),
        ("fvd_i3d", 9, "or more videos"),
        ("fvd_cd", 16, "or more videos"),
    ],
)
def test_too_few_clips_are_told_with_their_number(stores, tmp_path, name, clip_frames, advice):
    judge = FeatureExtractor(name, 3, True, 0, name, lambda _: np.ones((1, 3)), 2)
    once, twice = (StoreFigures(CITYSCAPES, Judges((judge,)), 10) for _ in range(2))
    for figures, count in ((once, 1), (twice, 2)):
        for _ in range(count):
            figures.add(Clip("a", [recorded(0, 0)], None))
    config = config_for(stores, tmp_path, metrics=(name,), clip_frames=clip_frames)
    report = make_report(config, Judges((judge,)), twice, once, {}, Showcase(0))
    assert report.not_measured == {
        name: f"1 synthetic and 2 real clips of {clip_frames} frames, at least 2 of each are "
        f"needed; take longer {advice}"
    }


def test_where_nothing_can_be_measured_it_says_why(sliding_store, tmp_path):
    stores = [
        sliding_store(tmp_path / name, lengths=(3,), modalities=("image", "semantic"))
        for name in ("real", "made")
    ]
    config = config_for(stores, tmp_path, metrics=("identity", "warping_error"))
    with pytest.raises(
        StoreError, match=r"^nothing could be measured; warping error: neither .*; identity.*: no "
    ):
        run_evaluate(config, Silent())
    assert not (tmp_path / "report" / "report.html").exists()


def test_usual_weights_that_are_damaged_stop_the_run(stores, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "inception-fid.safetensors").write_bytes(b"half")
    config = config_for(
        stores, tmp_path, metrics=("fid", "psnr"), weights_folder=tmp_path / "weights"
    )
    with pytest.raises(WeightsError, match=r"^fid: .*inception-fid.*; delete it and run"):
        run_evaluate(config, Silent())


def test_a_report_is_found_again_however_its_folder_is_named(stores, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = config_for(stores, tmp_path, metrics=("psnr",))
    first = run_evaluate(config, Silent())
    at = first.report.stat().st_mtime_ns
    again = run_evaluate(config.model_copy(update={"out": Path("report")}), Silent())
    assert (again.measures, first.report.stat().st_mtime_ns) == (first.measures, at)


def test_the_same_command_again_measures_nothing_and_another_one_is_refused(stores, tmp_path):
    config = config_for(stores, tmp_path, metrics=("psnr",))
    first = run_evaluate(config, Silent())
    written = first.report.stat().st_mtime_ns
    assert run_evaluate(config, Silent()) == first
    assert first.report.stat().st_mtime_ns == written
    other = config.model_copy(update={"first_frame": 0})
    with pytest.raises(ConfigError, match="first_frame 1 → 0"):
        run_evaluate(other, Silent())


def test_weights_that_changed_under_their_path_measure_again(sliding_store, tmp_path):
    stores = [sliding_store(tmp_path / name, lengths=(3,)) for name in ("real", "made")]
    path = tmp_path / "lpips.pth"
    config = config_for(stores, tmp_path, metrics=("lpips",), weights={"lpips": str(path)})
    protocols = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.save(Lpips().state_dict(), path)
        report = json.loads(run_evaluate(config, Silent()).report.read_text())
        protocols.append(report["measures"]["lpips"]["protocol"])
    told = [protocol.partition("sha256:")[2][:12] for protocol in protocols]
    assert protocols[0].startswith(f"LPIPS 0.1, trunk alex (lpips.pth sha256:{told[0]})")
    assert told[0] != told[1]


def test_a_report_that_has_no_room_is_told_in_one_line(stores, tmp_path, room_for):
    config = config_for(stores, tmp_path, gallery_clips=0)
    with room_for(2000), pytest.raises(StoreError, match=r"report\.html: cannot write"):
        run_evaluate(config, Silent())
    assert run_evaluate(config, Silent()).report.exists()


def test_a_store_that_grew_since_is_measured_again(stores, tmp_path):
    _, synthetic, made = stores
    config = config_for(stores, tmp_path, metrics=("psnr",))
    run_evaluate(config, Silent())
    write(synthetic, {"b": made["a"][:5]})
    again = run_evaluate(config, Silent())
    assert json.loads(again.report.read_text())["measures"]["psnr"]["samples"] == "28 frames"


def test_edited_videos_are_not_compared_with_the_recording_but_shown(stores, tmp_path):
    real, _, made = stores
    edited = write(tmp_path / "edited", {"a.truck": made["a.truck"]}, base="a")
    result = run_evaluate(config_for((real, edited), tmp_path), Silent())
    assert result.not_measured["psnr"].startswith("no unedited frame")
    assert "warping_error" in result.measures
    page = result.page.read_text()
    assert "labels before" in page
    assert "edit 1 <span>a.truck, frames 1 to 16" in page
    assert json.loads(result.report.read_text())["edits"] == [["a.truck", 1, "edit 1", {}]]


def test_a_metric_says_why_it_cannot_take_the_clips(stores, tmp_path):
    config = config_for(stores, tmp_path, metrics=("fvd_cd", "psnr"), clip_frames=12)
    result = run_evaluate(config, Silent())
    assert result.not_measured == {"fvd_cd": "it takes clips of 16 frames, not 12"}
    assert set(result.measures) == {"psnr"}


def test_a_metric_says_that_frames_are_too_small(stores, tmp_path):
    torch.save(Lpips().state_dict(), tmp_path / "lpips.pth")
    config = config_for(
        stores, tmp_path, metrics=("lpips", "psnr"), weights={"lpips": str(tmp_path / "lpips.pth")}
    )
    result = run_evaluate(config, Silent())
    assert result.not_measured == {
        "lpips": "frames of 40x24 are too small, it takes 32 pixels a side"
    }


def test_weights_that_were_named_stop_the_run_and_leave_nothing_behind(stores, tmp_path):
    wrong = {"weights": {"inception": str(tmp_path / "none.pth")}}
    for fields, told in (
        (wrong, r"^fid: no weights '.*none.pth'"),
        ({"judge": str(tmp_path / "none")}, r"^miou: segmenter '.*none'"),
        ({"metrics": ("fid", "miou")}, r"nothing can be measured; fid: .*; miou: no judge"),
    ):
        with pytest.raises(WeightsError, match=told):
            run_evaluate(config_for(stores, tmp_path, **fields), Silent())
        assert not (tmp_path / "report").exists()


def test_bf16_is_for_processors_that_compute_in_it_and_measures_that_bear_it(
    stores, tmp_path, monkeypatch
):
    auto = config_for(stores, tmp_path, device="cpu")
    for fast in (False, True):
        monkeypatch.setattr("svsdata.synthesis.compute.computes_bf16", lambda _, fast=fast: fast)
        assert dtype_of("lpips", auto) == (torch.bfloat16 if fast else torch.float32)
        assert dtype_of("fid", auto) == torch.float32
        vgg = auto.model_copy(update={"lpips_trunk": "vgg"})
        assert dtype_of("lpips", vgg) == torch.float32
    exact = auto.model_copy(update={"precision": "float32"})
    assert dtype_of("lpips", exact) == torch.float32
    rough = auto.model_copy(update={"precision": "bf16"})
    assert dtype_of("fid", rough) == torch.bfloat16


def test_the_clips_that_differ_most_come_first(stores, tmp_path):
    real, _, made = stores
    good = [synthesized(recorded(i, 1), tint=2) for i in range(17)]
    mixed = write(tmp_path / "mixed", {"a": made["a"][:17], "b": good})
    config = config_for((real, mixed), tmp_path, metrics=("psnr",), gallery_clips=1)
    report = json.loads(run_evaluate(config, Silent()).report.read_text())
    assert [clip[0] for clip in report["clips"]] == ["a", "b"]


def test_no_clip_is_shown_twice(stores, tmp_path):
    config = config_for(stores, tmp_path, metrics=("psnr",), gallery_clips=2)
    report = json.loads(run_evaluate(config, Silent()).report.read_text())
    assert [clip[:2] for clip in report["clips"]] == [["a", 1], ["a", 17]]


@pytest.mark.parametrize("side", ["real", "synthetic"])
def test_stores_without_pictures_or_labels_are_refused(stores, sliding_store, tmp_path, side):
    for held, missing in (("semantic", "image"), ("image", "semantic")):
        odd = sliding_store(tmp_path / held, lengths=(9,), size_hw=SIZE, modalities=(held,))
        config = config_for(stores, tmp_path, metrics=("psnr", "drift"))
        with pytest.raises(StoreError, match=rf"'{odd}' has no {missing}; it has {held}"):
            run_evaluate(config.model_copy(update={side: odd}), Silent())


def test_stores_that_cannot_be_compared_are_refused_with_both_names(stores, tmp_path):
    real, made, frames = stores
    other = write(tmp_path / "kitti", {"a": frames["a"][:3]}, label_set=KITTI360)
    with pytest.raises(StoreError, match=r"label set 'cityscapes'.*'kitti360'"):
        run_evaluate(config_for((real, other), tmp_path), Silent())
    small = write(
        tmp_path / "small",
        {"a": [Frame(0, 0, image=np.zeros((12, 24, 3), np.uint8),
                     semantic=np.zeros((12, 24), np.uint8))]},
        size=(12, 24),
    )  # fmt: skip
    with pytest.raises(
        StoreError, match=r"40x24, .* of 24x12, another shape; .* that it was made from"
    ):
        run_evaluate(config_for((real, small), tmp_path), Silent())
    with pytest.raises(ConfigError, match="longest sequence has 25 frames, first_frame is 30"):
        run_evaluate(config_for((real, made), tmp_path, first_frame=30), Silent())
    assert not (tmp_path / "report").exists()


def test_the_page_opens_in_a_browser_without_a_network(stores, tmp_path):
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium here")
    result = run_evaluate(config_for(stores, tmp_path), Silent())
    assert "http" not in result.page.read_text().replace("https://huggingface", "").replace(
        "http://go.yf.io", ""
    )
    shown = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
         f"--user-data-dir={tmp_path / 'browser'}", result.page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "<polyline" in shown.stdout
    assert "<h2>Clips</h2>" in shown.stdout  # there are two, so none is among the worst
    assert "data:video/mp4;base64" in shown.stdout
    assert Path(result.page).stat().st_size < 5e6
