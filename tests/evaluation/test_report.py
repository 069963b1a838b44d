from dataclasses import replace

import numpy as np
import pytest

from svsdata.evaluation.exhibits import Exhibit
from svsdata.evaluation.report import Measure, Report, chart, render_page, told_figure
from svsdata.evaluation.showcase import Showcase, Shown, shown

NAN, INF = float("nan"), float("inf")
REPORT = Report(
    real="real", synthetic="made", version="1", frames="all frames",
    measures={"warping_error": Measure(3.158e-05, 0.0003124, "9 frames", "as Lai")},
    not_measured={}, warnings=(), class_iou={}, curves={},
)  # fmt: skip


def page(report: Report, *, worst=(), best=(), legend=()) -> str:
    showcase = Showcase(1, tuple(worst), tuple(best), num_clips=9, ranked_by="ssim")
    return render_page(report, showcase=showcase, legend=dict(legend))


def clip(number: int) -> Shown:
    exhibit = Exhibit(f"s{number}", 1, {}, ("generated",), 1, (np.zeros((8, 8, 3), np.uint8),))
    return shown(exhibit, 0.0, fps=10.0)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (3.158e-05, "0.00003158"),
        (175.51, "175.5"),
        (123456.0, "123500"),
        (INF, "inf"),
        (NAN, "-"),
        (8.5e-14, "<0.000001"),
        (0.0, "0"),
    ],
)
def test_figures_have_one_notation(value, told):
    assert told_figure(value, "warping_error") == told
    assert "e-0" not in page(REPORT)


def test_shares_are_percent():
    assert told_figure(0.4481, "miou_shared") == "44.8 %"
    assert told_figure(0.0004, "flow_outliers") == "<0.1 %"
    assert told_figure(0.0, "flow_outliers") == "0.0 %"


def test_figures_of_clips_carry_their_units():
    figures = {"psnr": 23.99, "flow_epe": 1.21, "ssim": 0.78}
    told = page(REPORT, worst=[replace(clip(0), figures=figures)])
    for words in ("PSNR 23.99 dB", "flow end-point error 1.21 px", "SSIM 0.78<"):
        assert words in told


def test_a_chart_without_a_finite_value_is_left_out():
    curves = {"psnr": {"synthetic": [(0, INF)]}, "ssim": {"synthetic": [(0, 0.5), (10, NAN)]}}
    bins = {name: {"synthetic": (10, 14)} for name in curves}
    charts = page(replace(REPORT, curves=curves, curve_bins=bins))
    assert 'aria-label="SSIM"' in charts
    assert 'aria-label="PSNR' not in charts
    assert "Over time" not in page(replace(REPORT, curves={"psnr": curves["psnr"]}))


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ((0.728, 0.959), (0.7, 0.8, 0.9, 1.0)),
        ((2.7, 33.05), (0, 20, 40)),
        ((0.0002359, 0.001098), (0, 0.0005, 0.001, 0.0015)),
        ((5, 5), (4, 6, 8)),
        ((0, 0), (0, 0.5, 1)),
        ((-7, -3), (-8, -6, -4, -2)),
    ],
)
def test_levels_of_a_chart_are_round_and_enclose_its_values(values, levels):
    laid_out = chart(
        "ssim", {"synthetic": [(0, values[0]), (10, values[1])]}, {"synthetic": (1, 10)}
    )
    heights, told = zip(*laid_out["levels"], strict=True)
    assert told == pytest.approx(levels)
    assert heights == pytest.approx(np.linspace(180, 0, len(levels)), abs=0.06)
    ((_, _, points),) = laid_out["lines"]
    assert points[0] == (0, pytest.approx(heights[0] * (told[-1] - values[0])
                                          / (told[-1] - told[0]), abs=0.06))  # fmt: skip


def test_points_lie_in_the_middle_of_their_bins_and_the_axis_ends_with_the_last_frame():
    line, shorter = [(0, 1.0), (20, NAN), (40, 2.0), (80, 3.0)], [(0, 1.0), (10, 2.0)]
    laid_out = chart(
        "ssim", {"synthetic": line, "real": shorter}, {"synthetic": (20, 95), "real": (10, 10)}
    )
    assert laid_out["last"] == 95
    (_, _, made), (_, _, recorded) = laid_out["lines"]
    assert [x * 95 / 640 for x, _ in made] == pytest.approx([9.5, 49.5, 87.5], abs=0.01)
    assert [x * 95 / 640 for x, _ in recorded] == pytest.approx([4.5, 10], abs=0.01)


def test_a_class_without_labels_is_called_so():
    report = replace(
        REPORT,
        class_iou={"road": (0.9, 0.8), "truck": (0.4, 0.0), "bus": (0.0, None)},
        class_share={"road": (0.9, 1.0), "truck": (0.1, 0.0), "bus": (0.0, 0.0)},
    )
    rows = page(report).partition('id="classes"')[2].split("<tr>")[2:]
    assert [row.count("not labelled") for row in rows] == [0, 1, 2]
    assert "40.0 %" in rows[1]


def test_all_clips_there_are_are_not_the_worst_ones():
    few = page(REPORT, worst=[clip(0), clip(1)], legend={"road": "#804080"})
    assert "<h2>Clips</h2>" in few
    assert 'background:#804080"></span>road' in few
    many = page(REPORT, worst=[clip(0)], best=[clip(1)])
    assert "<h2>Worst clips</h2>" in many
    assert "<h2>Best clips</h2>" in many
    assert "<h2>Clips</h2>" not in many
    assert "Of 9 clips, ranked by SSIM." in many
    by_psnr = Showcase(1, (clip(0),), (), num_clips=9, ranked_by="psnr")
    assert "ranked by PSNR." in render_page(REPORT, showcase=by_psnr, legend={})


@pytest.mark.parametrize(
    ("small", "told"),
    [(0, "1 of 1 edit, largest first."),
     (1, "1 of 1 edit, largest first; 1 more never fills a thousandth of a frame.")],
)  # fmt: skip
def test_edits_too_small_to_be_shown_are_counted(small, told):
    showcase = Showcase(1, edits=(clip(0),), num_edits=1, num_small_edits=small)
    assert told in render_page(REPORT, showcase=showcase, legend={})


def test_what_was_kept_is_told_of_one_measure_as_of_many():
    assert "measured by an earlier evaluation and kept: drift." in page(
        replace(REPORT, kept=("drift",))
    )
