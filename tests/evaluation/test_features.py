import numpy as np
import pytest
import torch

from svsdata.evaluation.features import fid_extractor, fvd_i3d_extractor, lpips_distance
from svsdata.nets.features.inception import Inception
from svsdata.nets.features.lpips import Lpips


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


@pytest.mark.parametrize(
    ("dtype", "told"), [(torch.float32, "ddof 1"), (torch.bfloat16, "ddof 1, network in bf16")]
)
def test_the_protocol_tells_the_precision(dtype, told):
    with torch.device("meta"):
        network = Inception()
    extractor = fid_extractor(network, "w", variant="pytorch-fid", device="cpu", dtype=dtype)
    assert extractor.protocol.endswith(told)
