import numpy as np
import pytest
import torch

from svsdata.checkpoints.feature_weights import load_weights
from svsdata.errors import WeightsError
from svsdata.evaluation.features import (
    fid_extractor,
    fvd_cd_extractor,
    fvd_i3d_extractor,
    lpips_distance,
)
from svsdata.nets.features.inception import Inception
from svsdata.nets.features.lpips import Lpips
from svsdata.nets.features.videomae import VideoMae, VideoMaeConfig, videomae_input


def test_bf16_moves_a_distance_a_little_and_is_told():
    torch.manual_seed(0)
    network = Lpips().eval()
    for head in network.heads:
        head.weight.data.abs_()
    images, others = np.random.default_rng(0).integers(0, 256, (2, 3, 33, 40, 3), dtype=np.uint8)
    exact, rough = (
        lpips_distance(network, "", device="cpu", dtype=dtype).measure(images, others)
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert exact.dtype == rough.dtype == np.float32
    np.testing.assert_allclose(rough, exact, rtol=0.02)
    assert not np.array_equal(rough, exact)


def test_features_and_distances_of_many_frames_are_those_of_each():
    torch.manual_seed(0)
    images, others = np.random.default_rng(0).integers(0, 256, (2, 6, 33, 40, 3), dtype=np.uint8)
    distances = lpips_distance(Lpips().eval(), "", device="cpu", dtype=torch.float32).measure
    one_by_one = [distances(images[[i]], others[[i]]) for i in range(6)]
    np.testing.assert_allclose(distances(images, others), np.concatenate(one_by_one), rtol=1e-5)
    extract = fid_extractor(
        Inception().eval(), "w", variant="pytorch-fid", device="cpu", dtype=torch.float32
    ).extract
    last = extract(images[4:])
    assert last.shape == (2, 2048)
    np.testing.assert_allclose(extract(images[1:])[3:], last, rtol=1e-4, atol=1e-6)


class Middle(torch.nn.Module):
    """Sees the row and the column through the middle of the first frame."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return torch.cat([clips[:, 0, 0, 112], clips[:, 0, 0, :, 112]], dim=1)


@pytest.mark.parametrize(
    ("size", "square"), [((40, 64), np.s_[:, :, 12:52]), ((51, 33), np.s_[:, 9:42])]
)
def test_fvd_sees_the_square_in_the_middle_or_all_squashed(size, square):
    network = Middle()
    clip = np.random.default_rng(0).integers(0, 256, (9, *size, 3), dtype=np.uint8)
    extractors = {
        framing: fvd_i3d_extractor(
            network, "w", device="cpu", dtype=torch.float32, framing=framing, ddof=ddof
        )
        for framing, ddof in (("squash", 0), ("crop", 1))
    }
    inside = np.ascontiguousarray(clip[square])
    whole, cropped = (extractors[framing].extract(clip) for framing in ("squash", "crop"))
    np.testing.assert_array_equal(cropped, extractors["squash"].extract(inside))
    assert np.abs(whole - cropped).max() > 0.1
    assert (extractors["squash"].ddof, extractors["crop"].ddof) == (0, 1)
    told = extractors["crop"].protocol
    assert "(w), the square in the middle resized to 224x224, ddof 1" in told
    assert "(w), squashed to 224x224, ddof 0" in extractors["squash"].protocol


def small_videomae(seed: int) -> VideoMae:
    torch.manual_seed(seed)
    return VideoMae(VideoMaeConfig(width=48, depth=1, heads=4)).eval()


@pytest.mark.parametrize("wrapper", ["model", "module"])
def test_fvd_cd_takes_a_checkpoint_as_it_is_published_and_clips_of_16_frames(wrapper, tmp_path):
    published, file = small_videomae(1), tmp_path / "vit.pth"
    torch.save({wrapper: published.state_dict(), "epoch": 4}, file)
    network, told = load_weights(small_videomae(2), str(file), tmp_path)
    assert told.startswith("vit.pth sha256:")
    extractor, cropping = (
        fvd_cd_extractor(network, told, device="cpu", dtype=torch.float32, framing=framing)
        for framing in ("squash", "crop")
    )
    clip = np.random.default_rng(0).integers(0, 256, (16, 20, 36, 3), dtype=np.uint8)
    features = extractor.extract(clip)
    with torch.inference_mode():
        expected = published(videomae_input(torch.from_numpy(clip[None])))
    np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        cropping.extract(clip), extractor.extract(clip[:, :, 8:28].copy()), rtol=1e-5, atol=1e-6
    )
    assert (extractor.of_clips, extractor.dimensions, extractor.ddof) == (True, 48, 0)
    assert extractor.protocol == (
        f"FVD as cd-fvd defines it, VideoMAE v2 ({told}), squashed to 224x224, ddof 0"
    )
    with pytest.raises(ValueError, match="clips of 16 frames, got 15"):
        extractor.extract(clip[:15])


def test_fvd_cd_refuses_a_checkpoint_of_another_size_or_with_something_missing(tmp_path):
    state = small_videomae(1).state_dict()
    state.pop("blocks.0.attn.q_bias")
    torch.save({"model": state}, tmp_path / "part.pth")
    with pytest.raises(WeightsError, match=r"missing blocks\.0\.attn\.q_bias"):
        load_weights(small_videomae(2), str(tmp_path / "part.pth"), tmp_path)
    wide = VideoMae(VideoMaeConfig(width=88, depth=1, heads=4))
    torch.save(wide.state_dict(), tmp_path / "wide.pth")
    with pytest.raises(WeightsError, match="does not fit VideoMae"):
        load_weights(small_videomae(2), str(tmp_path / "wide.pth"), tmp_path)


@pytest.mark.parametrize(
    ("dtype", "told"), [(torch.float32, "ddof 1"), (torch.bfloat16, "ddof 1, network in bf16")]
)
def test_the_protocol_tells_the_precision(dtype, told):
    with torch.device("meta"):
        network = Inception()
    extractor = fid_extractor(network, "w", variant="pytorch-fid", device="cpu", dtype=dtype)
    assert extractor.protocol.endswith(told)
