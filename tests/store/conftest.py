"""Frames that are pure functions of their index, and stores of them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from svsdata.geometry.camera import assumed_camera
from svsdata.labels import CITYSCAPES
from svsdata.records import EgoMotion, Frame, Track
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader
from svsdata.store.writer import StoreWriter

SIZE_HW = (20, 36)
MODALITIES = ("image", "semantic", "instance", "flow", "occlusion", "confidence", "provenance")
INFO = StoreInfo(CITYSCAPES, SIZE_HW, 10.0, MODALITIES, {"nowhere": "none"})


def make_frame(index: int, size_hw: tuple[int, int] = SIZE_HW) -> Frame:
    rng = np.random.default_rng(index)
    semantic = rng.choice(np.array([7, 23, 26], np.uint8), size_hw)
    pose = np.eye(4)
    pose[0, 3] = index
    return Frame(
        frame_index=index,
        timestamp_us=index * 100_000,
        image=rng.integers(0, 256, (*size_hw, 3), np.uint8),
        semantic=semantic,
        instance=np.where(semantic == 26, np.uint16(26003), semantic).astype(np.uint16),
        flow=rng.normal(0, 5, (*size_hw, 2)).astype(np.float32) if index else None,
        flow_validity=rng.integers(0, 2, size_hw).astype(np.uint8) if index else None,
        occlusion=rng.integers(0, 2, size_hw).astype(np.uint8) if index else None,
        confidence=rng.integers(0, 256, size_hw, np.uint8),
        provenance=np.full(size_hw, 251, np.uint8),
        camera=assumed_camera(size_hw),
        ego=EgoMotion(index / 2, -0.25, "interpolated", pose),
        source=f"recording/{index}",
        source_frame=index * 3,
        models={"flow": "dis medium", "semantic": "oneformer abc"},
        is_synthetic=True,
        plan_hash="plan",
        seed=2**40,
    )


@pytest.fixture
def frame() -> Callable[..., Frame]:
    return make_frame


@pytest.fixture
def info() -> StoreInfo:
    return INFO


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    writer = StoreWriter(tmp_path_factory.mktemp("template") / "store", INFO)
    with writer.sequence("a", source="recording", fps=10.0) as sequence:
        for index in range(21):
            sequence.append(make_frame(index))
            if index == 11:
                sequence.close_part()
        sequence.commit([Track(26003, 26, 0, 20, 2**62)], {"base": "123"}, "sequence")
    with writer.sequence("b-1.c_2", source="recording", fps=17.5) as sequence:
        sequence.append(make_frame(0))
        sequence.commit()
    return writer.path


@pytest.fixture
def store(tmp_path: Path, template: Path) -> Path:
    """A store of sequences ``a`` (21 frames in 2 parts) and ``b-1.c_2`` (1 frame)."""
    return Path(shutil.copytree(template, tmp_path / "store"))


@pytest.fixture
def reader(store: Path) -> StoreReader:
    return StoreReader(store)
