import torch

from svsdata.estimation.mask_postprocessing import (
    confidence,
    instance_segments,
    semantic_scores,
)

ROAD, CAR, NONE = 0, 1, 2
THINGS = (CAR,)
SIZE = (40, 60)


def class_logits(*classes: int, score: float = 0.99) -> torch.Tensor:
    rest = (1 - score) / 2
    rows = [[score if index == wanted else rest for index in range(3)] for wanted in classes]
    return torch.tensor(rows).log()


def box(top: int, left: int, height: int, width: int, inside: float = 10.0) -> torch.Tensor:
    mask = torch.full(SIZE, -10.0)
    mask[top : top + height, left : left + width] = inside
    return mask


def test_a_car_of_200_pixels_keeps_200_pixels():
    # Beside the car every query is unsure; without the mask's own border the car, which is least
    # unsure, would take all of it.
    car = torch.full(SIZE, -1.0)
    car[5:15, 5:25] = 5.0
    road = torch.full(SIZE, -6.0)
    found = instance_segments(
        class_logits(CAR, ROAD), torch.stack([car, road]), SIZE, things=THINGS
    )
    assert int((found.segments == 1).sum()) == 200
    assert int((found.segments == 0).sum()) == 40 * 60 - 200
    assert found.classes == (CAR,)


def test_pixels_of_two_masks_go_to_the_higher_product_of_score_and_mask():
    masks = torch.stack([box(0, 0, 10, 12, 1.0), box(0, 10, 10, 12, 4.0)])
    found = instance_segments(class_logits(CAR, CAR), masks, SIZE, things=THINGS)
    assert int((found.segments == 1).sum()) == 100
    assert int((found.segments == 2).sum()) == 120


def test_a_mask_that_loses_over_a_fifth_is_dropped_and_its_pixels_stay_void():
    masks = torch.stack([box(0, 0, 10, 10, 1.0), box(0, 5, 10, 20, 4.0)])
    found = instance_segments(class_logits(CAR, CAR), masks, SIZE, things=THINGS)
    assert int((found.segments == 1).sum()) == 200
    assert not found.segments[0:10, 0:5].any()
    assert len(found.classes) == 1


def test_unsure_queries_stuff_and_no_object_give_no_instances():
    masks = torch.stack([box(0, 0, 9, 9)] * 3)
    logits = torch.cat([class_logits(CAR, score=0.7), class_logits(ROAD, NONE)])
    found = instance_segments(logits, masks, SIZE, things=THINGS)
    assert (found.classes, found.scores) == ((), ())
    assert not found.segments.any()


def test_instances_are_enlarged_from_the_masks_size_to_the_frames():
    small = torch.full((10, 15), -10.0)
    small[2:6, 3:9] = 10.0
    found = instance_segments(class_logits(CAR), small[None], SIZE, things=THINGS)
    rows, columns = torch.nonzero(found.segments == 1, as_tuple=True)
    assert (int(rows.min()), int(rows.max()) + 1) == (8, 24)
    assert (int(columns.min()), int(columns.max()) + 1) == (12, 36)
    # Bilinear enlargement rounds the four corners.
    assert 16 * 24 - 16 <= len(rows) < 16 * 24


def test_semantic_scores_weigh_masks_by_class_probabilities_and_leave_no_object_out():
    logits = class_logits(ROAD, NONE)[None]
    masks = torch.stack([box(0, 0, 40, 30, 0.0), box(0, 0, 40, 60)])[None]
    scores = semantic_scores(logits, masks, SIZE)
    assert scores.shape == (1, 2, *SIZE)
    torch.testing.assert_close(scores[0, ROAD, 5, 5], torch.tensor(0.99 * 0.5 + 0.005))
    torch.testing.assert_close(scores[0, CAR, 5, 5], torch.tensor(0.005 * 0.5 + 0.005))


def test_confidence_is_the_share_of_the_best_class():
    scores = torch.tensor([[3.0, 1.0, 0.0], [1.0, 1.0, 0.0]]).T.reshape(1, 3, 1, 2)
    assert confidence(scores).tolist() == [[[191, 128]]]
    assert confidence(torch.zeros(1, 3, 1, 1)).tolist() == [[[0]]]
