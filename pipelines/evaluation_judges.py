"""Who judges an evaluation: the networks whose weights are at hand, and why others are not."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from svsdata.checkpoints.feature_weights import load_weights
from svsdata.errors import WeightsError
from svsdata.estimation.flow_estimators import DisFlow
from svsdata.estimation.segmenters import Segmenter
from svsdata.evaluation.clip_figures import Judges, PairDistance
from svsdata.evaluation.features import (
    FeatureExtractor,
    fid_extractor,
    fvd_cd_extractor,
    fvd_i3d_extractor,
)
from svsdata.labels import LabelSet
from svsdata.nets.features.i3d import I3d
from svsdata.nets.features.inception import Inception
from svsdata.nets.features.lpips import Lpips
from svsdata.nets.features.videomae import NUM_FRAMES, VideoMae, VideoMaeConfig
from svsdata.pipelines.configs.evaluate import EvaluateConfig
from svsdata.pipelines.judge_choice import NO_JUDGE, chosen_judge
from svsdata.synthesis.compute import chosen_device
from svsdata.tensors import image_to_tensor

Network = TypeVar("Network", bound=torch.nn.Module)


def build_judges(config: EvaluateConfig, label_set: LabelSet) -> tuple[Judges, dict[str, str]]:
    """Load the networks that the wanted measures need.

    Returns:
        The judges, and the reason of every wanted measure that lacks its weights.
    """
    device = str(chosen_device(config.device))
    missing: dict[str, str] = {}
    extractors = []
    for name, build in _EXTRACTORS.items():
        if name in config.metrics:
            try:
                extractors.append(build(config, device))
            except WeightsError as error:
                missing[name] = str(error)
    lpips = None
    if "lpips" in config.metrics:
        try:
            lpips = _lpips(config, device)
        except WeightsError as error:
            missing["lpips"] = str(error)
    segmenter = None
    if "miou" in config.metrics:
        try:
            segmenter = _segmenter(config, label_set, device)
        except WeightsError as error:
            missing["miou"] = str(error)
    wanted = frozenset(config.metrics)
    flow = DisFlow(check=False) if "flow_epe" in wanted else None
    return Judges(tuple(extractors), lpips, segmenter, flow, wanted), missing


def _fid(config: EvaluateConfig, device: str) -> FeatureExtractor:
    network, weights = load_weights(Inception(), config.weights.inception, config.weights_folder)
    return fid_extractor(
        _placed(network, device), weights, variant=config.fid_variant, device=device
    )


def _fvd_i3d(config: EvaluateConfig, device: str) -> FeatureExtractor:
    network, weights = load_weights(I3d(), config.weights.i3d, config.weights_folder)
    return fvd_i3d_extractor(_placed(network, device), weights, device=device)


def _fvd_cd(config: EvaluateConfig, device: str) -> FeatureExtractor:
    if config.clip_frames != NUM_FRAMES:
        raise WeightsError(f"it takes clips of {NUM_FRAMES} frames, not {config.clip_frames}")
    with torch.device("meta"):  # a thousand million random numbers would only be overwritten
        network = VideoMae(VideoMaeConfig())
    network, weights = load_weights(network, config.weights.videomae, config.weights_folder)
    return fvd_cd_extractor(_placed(network, device), weights, device=device)


_EXTRACTORS: dict[str, Callable[[EvaluateConfig, str], FeatureExtractor]] = {
    "fid": _fid,
    "fvd_i3d": _fvd_i3d,
    "fvd_cd": _fvd_cd,
}


def _lpips(config: EvaluateConfig, device: str) -> PairDistance:
    name = config.weights.lpips or f"lpips-{config.lpips_trunk}"
    network, _ = load_weights(Lpips(config.lpips_trunk), name, config.weights_folder)
    placed = _placed(network, device)

    @torch.inference_mode()
    def distances(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float32]:
        pairs = (image_to_tensor(side).to(device) for side in (images, others))
        found: torch.Tensor = placed(*pairs)
        return found.cpu().numpy()

    return distances


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
