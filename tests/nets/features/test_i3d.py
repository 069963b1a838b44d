import pytest
import torch

from svsdata.nets.features.i3d import I3d, i3d_input


@pytest.fixture(scope="module")
def i3d(name_seeded):
    network = I3d().eval()
    network.load_state_dict(name_seeded(network))
    return network


@pytest.mark.parametrize("clip", ["16x64x128", "10x48x48"])
def test_logits_equal_those_of_cd_fvd(i3d, golden, clip):
    clips = torch.from_numpy(golden[f"i3d_{clip}_clips"])
    expected = torch.from_numpy(golden[f"i3d_{clip}_logits"])
    torch.testing.assert_close(i3d(i3d_input(clips)), expected, atol=5e-5, rtol=0)


def test_too_short_a_clip_is_refused_with_both_numbers(i3d):
    with pytest.raises(ValueError, match="9 frames, got 8"):
        i3d(torch.zeros(1, 3, 8, 224, 224))
