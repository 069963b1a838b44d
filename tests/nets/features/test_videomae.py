import torch

from svsdata.nets.features.videomae import VideoMae, VideoMaeConfig, videomae_input


def test_features_of_a_small_one_equal_those_of_cd_fvd(name_seeded, golden):
    network = VideoMae(VideoMaeConfig(width=88, depth=2, heads=8)).eval()
    network.load_state_dict(name_seeded(network, gain=0.7))
    features = network(videomae_input(torch.from_numpy(golden["videomae_clips"])))
    expected = torch.from_numpy(golden["videomae_features"])
    torch.testing.assert_close(features, expected, atol=5e-6, rtol=0)


def test_the_default_is_vit_g():
    with torch.device("meta"):
        network = VideoMae(VideoMaeConfig())
    # of the published network, whose checkpoint counts as many
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_011_855_918
