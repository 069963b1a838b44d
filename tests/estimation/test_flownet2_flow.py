import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from svsdata.errors import WeightsError
from svsdata.estimation.flow_estimators import DisFlow
from svsdata.estimation.flownet2_flow import FlowNet2Flow, load_flownet2, weights_digest

KEYS = Path(__file__).parents[1] / "golden" / "flownet2_keys.json"


class Matcher(nn.Module):
    """Stands in for FlowNet2, whose real weights are not at hand: finds real flow its way."""

    def __init__(self) -> None:
        super().__init__()
        self.contrast = 1.0
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[int, ...]] = []

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        self.seen.append(tuple(first.shape))
        one, other = (it[0].permute(1, 2, 0).numpy().astype(np.uint8) for it in (first, second))
        flow = DisFlow(check=False).estimate(previous=other, current=one).flow
        return torch.from_numpy(flow).permute(2, 0, 1).unsqueeze(0)

    def both(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        return self(first, second), self(second, first)


def texture(size_hw: tuple[int, int]) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 255, (*size_hw, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def empty_checkpoint() -> dict[str, Tensor]:
    """Weights of zero whose 650 MB share one number, but a last bias of (3, -2)."""
    shapes = json.loads(KEYS.read_text())["order"]
    state = {key: torch.zeros(1).expand(shape) for key, shape in shapes}
    state["flownetfusion.predict_flow0.bias"] = torch.tensor([3.0, -2.0])
    return state


def test_flow_points_from_the_current_frame_back_to_the_previous_one():
    large = texture((110, 190))
    previous, current = large[10:100, 20:180], large[7:97, 24:184]  # moved by 4 left, 3 down
    estimate = FlowNet2Flow(Matcher(), "fake", check=True).estimate(previous, current)
    inner = np.s_[15:-15, 15:-15]
    np.testing.assert_allclose(np.median(estimate.flow[inner], axis=(0, 1)), [4, -3], atol=0.1)
    assert estimate.occlusion[inner].mean() < 0.02
    assert estimate.occlusion[:, -3:].mean() > 0.9
    np.testing.assert_array_equal(estimate.validity, 1 - estimate.occlusion)


def test_resized_frames_get_their_flow_back_by_two_factors():
    large = texture((160, 330))
    previous, current = large[10:110, 20:320], large[6:106, 26:326]
    network = Matcher()
    estimator = FlowNet2Flow(network, "fake", check=False, fit="resize")
    estimate = estimator.estimate(previous, current)
    assert network.seen == [(1, 3, 128, 320)]
    assert estimate.flow.shape == (100, 300, 2)
    assert estimate.occlusion is None
    inner = estimate.flow[15:-15, 15:-15]
    np.testing.assert_allclose(np.median(inner, axis=(0, 1)), [6, -4], atol=0.1)


def test_small_frames_are_resized_to_one_multiple_of_64():
    network = Matcher()
    image = texture((20, 90))
    FlowNet2Flow(network, "fake", check=False, fit="resize").estimate(image, image)
    assert network.seen == [(1, 3, 64, 64)]


@pytest.mark.parametrize(("zipped", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_a_checkpoint_in_either_of_torchs_formats_is_loaded(tmp_path, zipped, precision):
    path = tmp_path / "FlowNet2_checkpoint.pth.tar"
    content = {"epoch": 0, "state_dict": empty_checkpoint(), "best_EPE": 1e10}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    network = load_flownet2(path, precision=precision)
    estimator = FlowNet2Flow(network, f"sha256={weights_digest(path)}", check=True)
    image = texture((50, 70))
    estimate = estimator.estimate(image, image)
    np.testing.assert_array_equal(estimate.flow, np.full((50, 70, 2), [3, -2], np.float32))
    # Both directions say (3, -2), which cannot be.
    assert estimate.occlusion.all()
    assert estimator.description == (
        f"flownet2 sha256={weights_digest(path)} {precision} pad contrast=1, forward check"
    )


def test_a_state_dict_alone_is_loaded_with_vid2vids_contrast(tmp_path):
    path = tmp_path / "flownet2.pth"
    torch.save(empty_checkpoint(), path)
    network = load_flownet2(path, contrast="vid2vid")
    assert "contrast=2" in FlowNet2Flow(network, "", check=False).description


def test_a_missing_file_says_what_is_expected(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.pth\.tar: no such file; expected FlowNet2"):
        load_flownet2(tmp_path / "none.pth.tar")


def test_keys_that_do_not_fit_are_listed(tmp_path):
    state = empty_checkpoint()
    del state["flownets_1.conv1.0.weight"]
    state["flownets_2.conv4.0.bias"] = torch.zeros(7)
    state["module.extra"] = torch.zeros(1)
    torch.save({"state_dict": state}, tmp_path / "other.pth.tar")
    with pytest.raises(WeightsError, match="3 of its keys do not fit FlowNet2") as caught:
        load_flownet2(tmp_path / "other.pth.tar")
    message = str(caught.value)
    assert "missing flownets_1.conv1.0.weight" in message
    assert "flownets_2.conv4.0.bias is (7,), expected (512,)" in message
    assert "unexpected module.extra" in message
    assert "\n" not in message


def test_a_part_of_flownet2_is_refused_in_one_short_line(tmp_path):
    path = tmp_path / "FlowNet2-C_checkpoint.pth.tar"
    torch.save({"state_dict": {"conv1.0.weight": torch.zeros(64, 3, 7, 7)}}, path)
    with pytest.raises(WeightsError, match="and 213 more"):
        load_flownet2(path)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off"])
def test_files_that_are_no_checkpoint_are_refused(tmp_path, content):
    path = tmp_path / "weights.pth.tar"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights\.pth\.tar"):
        load_flownet2(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cut_short_is_refused(tmp_path, zipped):
    path = tmp_path / "weights.pth.tar"
    torch.save(empty_checkpoint(), path, _use_new_zipfile_serialization=zipped)
    os.truncate(path, path.stat().st_size - 100)
    with pytest.raises(WeightsError, match=r"weights\.pth\.tar"):
        load_flownet2(path)


def test_tensors_without_names_are_refused(tmp_path):
    torch.save(torch.zeros(3), tmp_path / "weights.pth.tar")
    with pytest.raises(WeightsError, match="no state dict"):
        load_flownet2(tmp_path / "weights.pth.tar")


def test_pickled_code_is_refused(tmp_path):
    torch.save({"state_dict": Path("x")}, tmp_path / "weights.pth.tar")
    with pytest.raises(WeightsError, match="cannot read weights"):
        load_flownet2(tmp_path / "weights.pth.tar")
