from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from svsdata.estimation.segmenter_checkpoints import load_network
from svsdata.estimation.transformers_segmenter import TransformersSegmenter
from svsdata.labels import CITYSCAPES, CITYSCAPES_TRAIN
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.label import run_label
from svsdata.progress import Silent
from svsdata.store.reader import StoreReader
from svsdata.training.segmenter import (
    bounded_class_weights,
    save_segmenter,
    segmentation_loss,
    small_segformer,
    train_segmenter,
    training_frames,
)

SIZE_HW = (64, 128)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> StoreReader:
    path = tmp_path_factory.mktemp("segmenter") / "store"
    run_label(LabelConfig(source="street:seed=3,frames=5,size=128x64", store=str(path)), Silent())
    return StoreReader(path)


def test_frames_come_in_an_order_that_only_the_seed_decides(reader: StoreReader) -> None:
    first, again, other = (
        [image for image, _ in islice(training_frames(reader, seed=seed, size_hw=SIZE_HW), 12)]
        for seed in (0, 0, 1)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_pass_shows_every_frame_once_with_its_own_train_ids(reader: StoreReader) -> None:
    pairs = list(islice(training_frames(reader, seed=0, size_hw=SIZE_HW), 5))
    originals = list(reader.read(reader.sequence_ids[0], 0, 5))
    found = []
    for image, train_ids in pairs:
        for frame in originals:
            assert frame.image is not None
            assert frame.semantic is not None
            for step in (1, -1):
                if np.array_equal(image, frame.image[:, ::step]):
                    found.append(frame.frame_index)
                    road = train_ids == CITYSCAPES_TRAIN.label("road").id
                    wanted = frame.semantic[:, ::step] == CITYSCAPES.label("road").id
                    np.testing.assert_array_equal(road, wanted)
    assert sorted(found) == [0, 1, 2, 3, 4]


def test_ignored_pixels_do_not_count_in_the_loss() -> None:
    logits = torch.zeros(1, 19, 4, 8)
    logits[:, 3] = 20.0
    targets = torch.full((1, 16, 32), 255)
    targets[:, :, :5] = 3
    assert segmentation_loss(logits, targets).item() == pytest.approx(0.0, abs=1e-4)


def test_a_trained_segmenter_is_better_and_comes_back_through_the_common_adapter(
    reader: StoreReader, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    model = small_segformer()
    frames = training_frames(reader, seed=0, size_hw=SIZE_HW)
    train_segmenter(
        model,
        frames,
        steps=40,
        batch_size=2,
        class_weights=None,
        progress=Silent(),
    )
    transformers.utils.logging.enable_progress_bar()
    save_segmenter(model, tmp_path / "judge")
    assert capfd.readouterr().err == ""
    segmenter = TransformersSegmenter(load_network(str(tmp_path / "judge"), CITYSCAPES), CITYSCAPES)
    (frame,) = reader.read(reader.sequence_ids[0], 0, 1)
    assert frame.image is not None
    assert frame.semantic is not None
    (labels,) = segmenter.segment([frame.image])
    agreement = np.mean(labels.semantic == frame.semantic)
    largest_class = np.bincount(frame.semantic.ravel()).max() / frame.semantic.size
    assert agreement > largest_class
    assert not segmenter.has_instances


def test_rare_classes_weigh_more_and_absent_ones_nothing() -> None:
    weights = bounded_class_weights(np.array([980, 20, 0], np.int64))
    assert weights[0].item() == pytest.approx(1 / np.log(2.0))
    assert weights[1].item() == pytest.approx(1 / np.log(1.04))
    assert weights[2] == 0
    logits = torch.zeros(1, 3, 4, 4)
    logits[:, 0] = 2.0
    targets = torch.zeros(1, 4, 4, dtype=torch.int64)
    targets[0, 0] = 1
    assert segmentation_loss(logits, targets, weights) > segmentation_loss(logits, targets)


def test_no_pixels_at_all_weigh_nothing() -> None:
    assert not bounded_class_weights(np.zeros(3, np.int64)).any()
