import numpy as np
import pytest

from svsdata.estimation.flow_estimators import FlowEstimate
from svsdata.estimation.judging import Judgement
from svsdata.evaluation.gate import PathVote, SequenceGate
from svsdata.labels import CITYSCAPES
from svsdata.records import Frame
from svsdata.store.gate_table import NOT_JUDGED, loss_code

SIZE = (5, 8)
ROAD, CAR, PLATE = 7, 26, 34


def constant(value: float) -> np.ndarray:
    return np.full(SIZE, value, np.float32)


def slide(dx: float) -> FlowEstimate:
    flow = np.zeros((*SIZE, 2), np.float32)
    flow[..., 0] = dx
    return FlowEstimate(flow)


def voted(losses: list[float], *, frames: int) -> float:
    vote, road = PathVote(frames), np.full(SIZE, ROAD, np.uint8)
    for loss in losses:
        found = vote.add(constant(loss), road, slide(0))
    return float(found[2, 3])


@pytest.mark.parametrize(
    ("losses", "frames", "expected"),
    [
        ([3.0], 5, 3.0),
        ([0.1, 9.0], 5, 0.1),  # one of two is no majority
        ([0.1, 9.0, 8.0], 5, 8.0),
        ([9.0, 9.0, 9.0, 0.1, 0.1, 0.2], 3, 0.1),  # the oldest no longer vote
        ([0.1, 9.0], 1, 9.0),  # no vote
    ],
)
def test_a_loss_counts_where_most_of_the_last_frames_share_it(losses, frames, expected):
    assert voted(losses, frames=frames) == pytest.approx(expected)


@pytest.mark.parametrize("threshold", [0.5, 2.0, 5.0])
def test_the_vote_is_the_majority_at_any_threshold(threshold):
    random = np.random.default_rng(0)
    losses = random.exponential(2, (5, *SIZE)).astype(np.float32)
    vote, road = PathVote(5), np.full(SIZE, ROAD, np.uint8)
    for number, loss in enumerate(losses, start=1):
        found = vote.add(loss, road, slide(0))
        majority = (losses[:number] > threshold).sum(axis=0) > number / 2
        np.testing.assert_array_equal(found > threshold, majority)


def test_votes_travel_with_the_picture_and_end_where_it_leaves_the_frame():
    vote, road = PathVote(2), np.full(SIZE, ROAD, np.uint8)
    earlier = constant(0.0)
    earlier[:, 5] = 4.0
    vote.add(earlier, road, None)
    # The picture moves two pixels to the left: flow points two to the right.
    found = vote.add(constant(6.0), road, slide(2))
    expected = np.zeros(SIZE)
    expected[:, 3] = 4.0
    expected[:, 6:] = 6.0  # nothing was there before
    np.testing.assert_allclose(found, expected)


def test_votes_end_where_the_label_changes_or_the_flow_is_not_confirmed():
    vote, semantic = PathVote(2), np.full(SIZE, ROAD, np.uint8)
    vote.add(constant(0.0), semantic, None)
    now = semantic.copy()
    now[0] = CAR
    validity = np.ones(SIZE, np.uint8)
    validity[1] = 0
    occlusion = np.zeros(SIZE, np.uint8)
    occlusion[2] = 1
    found = vote.add(constant(3.0), now, FlowEstimate(slide(0).flow, validity, occlusion))
    assert found[:3].tolist() == constant(3.0)[:3].tolist()
    assert not found[3:].any()


def test_codes_keep_the_order_of_losses_and_set_the_unjudged_apart():
    losses = np.array([0, 0.001, 0.01, 0.1, 0.69, 1, 5, 27.6, 1e9], np.float32)
    codes = loss_code(losses)
    assert codes.tolist() == sorted(codes.tolist())
    assert len(set(codes.tolist()[1:])) == len(codes) - 1
    assert codes[-1] < NOT_JUDGED == loss_code(float("nan"))


def judged(semantic: np.ndarray, seen: np.ndarray, loss: np.ndarray) -> Judgement:
    return Judgement(seen.astype(np.uint8), np.where(semantic == PLATE, np.nan, loss))


def test_classes_are_counted_without_what_the_judge_does_not_know():
    semantic = np.full(SIZE, ROAD, np.uint8)
    semantic[0, :4], semantic[1, :2] = CAR, PLATE
    seen = np.full(SIZE, ROAD)
    loss = np.where(semantic == CAR, 2.0, 0.5).astype(np.float32)
    gate = SequenceGate(CITYSCAPES, vote_frames=3)
    row = gate.add(Frame(0, 0, semantic=semantic), judged(semantic, seen, loss), None)
    tallies = gate.tallies()
    assert set(tallies) == {"road", "car"}
    assert (tallies["car"].pixels, tallies["car"].agreeing) == (4, 0)
    assert (tallies["road"].pixels, tallies["road"].agreeing) == (34, 34)
    assert tallies["road"].mean_loss == pytest.approx(0.5)
    assert (row.loss_codes == NOT_JUDGED).sum() == 2
    assert row.objects == ()
    twice = tallies["car"] + tallies["car"]
    assert (twice.pixels, twice.mean_loss) == (8, pytest.approx(2.0))


def test_what_is_rejected_at_a_ratio_is_what_exceeds_so_many_means():
    semantic = np.full(SIZE, ROAD, np.uint8)
    loss = constant(0.1)
    loss[0] = 3.0
    gate = SequenceGate(CITYSCAPES, vote_frames=1)
    gate.add(Frame(0, 0, semantic=semantic), judged(semantic, semantic, loss), None)
    road = gate.tallies()["road"]
    assert road.mean_loss == pytest.approx(0.68)
    assert road.rejected(1.25) == 8
    assert road.rejected(5.0) == 0
    assert road.rejected(0.1) == 40


def test_an_object_is_voted_on_over_its_last_views():
    semantic = np.full(SIZE, ROAD, np.uint8)
    semantic[:, :4] = CAR
    instance = np.where(semantic == CAR, 26_003, 7).astype(np.uint16)
    blind, sharp = np.full(SIZE, ROAD), semantic.copy()
    gate = SequenceGate(CITYSCAPES, vote_frames=3)
    views = []
    for index, seen in enumerate([sharp, blind, sharp, blind, blind]):
        frame = Frame(index, 0, semantic=semantic, instance=instance)
        (view,) = gate.add(frame, judged(semantic, seen, constant(1.0)), slide(0)).objects
        views.append(view)
    assert {view.instance_id for view in views} == {26_003}
    assert {view.pixels for view in views} == {20}
    assert [view.agreement for view in views] == [1, 0, 1, 0, 0]
    assert [view.voted for view in views] == [1, 1, 1, 0, 0]
