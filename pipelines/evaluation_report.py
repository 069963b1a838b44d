"""From running figures to the report: values, protocols, warnings, reasons of what is missing."""

from collections.abc import Mapping
from math import inf, isnan

import svsdata
from svsdata.evaluation.clip_figures import Judges, StoreFigures
from svsdata.evaluation.curves import Curve
from svsdata.evaluation.features import FeatureExtractor
from svsdata.evaluation.frechet import frechet_distance
from svsdata.evaluation.report import TITLES, Measure, Report
from svsdata.evaluation.showcase import Showcase
from svsdata.nets.features.i3d import MIN_FRAMES
from svsdata.pipelines.configs.evaluate import EvaluateConfig

_PROTOCOLS = {
    "label_agreement": "share of evaluated pixels whose class the segmenter sees",
    "lpips": "mean over unedited frames against the recorded ones",
    "psnr": "dB over all channels, mean over unedited frames against the recorded ones",
    "ssim": "Wang et al. 2004 over RGB, mean over unedited frames against the recorded ones",
    "warping_error": (
        "Lai et al. 2018 with the pair swapped: previous frame warped by the backward flow of the "
        "labels' video, mean squared difference of [0, 1] images over pixels in "
        "sight before, off edges of motion"
    ),
    "flow_epe": (
        "mean length in pixels of the difference between DIS flow of the pictures, its ground "
        "aligned where the rows say that the labels' is, and the flow of "
        "the labels' video, over pixels in sight before, off edges of motion; what an edit changed "
        "is left out where the flow is the recording's; a recording that was labelled with DIS "
        "flow is near 0 by itself"
    ),
    "flow_outliers": (
        "KITTI's Fl: share of those pixels that are off by more than 3 px and by more than 5 % of "
        "the length of the flow of the labels' video, mean over frames"
    ),
    "color_distance": (
        "distance of each class's mean colour in a frame to its mean over the real store, levels; "
        "root mean square over the frames of a point of the curve, mean over classes by pixels"
    ),
    "identity": "Hellinger distance of an object's colours to those of its first view",
    "identity_after_occlusion": "identity, of the first view after one frame or more out of sight",
}

_NO_ORIGINALS = (
    "no unedited frame has a recorded one of the same sequence and index to be compared with; an "
    "edited video shows what was never recorded"
)
_WHY_MISSING = {
    "label_agreement": "no pixel has an evaluated class",
    "lpips": _NO_ORIGINALS,
    "psnr": _NO_ORIGINALS,
    "ssim": _NO_ORIGINALS,
    "warping_error": "neither the frames nor those they were made from have flow",
    "flow_epe": "neither the frames nor those they were made from have flow",
    "flow_outliers": "neither the frames nor those they were made from have flow",
    "color_distance": "no class of the synthetic store occurs in the real one",
    "identity": "no object with an instance id was seen twice",
    "identity_after_occlusion": "no object came back into sight",
}
_CONFIG_NAMES = {
    "label_agreement": "miou",
    "color_distance": "drift",
    "flow_outliers": "flow_epe",
    "identity_after_occlusion": "identity",
}
"""Measures that the config calls otherwise."""
_FEW_VIEWS = 30
"""Fewer views of objects say little of a store."""


def make_report(
    config: EvaluateConfig,
    judges: Judges,
    real: StoreFigures,
    synthetic: StoreFigures,
    lacking_weights: Mapping[str, str],
    showcase: Showcase,
) -> Report:
    """Put the figures of both stores beside each other.

    Args:
        config: Of the evaluation.
        judges: Who measured.
        real: Figures of the real store.
        synthetic: Figures of the synthetic store.
        lacking_weights: Why a judge is missing, by measure.
        showcase: What the page shows.
    """
    not_measured = dict(lacking_weights)
    measures: dict[str, Measure] = {}
    warnings: list[str] = []
    for extractor in judges.extractors:
        found = _distance(extractor, real, synthetic, config)
        if isinstance(found, str):
            not_measured[extractor.name] = found
            continue
        measures[extractor.name] = found
        fewest = min(side.features[extractor.name].count for side in (real, synthetic))
        if fewest < extractor.small_sample:
            warnings.append(
                f"{TITLES[extractor.name][0]} of {found.samples}: few, {extractor.small_sample:,} "
                "are usual; it depends on their number, so compare only with figures of as many"
            )
    measures |= _mean_ious(judges, real, synthetic)
    for name in _PROTOCOLS:
        measure = _mean(name, judges, real, synthetic)
        wanted = _CONFIG_NAMES.get(name, name)
        if measure is not None:
            measures[name] = measure
            warnings += _few_views(name, real, synthetic)
        elif wanted in config.metrics and wanted not in not_measured:
            not_measured[name] = _WHY_MISSING[name]
    curves = _curves(real, synthetic)
    return Report(
        real=str(config.real),
        synthetic=str(config.synthetic),
        version=svsdata.__version__,
        measures=measures,
        not_measured=not_measured,
        warnings=tuple(warnings),
        class_iou=_class_iou(judges, real, synthetic),
        class_share=_class_share(judges, real, synthetic),
        curves={
            name: {side: it.points() for side, it in sides.items()}
            for name, sides in curves.items()
        },
        curve_bins={
            name: {side: it.bins for side, it in sides.items()} for name, sides in curves.items()
        },
        clips=tuple(
            (one.sequence_id, one.first_frame, dict(one.figures))
            for one in (*showcase.worst, *showcase.best)
        ),
        edits=tuple(
            (one.sequence_id, one.first_frame, one.name, dict(one.figures))
            for one in showcase.edits
        ),
    )


def _distance(
    extractor: FeatureExtractor, real: StoreFigures, synthetic: StoreFigures, config: EvaluateConfig
) -> Measure | str:
    """Return the distance of the stores' features, or why there is none."""
    ours, theirs = synthetic.features[extractor.name], real.features[extractor.name]
    unit = f"clips of {config.clip_frames} frames" if extractor.of_clips else "frames"
    samples = f"{ours.count} synthetic and {theirs.count} real {unit}"
    if min(ours.count, theirs.count) < 2:
        shorter = (
            f", or shorter clips, 'clip_frames' down to {MIN_FRAMES}"
            if extractor.name == "fvd_i3d" and config.clip_frames > MIN_FRAMES
            else ""
        )
        return f"{samples}, at least 2 of each are needed; take longer or more videos{shorter}"
    cut = f"; clips without overlap from frame {config.first_frame} on"
    return Measure(
        frechet_distance(ours, theirs, ddof=extractor.ddof),
        None,
        samples,
        extractor.protocol + (cut if extractor.of_clips else ""),
    )


def _mean_ious(judges: Judges, real: StoreFigures, synthetic: StoreFigures) -> dict[str, Measure]:
    """Return mIoU as it is published, and over the classes that both stores have labels of."""
    if judges.segmenter is None:
        return {}
    judge = judges.segmenter.description
    labelled = [side.confusion.labelled() for side in (synthetic, real)]
    shared = [name for name in labelled[0] if name in labelled[1]]
    alone = [
        f"{name} ({side})"
        for side, own, other in (("synthetic", *labelled), ("real", *reversed(labelled)))
        for name in own
        if name not in other
    ]
    left_out = f"; labelled in one alone: {', '.join(alone)}" if alone else ""
    found = {
        "miou": Measure(
            synthetic.confusion.mean_iou(),
            real.confusion.mean_iou(),
            f"{synthetic.num_frames} synthetic and {real.num_frames} real frames",
            f"IoU as cityscapesScripts counts it, over each store's own classes; {judge}",
        )
    }
    if shared:
        found["miou_shared"] = Measure(
            synthetic.confusion.mean_iou_of(shared),
            real.confusion.mean_iou_of(shared),
            f"{len(shared)} classes",
            f"mIoU over the classes labelled in both stores{left_out}; {judge}",
        )
    return found


def _mean(name: str, judges: Judges, real: StoreFigures, synthetic: StoreFigures) -> Measure | None:
    """Return a mean over frames or views; None where none was taken."""
    curve, of_real = _curve(synthetic, name), _curve(real, name)
    equal = synthetic.num_equal if name == "psnr" else 0
    if not curve.count + equal:
        return None
    unit = "views" if name.startswith("identity") else "frames"
    number = curve.count + equal
    protocol = _PROTOCOLS[name]
    if name == "lpips" and judges.lpips is not None:
        protocol = f"{judges.lpips.protocol}, {protocol}"
    if name == "label_agreement" and judges.segmenter is not None:
        protocol = f"{protocol}; {judges.segmenter.description}"
    if equal:
        protocol = f"{protocol}; {equal} of {number} equal theirs and are left out of the mean"
    return Measure(
        curve.mean if curve.count else inf,
        of_real.mean if of_real.count else None,
        f"{number} synthetic and {of_real.count} real {unit}"
        if of_real.count
        else f"{number} {unit}",
        protocol,
    )


def _few_views(name: str, real: StoreFigures, synthetic: StoreFigures) -> list[str]:
    counts = [count for it in (synthetic, real) if (count := _curve(it, name).count)]
    if not name.startswith("identity") or min(counts) >= _FEW_VIEWS:
        return []
    told = " and ".join(map(str, counts))
    return [
        f"{TITLES[name][0]} of {told} views: few, {_FEW_VIEWS} or more of each store say something"
    ]


def _curve(figures: StoreFigures, name: str) -> Curve:
    if name == "identity":
        return figures.identity.by_age
    if name == "identity_after_occlusion":
        return figures.identity.after_occlusion
    return figures.curves.get(name, Curve(1))


def _class_iou(
    judges: Judges, real: StoreFigures, synthetic: StoreFigures
) -> dict[str, tuple[float | None, float | None]]:
    if judges.segmenter is None:
        return {}
    sides = [synthetic.confusion.iou(), real.confusion.iou()]
    return {name: (_known(sides[0][name]), _known(sides[1][name])) for name in sides[0]}


def _class_share(
    judges: Judges, real: StoreFigures, synthetic: StoreFigures
) -> dict[str, tuple[float, float]]:
    if judges.segmenter is None:
        return {}
    shares = [synthetic.confusion.true_share(), real.confusion.true_share()]
    return {name: (shares[0][name], shares[1][name]) for name in shares[0]}


def _known(value: float) -> float | None:
    return None if isnan(value) else value


def _curves(real: StoreFigures, synthetic: StoreFigures) -> dict[str, dict[str, Curve]]:
    """Return the curves of both stores by measure, of the measures that the synthetic one has."""
    sides = {"synthetic": synthetic, "real": real}
    return {
        name: {side: it for side, of in sides.items() if (it := _curve(of, name)).count}
        for name in _PROTOCOLS
        if _curve(synthetic, name).count
    }
