"""Who judges an evaluation: the networks whose weights are at hand, and why others are not."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch

from svsdata.checkpoints.feature_weights import load_weights
from svsdata.checkpoints.named_weights import cached_file
from svsdata.errors import WeightsError
from svsdata.estimation.flow_estimators import DisFlow
from svsdata.estimation.segmenters import Segmenter
from svsdata.evaluation.clip_figures import Judges
from svsdata.evaluation.features import (
    FeatureExtractor,
    PairDistance,
    fid_extractor,
    fvd_cd_extractor,
    fvd_i3d_extractor,
    lpips_distance,
)
from svsdata.evaluation.fidelity import WINDOW
from svsdata.labels import LabelSet
from svsdata.nets.features.i3d import I3d
from svsdata.nets.features.inception import Inception
from svsdata.nets.features.lpips import Lpips
from svsdata.nets.features.videomae import NUM_FRAMES, VideoMae, VideoMaeConfig
from svsdata.pipelines.configs.evaluate import EvaluateConfig, Metric
from svsdata.pipelines.judge_choice import NO_JUDGE, chosen_judge
from svsdata.synthesis.compute import chosen_device, chosen_dtype

_SMALLEST_SIDE: dict[str, int] = {"lpips": 32, "ssim": WINDOW}

_WEIGHTS_FIELDS: dict[Metric, str] = {
    "fid": "inception", "fvd_i3d": "i3d", "fvd_cd": "videomae", "lpips": "lpips",
}  # fmt: skip

Loaded = TypeVar("Loaded")
Network = TypeVar("Network", bound=torch.nn.Module)


def build_judges(
    config: EvaluateConfig, label_set: LabelSet, size_hw: tuple[int, int]
) -> tuple[Judges, dict[str, str]]:
    """Load the networks that the wanted measures need.

    Returns:
        The judges, and the reason of every wanted measure that cannot be taken.

    Raises:
        WeightsError: If weights or a judge that the config names cannot be loaded, weights that it
            does not name are damaged, or no wanted measure can be taken.
    """
    device = str(chosen_device(config.device))
    missing = _unfit(config, size_hw)
    wanted = frozenset(config.metrics) - set(missing)

    def loaded(name: Metric, build: Callable[[], Loaded]) -> Loaded | None:
        if name not in wanted:
            return None
        try:
            return build()
        except WeightsError as error:
            if not _may_be_missing(name, config):
                raise WeightsError(f"{name}: {error}") from error
            missing[name] = str(error)
            return None

    extractors = [
        loaded(name, partial(build, config, device)) for name, build in _EXTRACTORS.items()
    ]
    judges = Judges(
        tuple(extractor for extractor in extractors if extractor is not None),
        loaded("lpips", lambda: _lpips(config, device)),
        loaded("miou", lambda: _segmenter(config, label_set, device)),
        DisFlow(check=False) if "flow_epe" in wanted else None,
        wanted,
    )
    if set(config.metrics) <= set(missing):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in missing.items())
        raise WeightsError(f"nothing can be measured; {reasons}")
    return judges, missing


def _may_be_missing(name: Metric, config: EvaluateConfig) -> bool:
    """Tell whether nobody named who judges, and its usual weights are not here."""
    if name == "miou":
        return config.judge is None
    field = _WEIGHTS_FIELDS[name]
    if field in config.weights.model_fields_set:
        return False
    weights = getattr(config.weights, field) or f"lpips-{config.lpips_trunk}"
    return not cached_file(weights, config.weights_folder).exists()


def _unfit(config: EvaluateConfig, size_hw: tuple[int, int]) -> dict[str, str]:
    """Return the wanted measures that cannot take such frames or clips, and why."""
    unfit: dict[str, str] = {
        name: f"frames of {size_hw[1]}x{size_hw[0]} are too small, it takes {side} pixels a side"
        for name, side in _SMALLEST_SIDE.items()
        if name in config.metrics and min(size_hw) < side
    }
    if "fvd_cd" in config.metrics and config.clip_frames != NUM_FRAMES:
        unfit["fvd_cd"] = f"it takes clips of {NUM_FRAMES} frames, not {config.clip_frames}"
    return unfit


def dtype_of(metric: Metric, config: EvaluateConfig) -> torch.dtype:
    """Return what a measure's network computes in.

    Left to itself bf16 is for what it was found to move by less than 0.1 %, LPIPS with AlexNet; it
    moved FID by 0.15 and FVD by 0.12 % (docs/benchmarks/evaluation.md).
    """
    is_safe = metric == "lpips" and config.lpips_trunk == "alex"
    if config.precision == "auto" and not is_safe:
        return torch.float32
    return chosen_dtype(config.precision, chosen_device(config.device))


def _fid(config: EvaluateConfig, device: str) -> FeatureExtractor:
    network, weights = load_weights(Inception(), config.weights.inception, config.weights_folder)
    network.fold_norms()
    return fid_extractor(
        _placed(network, device),
        weights,
        variant=config.fid_variant,
        device=device,
        dtype=dtype_of("fid", config),
    )


def _fvd_i3d(config: EvaluateConfig, device: str) -> FeatureExtractor:
    network, weights = load_weights(I3d(), config.weights.i3d, config.weights_folder)
    return fvd_i3d_extractor(
        _placed(network, device), weights, **_of_fvd("fvd_i3d", config, device)
    )


def _fvd_cd(config: EvaluateConfig, device: str) -> FeatureExtractor:
    with torch.device("meta"):  # a thousand million random numbers would only be overwritten
        network = VideoMae(VideoMaeConfig())
    network, weights = load_weights(network, config.weights.videomae, config.weights_folder)
    return fvd_cd_extractor(_placed(network, device), weights, **_of_fvd("fvd_cd", config, device))


def _of_fvd(metric: Metric, config: EvaluateConfig, device: str) -> dict[str, Any]:
    """Return what both extractors of FVD are told."""
    return {
        "device": device,
        "dtype": dtype_of(metric, config),
        "framing": config.fvd_framing,
        "ddof": config.fvd_ddof,
    }


_EXTRACTORS: dict[Metric, Callable[[EvaluateConfig, str], FeatureExtractor]] = {
    "fid": _fid,
    "fvd_i3d": _fvd_i3d,
    "fvd_cd": _fvd_cd,
}


def _lpips(config: EvaluateConfig, device: str) -> PairDistance:
    name = config.weights.lpips or f"lpips-{config.lpips_trunk}"
    network, weights = load_weights(Lpips(config.lpips_trunk), name, config.weights_folder)
    dtype = dtype_of("lpips", config)
    return lpips_distance(_placed(network, device), weights, device=device, dtype=dtype)


def _segmenter(config: EvaluateConfig, label_set: LabelSet, device: str) -> Segmenter:
    if config.judge is None:
        raise WeightsError(NO_JUDGE)
    return chosen_judge(
        config.judge,
        label_set,
        height=config.judge_height,
        drn_weights=config.weights.drn,
        weights_folder=config.weights_folder,
        device=device,
    )


def _placed(network: Network, device: str) -> Network:
    network.to(device)
    if not any(isinstance(module, torch.nn.Conv3d) for module in network.modules()):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
