import pytest
import torch
from torch.nn import functional as F

from svsdata.nets.svsgan.config import VideoDiscriminatorConfig
from svsdata.nets.svsgan.presets import video_discriminator_configs
from svsdata.nets.svsgan.video_discriminator import (
    HISTORY_FRAMES,
    VideoDiscriminator,
    frame_triples,
    remembered,
)


def numbered(length: int, batch: int = 1) -> torch.Tensor:
    """Frames whose pixels are their number, plus 100 a sequence."""
    frames = torch.arange(float(length)).view(1, length, 1, 1, 1)
    return (frames + 100 * torch.arange(batch).view(-1, 1, 1, 1, 1)).expand(batch, -1, 3, 4, 6)


@pytest.mark.parametrize(("sees_flow", "expected"), [(True, 5_553_538), (False, 5_545_346)])
def test_parameters_are_those_of_vid2vid(sees_flow, expected):
    with torch.device("meta"):
        discriminator = VideoDiscriminator(VideoDiscriminatorConfig(1, sees_flow=sees_flow))
    assert sum(p.numel() for p in discriminator.parameters()) == expected


@pytest.mark.parametrize("spectral", [False, True])
def test_scores_come_by_resolution_and_layer(spectral):
    config = VideoDiscriminatorConfig(3, width=4, spectral=spectral)
    scores = VideoDiscriminator(config)(torch.rand(2, 13, 33, 64))
    assert len(scores) == 2
    assert [layer.shape[1] for layer in scores[0]] == [4, 8, 16, 32, 1]
    assert scores[0][-1].shape[2] > scores[1][-1].shape[2]


def test_the_second_resolution_averages_without_the_padding():
    config = video_discriminator_configs("demo")[0]
    discriminator = VideoDiscriminator(config)
    seen = []
    discriminator.resolutions[1].register_forward_pre_hook(lambda _m, x: seen.append(x[0]))
    discriminator(torch.ones(1, 13, 32, 32))
    torch.testing.assert_close(seen[0], torch.ones(1, 13, 16, 16))


@pytest.mark.parametrize(
    ("length", "num_new", "stride", "expected"),
    [
        (1, 1, 1, []),
        (2, 1, 1, []),
        (3, 1, 1, [(0, 1, 2)]),
        (6, 2, 1, [(2, 3, 4), (3, 4, 5)]),
        (6, 6, 1, [(0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5)]),
        (6, 1, 3, []),
        (7, 1, 3, [(0, 3, 6)]),
        (9, 2, 3, [(1, 4, 7), (2, 5, 8)]),
    ],
)
def test_triples_end_in_the_new_frames(length, num_new, stride, expected):
    triples = frame_triples(numbered(length), None, stride=stride, num_new=num_new)
    assert triples.shape == (len(expected), 9, 4, 6)
    assert [tuple(row[::3, 0, 0].tolist()) for row in triples] == expected


def test_a_clip_of_seven_frames_feeds_the_long_stride_once():
    history = numbered(1)
    fired = 0
    for frame in range(1, 7):
        frames = torch.cat([history, numbered(7)[:, frame : frame + 1]], dim=1)
        fired += len(frame_triples(frames, None, stride=3, num_new=1))
        history = remembered(frames)
        assert history.shape[1] <= HISTORY_FRAMES
    assert fired == 1


def test_history_carries_no_graph():
    frames = torch.rand(1, 8, 3, 2, 2, requires_grad=True)
    assert not remembered(frames * 2).requires_grad
    assert torch.equal(remembered(frames), frames[:, 2:].detach())


def test_batches_stay_apart_in_triples():
    triples = frame_triples(numbered(4, batch=2), None, stride=1, num_new=2)
    assert [tuple(row[::3, 0, 0].tolist()) for row in triples] == [
        (0, 1, 2), (100, 101, 102), (1, 2, 3), (101, 102, 103),
    ]  # fmt: skip


def test_flows_span_the_stride_in_units_of_twenty_pixels():
    flows = torch.zeros(1, 7, 2, 8, 64)
    flows[:, :, 0] = torch.arange(7.0).view(1, 7, 1, 1)
    frames = F.pad(numbered(7), (0, 58, 0, 4))
    long = frame_triples(frames, flows, stride=3, num_new=1)
    assert long.shape[1] == 13
    newest, middle = long[0, 9:11], long[0, 11:13]
    torch.testing.assert_close(newest[0], torch.full((8, 64), (6 + 5 + 4) / 20))
    torch.testing.assert_close(middle[0], torch.full((8, 64), (3 + 2 + 1) / 20))
    assert long[0, [10, 12]].abs().max() == 0
    short = frame_triples(frames, flows, stride=1, num_new=1)
    torch.testing.assert_close(short[0, [9, 11], 0, 0], torch.tensor([6 / 20, 5 / 20]))
