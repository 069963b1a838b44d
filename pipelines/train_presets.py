"""The presets of ``svsdata train``: the paper's training, and small ones for two cores."""

from math import gcd
from pathlib import Path

from svsdata.errors import ConfigError
from svsdata.pipelines.configs.train import (
    LENGTHS,
    LossWeights,
    NetworkChanges,
    TrainConfig,
    paper_phases,
)
from svsdata.training.schedules import Phase


def train_preset(name: str) -> dict[str, object]:
    """Return the fields that a preset sets.

    Raises:
        ConfigError: If there is no such preset; names those there are.
    """
    presets = _presets()
    if name not in presets:
        raise ConfigError(f"unknown preset '{name}' of train; known: {', '.join(presets)}")
    return presets[name]


def presets_by_shape() -> dict[tuple[int, int], list[str]]:
    """Return the presets by their frames' aspect ratio, height and width in lowest terms."""
    shapes: dict[tuple[int, int], list[str]] = {}
    for name in _presets():
        height, width = (
            TrainConfig(store=Path(), run=Path(), **train_preset(name)).phases[0].size_hw
        )
        common = gcd(height, width)
        shapes.setdefault((height // common, width // common), []).append(name)
    return shapes


def _presets() -> dict[str, dict[str, object]]:
    return {
        "demo": _demo(),
        "carry": _carry(),
        "finetune": _finetune(),
        "cityscapes": _paper((256, 512)),
        "kitti360": _paper((128, 512)),
        "recommended": _paper((256, 512))
        | {"loss_weights": LossWeights(labelmix=5.0), "initial_weights": "xavier"},
    }


def _doubled_phases(size_hw: tuple[int, int]) -> tuple[Phase, ...]:
    """The same lengths over 8 epochs at twice the size, the new block alone in the first."""
    height, width = size_hw
    full = (2 * height, 2 * width)
    alone = Phase(1, LENGTHS[0], full, 1e-4, extra_blocks=1, learns="new_blocks")
    rest = [
        Phase(2 - (frames == LENGTHS[0]), frames, full, 1e-4, extra_blocks=1) for frames in LENGTHS
    ]
    return (alone, *rest)


def _paper(size_hw: tuple[int, int]) -> dict[str, object]:
    """The paper's 20 + 20 + 8 epochs."""
    return {"model": "C", "phases": (*paper_phases(size_hw), *_doubled_phases(size_hw))}


_HALF, _FULL = (128, 256), (256, 512)
_DEMO_LOSSES = LossWeights(
    image_adversarial=0.5,
    video_adversarial=0.1,
    feature_matching=5.0,
    perceptual=0.0,
    pixel=20.0,
    occlusion=0.0,
)
_CARRY_LOSSES = _DEMO_LOSSES.model_copy(update={"occlusion": 5.0, "pixel": 15.0})


def _demo() -> dict[str, object]:
    """About two hours on two cores: half size first, clips that grow, then full size."""
    return {
        "model": "demo",
        "phases": (
            Phase(_epochs(0.1, 4, 2), 4, _HALF, 4e-4, batch_size=2),
            Phase(_epochs(0.33, 16, 2), 16, _HALF, 4e-4, batch_size=2),
            Phase(_epochs(0.22, 12, 1), 12, _FULL, 3e-4, 2e-4),
            Phase(_epochs(0.35, 44, 1), 44, _FULL, 2e-4, 1e-5),
        ),
        "steps": 4000,
        "loss_weights": _DEMO_LOSSES,
        "max_class_weight": 20.0,
        "perturbed_feedback": 0.2,
        "reference_free": 0.2,
        "discriminator_rate": 0.5,
    }


def _carry() -> dict[str, object]:
    """Motion first, then everything, on clips that grow; at half size, then at full size."""
    return _demo() | {
        "model": "carry",
        "phases": (
            Phase(_epochs(0.24, 2, 8), 2, _HALF, 1e-3, 3e-4, batch_size=8, learns="motion"),
            Phase(_epochs(0.2, 6, 2), 6, _HALF, 5e-4, batch_size=2),
            Phase(_epochs(0.08, 2, 4), 2, _FULL, 5e-4, 2e-4, batch_size=4, learns="motion"),
            Phase(_epochs(0.18, 8, 1), 8, _FULL, 4e-4, 3e-4),
            Phase(_epochs(0.3, 30, 1), 30, _FULL, 3e-4, 1e-5),
        ),
        "steps": 4200,
        "loss_weights": _CARRY_LOSSES,
        "perturbed_feedback": 0.0,
        "reference_free": 0.25,
        "given_motion": 0.6,
        "ema_decay": 0.99,
        "ema_start": 100,
    }


def _finetune() -> dict[str, object]:
    """From the bundled network to one's own recordings, on halves of frames along their flow."""
    return _carry() | {
        "start_from": Path("demo"),
        "phases": (
            Phase(_epochs(0.3, 8, 1), 8, _FULL, 2e-4, crop_hw=(256, 256)),
            Phase(_epochs(0.7, 30, 1), 30, _FULL, 2e-4, 2e-5, crop_hw=(256, 256)),
        ),
        "steps": 900,
        "loss_weights": _CARRY_LOSSES.model_copy(update={"perceptual": 10.0, "pixel": 10.0}),
        "perceptual_weights": "vgg16",
        "network": NetworkChanges(forgetting=0.02),
        "given_motion": 1.0,
        "rehearsal": 0.25,
        "ema_decay": 0.98,
        "ema_start": 20,
    }


def _epochs(share: float, clip_frames: int, batch_size: int) -> float:
    """Return the epochs that give a phase its share of the steps."""
    return share * batch_size / (clip_frames - 1)
