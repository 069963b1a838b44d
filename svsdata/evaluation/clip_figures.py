"""What is measured of one store, clip after clip, in constant memory."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import isinf, nan

import numpy as np
from numpy.typing import NDArray

from svsdata.estimation.flow_estimators import FlowEstimator
from svsdata.estimation.ground_alignment import GROUND_ALIGNED, with_ground_aligned
from svsdata.estimation.segmenters import Segmenter
from svsdata.evaluation.curves import ClassColors, Curve
from svsdata.evaluation.features import FeatureExtractor, PairDistance
from svsdata.evaluation.fidelity import psnr, ssim
from svsdata.evaluation.frechet import FeatureStatistics
from svsdata.evaluation.identity import Identity
from svsdata.evaluation.segmentation import Confusion
from svsdata.evaluation.temporal import (
    endpoint_error,
    outlier_share,
    visible_pixels,
    warping_error,
)
from svsdata.labels import LabelSet
from svsdata.records import Flow, Frame, Image, Mask, SemanticMap

_WITHOUT_A_JUDGE = frozenset({"psnr", "ssim", "warping_error", "drift", "identity"})


@dataclass(frozen=True)
class Judges:
    """Who judges: networks that are at hand, and figures that are wanted."""

    extractors: tuple[FeatureExtractor, ...] = ()
    lpips: PairDistance | None = None
    segmenter: Segmenter | None = None
    flow: FlowEstimator | None = None
    wanted: frozenset[str] = frozenset()

    def told(self) -> dict[str, str]:
        """Return who judges, by measure as the config names it; networks with their weights."""
        told = {extractor.name: extractor.protocol for extractor in self.extractors}
        if self.lpips is not None:
            told["lpips"] = self.lpips.protocol
        if self.segmenter is not None:
            told["miou"] = self.segmenter.description
        if self.flow is not None:
            told["flow_epe"] = self.flow.description
        return told

    def measures(self) -> list[str]:
        """Return what is measured by them, as the config names it, in order."""
        return sorted({*self.told(), *(self.wanted & _WITHOUT_A_JUDGE)})

    def only(self, metrics: Collection[str]) -> "Judges":
        """Return those who judge for some measures, by their names in the config."""
        return Judges(
            tuple(extractor for extractor in self.extractors if extractor.name in metrics),
            self.lpips if "lpips" in metrics else None,
            self.segmenter if "miou" in metrics else None,
            self.flow if "flow_epe" in metrics else None,
            self.wanted & frozenset(metrics),
        )


@dataclass(frozen=True)
class Clip:
    """Consecutive frames of one sequence, and what they are compared with."""

    sequence_id: str
    frames: Sequence[Frame]
    before: Frame | None
    """The frame before the first."""
    originals: Sequence[Frame | None] = ()
    """For a synthetic clip the recorded frames that its labels come from, where there are any."""
    is_whole: bool = True
    """As long as clips are; a sequence's rest is not."""

    @property
    def first_index(self) -> int:
        """Index of the first frame."""
        return self.frames[0].frame_index


@dataclass(frozen=True)
class ClipFigures:
    """Means over one clip; a figure that could not be taken is missing."""

    clip: Clip
    figures: dict[str, float]
    predictions: tuple[SemanticMap, ...] = ()


@dataclass
class StoreFigures:
    """Running figures of one store; those of parts of it merge into those of the whole."""

    label_set: LabelSet
    judges: Judges
    bin_frames: int

    def __post_init__(self) -> None:
        self.features = {
            extractor.name: FeatureStatistics(extractor.dimensions)
            for extractor in self.judges.extractors
        }
        self.confusion = Confusion.empty(self.label_set)
        self.colors = ClassColors(self.label_set.num_classes, self.bin_frames)
        self.identity = Identity(Curve(self.bin_frames), Curve(self.bin_frames))
        self.curves: dict[str, Curve] = {}
        self.num_frames = 0
        self.num_equal = 0  # frames equal to the recorded ones, whose PSNR is infinite
        self._sequence_id = ""

    def add(self, clip: Clip) -> ClipFigures:
        """Take in a clip; clips of a sequence come in order."""
        self.num_frames += len(clip.frames)
        images = np.stack([image_of(frame) for frame in clip.frames])
        for extractor in self.judges.extractors:
            if clip.is_whole or not extractor.of_clips:
                self.features[extractor.name].add(extractor.extract(images))
        figures: dict[str, list[float]] = {}
        predictions = self._judge_labels(clip, images, figures)
        self._judge_motion(clip, figures)
        self._judge_looks(clip)
        self._compare(clip, images, figures)
        for name, values in figures.items():
            curve = self.curves.setdefault(name, Curve(self.bin_frames))
            for frame, value in zip(clip.frames, values, strict=True):
                curve.add(frame.frame_index, value)
        means = {name: _mean(values) for name, values in figures.items()}
        return ClipFigures(
            clip, {name: value for name, value in means.items() if value == value}, predictions
        )

    def merge(self, other: "StoreFigures") -> None:
        """Take in what another one has measured by the same judges, of other frames.

        Parts may be cut between sequences, or between two clips of one where the later part begins
        with the frame ``before``; objects then count from their first view in each part (see
        ``Identity.merge``), all other figures are those of the whole.

        Raises:
            ValueError: If they differ in label set, networks or bins.
        """
        if other.label_set != self.label_set or other.features.keys() != self.features.keys():
            raise ValueError("figures by other judges or of another label set do not add up")
        for name, statistics in other.features.items():
            self.features[name].merge(statistics)
        for name, curve in other.curves.items():
            self.curves.setdefault(name, Curve(self.bin_frames)).merge(curve)
        self.confusion = self.confusion + other.confusion
        self.colors.merge(other.colors)
        self.identity.merge(other.identity)
        self.num_frames += other.num_frames
        self.num_equal += other.num_equal

    def compare_colors(self, usual: NDArray[np.float64]) -> None:
        """Measure how far frames are from (K, 3) usual colours of the classes."""
        self.curves["color_distance"] = self.colors.distances(usual)

    def _judge_labels(
        self, clip: Clip, images: NDArray[np.uint8], figures: dict[str, list[float]]
    ) -> tuple[SemanticMap, ...]:
        if self.judges.segmenter is None:
            return ()
        predictions = [self.judges.segmenter.segment([image])[0].semantic for image in images]
        shares = []
        for frame, predicted in zip(clip.frames, predictions, strict=True):
            counted = Confusion.of(semantic_of(frame), predicted, self.label_set)
            self.confusion = self.confusion + counted
            shares.append(counted.pixel_accuracy())
        figures["label_agreement"] = shares
        return tuple(predictions)

    def _judge_motion(self, clip: Clip, figures: dict[str, list[float]]) -> None:
        previous = clip.before
        for place, (frame, original) in enumerate(_with_originals(clip)):
            motion = _motion(frame, original)
            if motion is not None and previous is not None:
                for name, error in self._motion_errors(previous, frame, *motion).items():
                    figures.setdefault(name, [nan] * len(clip.frames))[place] = error
            previous = frame

    def _motion_errors(
        self, previous: Frame, frame: Frame, flowing: Frame, visible: Mask
    ) -> dict[str, float]:
        """Return a frame's errors against the backward flow of another, or its own, where visible.

        Motion is estimated as that flow was: of flat ground by its plane, where the rows say so.
        """
        errors, flow = {}, flow_of(flowing)
        pair = image_of(previous), image_of(frame)
        if "warping_error" in self.judges.wanted:
            errors["warping_error"] = warping_error(*pair, flow, visible)
        if self.judges.flow is not None and visible.any():
            seen = replace(frame, flow=self.judges.flow.estimate(*pair).flow)
            if frame.camera is not None and GROUND_ALIGNED in flowing.models.get("flow", ""):
                seen = with_ground_aligned(pair[0], seen, frame.camera, self.label_set)
            errors["flow_epe"] = endpoint_error(flow_of(seen), flow, visible)
            errors["flow_outliers"] = outlier_share(flow_of(seen), flow, visible)
        return {name: error for name, error in errors.items() if error == error}

    def _judge_looks(self, clip: Clip) -> None:
        if self._sequence_id != clip.sequence_id:
            self.identity.forget(self._sequence_id)
            self._sequence_id = clip.sequence_id
        for frame in clip.frames:
            image = image_of(frame)
            if "drift" in self.judges.wanted:
                self.colors.add(frame.frame_index, image, semantic_of(frame))
            if "identity" in self.judges.wanted and frame.instance is not None:
                self.identity.add(clip.sequence_id, frame.frame_index, image, frame.instance)

    def _compare(
        self, clip: Clip, images: NDArray[np.uint8], figures: dict[str, list[float]]
    ) -> None:
        """Compare unedited frames with those that their labels come from."""
        places = [
            place
            for place, (frame, original) in enumerate(_with_originals(clip))
            if original is not None and original.image is not None and frame.plan_hash is None
        ]
        if not places:
            return
        originals = np.stack([image_of(clip.originals[place]) for place in places])
        found: dict[str, list[float]] = {}
        pairs = list(zip(images[places], originals, strict=True))
        if "psnr" in self.judges.wanted:
            found["psnr"] = [psnr(image, original) for image, original in pairs]
            self.num_equal += sum(isinf(value) for value in found["psnr"])
        if "ssim" in self.judges.wanted:
            found["ssim"] = [ssim(image, original) for image, original in pairs]
        if self.judges.lpips is not None:
            found["lpips"] = self.judges.lpips.measure(images[places], originals).tolist()
        for name, values in found.items():
            figures[name] = [float("nan")] * len(clip.frames)
            for place, value in zip(places, values, strict=True):
                figures[name][place] = value


def image_of(frame: Frame | None) -> Image:
    """Return a frame's image, which was asked for."""
    if frame is None or frame.image is None:
        raise ValueError("a frame was read without its image")
    return frame.image


def semantic_of(frame: Frame) -> SemanticMap:
    """Return a frame's labels, which were asked for."""
    if frame.semantic is None:
        raise ValueError("a frame was read without its labels")
    return frame.semantic


def flow_of(frame: Frame) -> Flow:
    """Return a frame's flow, which was asked for."""
    if frame.flow is None:
        raise ValueError("a frame was read without its flow")
    return frame.flow


def _motion(frame: Frame, original: Frame | None) -> tuple[Frame, Mask] | None:
    """Return the frame whose flow tells: itself, or, off the edits, its original; and where."""
    flowing = frame if frame.flow is not None else original
    if flowing is None or flowing.flow is None:
        return None
    visible = visible_pixels(flowing.flow, flowing.flow_validity, flowing.occlusion)
    if flowing is original and frame.provenance is not None:
        visible *= frame.provenance == 0
    return flowing, visible


def _with_originals(clip: Clip) -> list[tuple[Frame, Frame | None]]:
    originals = clip.originals or [None] * len(clip.frames)
    return list(zip(clip.frames, originals, strict=True))


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
