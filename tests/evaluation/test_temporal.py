import json
from pathlib import Path

import numpy as np
import pytest

from svsdata.evaluation.temporal import (
    endpoint_error,
    motion_boundary,
    outlier_share,
    visible_pixels,
    warping_error,
)
from svsdata.flow import occlusion_by_consistency, warp

GOLDEN = Path(__file__).parents[1] / "golden"
FLOW = json.loads((GOLDEN / "golden.json").read_text())["flow"]
MAPS = dict(np.load(GOLDEN / "golden_maps.npz"))


def test_flow_errors_equal_the_golden_ones():
    flow, true, valid = MAPS["flow12"], MAPS["flow_gt"], MAPS["valid"].astype(np.uint8)
    assert endpoint_error(flow, true) == pytest.approx(FLOW["epe"], rel=1e-6)
    assert endpoint_error(flow, true, valid) == pytest.approx(FLOW["epe_valid"], rel=1e-6)
    assert outlier_share(flow, true) == pytest.approx(FLOW["fl_all"])
    assert outlier_share(flow, true, valid) == pytest.approx(FLOW["fl_all_valid"])


def test_a_warping_error_with_the_pair_swapped_equals_lais():
    # Lai's first frame is our current one: his flow to the second is our backward flow
    current, previous = (np.rint(MAPS[name] * 255).astype(np.uint8) for name in ("img1", "img2"))
    flow, everywhere = MAPS["flow12"], np.ones(MAPS["flow12"].shape[:2], np.uint8)
    visible = 1 - MAPS["occ"]
    # golden images are float; eight bits move an error by about a quarter level
    assert warping_error(previous, current, flow, everywhere) == pytest.approx(
        FLOW["warp_error_no_mask"], rel=2e-3
    )
    assert warping_error(previous, current, flow, visible) == pytest.approx(
        FLOW["warp_error_masked"], rel=2e-3
    )


def test_visibility_joins_occlusion_and_motion_boundaries():
    flow = MAPS["flow12"]
    occlusion = occlusion_by_consistency(flow, MAPS["flow21"])
    visible = visible_pixels(flow, None, occlusion)
    np.testing.assert_array_equal(visible, (1 - occlusion) * (1 - motion_boundary(flow)))
    validity = np.zeros_like(occlusion)
    assert not visible_pixels(flow, validity, None).any()


def test_a_step_in_the_motion_is_a_boundary_and_a_smooth_field_has_none():
    flow = np.zeros((9, 13, 2), np.float32)
    flow[:, 6:] = 2.0
    boundary = motion_boundary(flow)
    assert boundary[:, 5].all()
    assert boundary.sum() == 9
    assert not motion_boundary(np.full((9, 13, 2), 3.0, np.float32)).any()


def test_a_video_that_follows_its_flow_has_no_warping_error_and_flicker_has():
    rng = np.random.default_rng(0)
    previous = rng.integers(0, 256, (21, 34, 3), dtype=np.uint8)
    flow = np.zeros((21, 34, 2), np.float32)
    flow[..., 0] = 3.0
    current = warp(previous, flow)
    everywhere = np.ones((21, 34), np.uint8)
    assert warping_error(previous, current, flow, everywhere) == 0
    darker = np.where(current > 51, current - 51, 0).astype(np.uint8)
    saturated = (current > 51).all(axis=-1).astype(np.uint8)
    assert warping_error(previous, darker, flow, saturated) == pytest.approx(0.04, rel=1e-5)
    assert np.isnan(warping_error(previous, current, flow, 0 * everywhere))
