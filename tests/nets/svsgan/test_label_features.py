import pytest
import torch

from svsdata.nets.svsgan.label_features import LabelFeatures


def features(occlusion: torch.Tensor, colours: torch.Tensor | None) -> LabelFeatures:
    return LabelFeatures(torch.zeros(1, 2, *occlusion.shape[2:]), occlusion, (), colours=colours)


@pytest.fixture
def colours() -> torch.Tensor:
    """Of a red object on the left, and nothing that is told on the right."""
    told = torch.zeros(1, 4, 4, 8)
    told[..., :4] = torch.tensor([1.0, -1.0, -0.5, 1.0]).view(4, 1, 1)
    return told


@pytest.mark.parametrize(
    ("occluded", "share"), [(0.0, 0.0), (0.4, 0.0), (0.5, 0.0), (0.75, 0.5), (1.0, 1.0)]
)
def test_what_is_drawn_anew_of_an_object_is_painted_and_counts_as_seen(colours, occluded, share):
    mask = torch.full((1, 1, 4, 8), occluded)
    warped = torch.rand(1, 3, 4, 8) - 0.5
    painted = features(mask, colours).painted(warped)
    expected = (1 - share) * warped[..., :4] + share * colours[:, :3, :, :4]
    torch.testing.assert_close(painted[..., :4], expected)
    assert torch.equal(painted[..., 4:], warped[..., 4:])
    unseen = features(mask, colours).unseen
    torch.testing.assert_close(unseen[..., :4], mask[..., :4] * (1 - share))
    assert torch.equal(unseen[..., 4:], mask[..., 4:])


def test_where_nothing_is_told_nothing_is_painted():
    mask, warped = torch.ones(1, 1, 4, 8), torch.rand(1, 3, 4, 8)
    assert features(mask, None).painted(warped) is warped
    assert features(mask, None).unseen is mask


def test_pictures_of_half_the_size_are_painted_alike(colours):
    mask = torch.ones(1, 1, 2, 4)  # a mask of the base size, colours of the full size
    painted = features(mask, colours).painted(torch.zeros(1, 3, 2, 4))
    assert torch.equal(painted, colours[:, :3, ::2, ::2])
    full = features(mask, colours).painted(torch.zeros(1, 3, 4, 8))
    assert torch.equal(full, colours[:, :3])
    assert features(mask, colours).unseen.shape == mask.shape


def test_rows_keep_their_colours(colours):
    pair = LabelFeatures(
        torch.zeros(2, 2, 4, 8),
        torch.ones(2, 1, 4, 8),
        (),
        colours=torch.cat([colours, -colours]),
    )
    assert torch.equal(pair.rows(1, 2).colours, -colours)
    assert torch.equal(pair.occluded(torch.ones(2, 1, 4, 8) > 0).colours, pair.colours)
