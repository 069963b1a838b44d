import json
from pathlib import Path

import numpy as np
import pytest
import torch

from svsdata.errors import ConfigError
from svsdata.pipelines.configs.demo import DemoConfig
from svsdata.pipelines.demo import FRAMES, affordable_frames, run_demo, telling_frame
from svsdata.pipelines.demo_page import DemoResult
from svsdata.progress import Silent
from svsdata.store.reader import StoreReader
from svsdata.store.verify import verify_store


class Heard(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoConfig, DemoResult]:
    out = tmp_path_factory.mktemp("demo") / "out"
    config = DemoConfig(out=out, frames=12, edit="remove_cars")
    return config, run_demo(config, Silent())


def test_the_bundled_networks_draw_what_the_labels_say(
    demo: tuple[DemoConfig, DemoResult],
) -> None:
    _, result = demo
    assert result.rendered_pixel_accuracy > 0.8
    assert result.pixel_accuracy > 0.6
    assert result.frames == 12 < FRAMES
    assert result.shortened


@pytest.mark.parametrize(
    ("avx512", "amx", "frames"), [(False, False, 300), (True, False, 1000), (False, True, 1000)]
)
def test_the_video_is_shortened_where_bf16_is_slow_and_says_so(
    monkeypatch: pytest.MonkeyPatch, *, avx512: bool, amx: bool, frames: int
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    heard = Heard()
    assert affordable_frames(heard) == frames
    assert [f"shortened to {frames} of" in note for note in heard.notes] == [True] * (frames < 1000)


def test_stores_and_folders_of_the_demo_are_whole(demo: tuple[DemoConfig, DemoResult]) -> None:
    config, _ = demo
    for name, frames in (("store", 12), ("synthetic", 12)):
        reader = StoreReader(config.out / name)
        assert [reader.sequence(one).num_frames for one in reader.sequence_ids] == [frames]
        assert not verify_store(config.out / name).faults
    pictures = list((config.out / "cityscapes").rglob("*_leftImg8bit.png"))
    assert len(pictures) == 12
    assert len(list((config.out / "video").glob("*.mp4"))) == 1


def test_the_page_holds_video_and_figures(demo: tuple[DemoConfig, DemoResult]) -> None:
    _, result = demo
    text = result.page.read_text("utf-8")
    assert "data:video/mp4;base64," in text
    assert text.count("data:image/jpeg;base64,") == 4
    assert f"{result.pixel_accuracy:.1%}" in text
    json.loads(result.model_dump_json())


def test_a_folder_of_something_else_and_another_demo_are_left_alone(
    demo: tuple[DemoConfig, DemoResult], tmp_path: Path
) -> None:
    (tmp_path / "frame.png").write_text("mine")
    with pytest.raises(ConfigError, match=r"is not empty and has no config\.json"):
        run_demo(DemoConfig(out=tmp_path, frames=12), Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["frame.png"]
    with pytest.raises(ConfigError, match=r"another config .*frames 12 → 13.*--overwrite"):
        run_demo(demo[0].model_copy(update={"frames": 13}), Silent())


def test_the_same_demo_again_only_measures(demo: tuple[DemoConfig, DemoResult]) -> None:
    config, before = demo
    parts = sorted((config.out / "synthetic").rglob("*.parquet"))
    times = [part.stat().st_mtime_ns for part in parts]
    again = run_demo(config, Silent())
    assert [part.stat().st_mtime_ns for part in parts] == times
    assert again.pixel_accuracy == before.pixel_accuracy
    assert again.synthesize_frames_per_s == 0


def test_the_edit_is_shown_where_it_does_not_hide_the_street() -> None:
    assert telling_frame(np.array([0.0, 0.08, 0.5, 0.3, 0.09, 0.01])) == 4
    assert telling_frame(np.array([0.0, 0.02, 0.05, 0.01])) == 2  # never too large
    assert telling_frame(np.array([0.0, 0.2, 0.4, 0.3])) == 2  # never small again
