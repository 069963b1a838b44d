import torch

from svsdata.nets.features.drn import Drn105


def test_scores_and_classes_equal_those_of_the_authors_code(name_seeded, golden):
    network = Drn105().eval()
    state = name_seeded(network)
    for name, value in state.items():
        if name.endswith("bn3.weight"):
            value *= 0.3  # keeps the sums of 35 random blocks in range
    state["up.weight"] = torch.from_numpy(golden["drn_up"]).expand(19, 1, 16, 16).clone()
    network.load_state_dict(state)
    images = torch.from_numpy(golden["drn_images"]).float() / 255

    scores = network.scores(images)
    torch.testing.assert_close(scores, torch.from_numpy(golden["drn_scores"]), atol=2e-3, rtol=0)
    log_probabilities = network.upsampled(scores)
    assert torch.equal(
        log_probabilities.argmax(1), torch.from_numpy(golden["drn_prediction"]).long()
    )
    torch.testing.assert_close(
        log_probabilities.mean((2, 3)), torch.from_numpy(golden["drn_mean"]), atol=2e-3, rtol=0
    )
