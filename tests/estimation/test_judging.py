import numpy as np
import pytest
import torch
import torch.nn.functional as F

from svsdata.estimation.drn_segmenter import DrnSegmenter
from svsdata.estimation.judging import judgements
from svsdata.estimation.segmenter_checkpoints import load_network
from svsdata.estimation.transformers_segmenter import TransformersSegmenter
from svsdata.labels import CITYSCAPES
from svsdata.nets.features.drn import Drn105

PLATE = CITYSCAPES.label("license plate").id


def test_the_loss_is_the_cross_entropy_of_the_written_label():
    probabilities = torch.tensor([[[[0.7, 0.2]], [[0.2, 0.5]], [[0.1, 0.3]]]])
    (found,) = judgements(probabilities, [7, 26, 11], [np.array([[7, 11]], np.uint8)])
    assert found.semantic.tolist() == [[7, 26]]
    np.testing.assert_allclose(found.loss, -np.log([[0.7, 0.3]]), rtol=1e-6)


def test_a_class_that_the_segmenter_lacks_has_no_loss():
    probabilities = torch.full((1, 2, 2, 2), 0.5)
    written = np.array([[7, PLATE], [0, 26]], np.uint8)
    (found,) = judgements(probabilities, [7, 26], [written])
    assert np.isnan(found.loss).tolist() == [[False, True], [True, False]]


def test_an_impossible_class_has_a_finite_loss():
    probabilities = torch.tensor([[[[1.0]], [[0.0]]]])
    (found,) = judgements(probabilities, [7, 26], [np.array([[26]], np.uint8)])
    assert 20 < found.loss[0, 0] < 40


@pytest.mark.parametrize("name", ["oneformer", "segformer"])
def test_a_judge_sees_what_it_would_have_written(name, request):
    folder = request.getfixturevalue(f"{name}_folder")
    segmenter = TransformersSegmenter(load_network(str(folder), CITYSCAPES), CITYSCAPES)
    images = list(np.random.default_rng(0).integers(0, 255, (2, 64, 96, 3), dtype=np.uint8))
    own = [labels.semantic for labels in segmenter.segment(images)]
    for judgement, semantic in zip(segmenter.judge(images, own), own, strict=True):
        np.testing.assert_array_equal(judgement.semantic, semantic)
        # Its best class has at least the mean share of 19.
        assert judgement.loss.max() <= np.log(19) + 1e-4


def test_segformers_loss_is_that_of_training(segformer_folder):
    network = load_network(str(segformer_folder), CITYSCAPES)
    segmenter = TransformersSegmenter(network, CITYSCAPES)
    image = np.random.default_rng(1).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    written = np.full((64, 96), 26, np.uint8)
    (judgement,) = segmenter.judge([image], [written])
    pixels = (torch.from_numpy(image).permute(2, 0, 1).float() / 255 - network.mean) / network.std
    with torch.inference_mode():
        logits = network.model(pixel_values=pixels[None]).logits
    full = F.interpolate(logits, (64, 96), mode="bilinear", align_corners=False)
    car = network.to_label_id.tolist().index(26)
    expected = F.cross_entropy(full, torch.full((1, 64, 96), car), reduction="none")[0]
    np.testing.assert_allclose(judgement.loss, expected, atol=1e-5)


def test_drn_judges_at_the_frames_size_whatever_it_sees():
    torch.manual_seed(0)
    segmenter = DrnSegmenter(Drn105().eval(), "random", CITYSCAPES, input_height=32)
    image = np.random.default_rng(2).integers(0, 255, (48, 72, 3), dtype=np.uint8)
    (judgement,) = segmenter.judge([image], [np.full((48, 72), 7, np.uint8)])
    assert judgement.loss.shape == judgement.semantic.shape == (48, 72)
    assert np.isfinite(judgement.loss).all()
