"""What a training config may ask for, given the store and the networks."""

from math import gcd, lcm

from svsdata.crops import crop_advice, rows_of_shape
from svsdata.errors import ConfigError
from svsdata.labels import CITYSCAPES
from svsdata.nets.models import AnyConfig, changed_config, image_size_multiple, model_config
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.train_presets import presets_by_shape
from svsdata.progress import Progress
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader
from svsdata.training.sampler import Recording
from svsdata.training.schedules import Phase


def generator_shape(config: TrainConfig) -> AnyConfig:
    """Return the generator's config but for the classes of the store."""
    return changed_config(model_config(config.model, 1), **config.network.model_dump())


def check_choices(config: TrainConfig, store_hw: tuple[int, int]) -> None:
    """Refuse sizes that fit neither store nor networks, and what a network cannot do."""
    needing = {"labelmix": "LabelMix", "patch_heads": "patch heads", "alignment": "alignment"}
    for name, term in needing.items():
        if config.model == "A" and getattr(config.loss_weights, name):
            raise ConfigError(
                f"{term}: needs a discriminator that segments, model A has one of patches; "
                f"set loss_weights.{name}=0 or train model B"
            )
    shape = generator_shape(config)
    reader = f"model {config.model}"
    reader += " with network.motion_sees_image" if config.network.motion_sees_image else ""
    if config.given_motion and not shape.labels_tell_motion:
        raise ConfigError(
            f"given_motion is {config.given_motion:g}, and {reader} draws its flow together with "
            "the frame; leave it at 0, or train another model"
        )
    most = 0
    for phase in config.phases:
        _check_size(config.model, phase, store_hw)
        asks_for_motion = config.given_motion < 1 or phase.learns == "motion"
        if phase.crop_hw is not None and shape.sees_position and asks_for_motion:
            raise ConfigError(
                f"a phase has crop_hw, and model {config.model} tells near from far by where in "
                "the frame a pixel lies: train another model, whole frames, or with motion always "
                "given (given_motion=1)"
            )
        if phase.extra_blocks < most:
            raise ConfigError(
                f"a phase has {phase.extra_blocks} extra_blocks after one with {most}; generators "
                "only grow: put larger sizes last"
            )
        if phase.fade_in and config.model in ("A", "B"):
            raise ConfigError(
                f"a phase has fade_in, which model {config.model} has not; leave it out"
            )
        if phase.learns == "new_blocks" and not phase.extra_blocks:
            raise ConfigError("a phase learns new_blocks and has no extra_blocks to train")
        if phase.learns == "motion" and not shape.labels_tell_motion:
            raise ConfigError(
                f"a phase learns motion, which {reader} reads off pictures too; "
                "leave that phase out, or train another model"
            )
        most = phase.extra_blocks


def _check_size(model: str, phase: Phase, store_hw: tuple[int, int]) -> None:
    """Refuse a size that fits neither store nor networks."""
    height, width = phase.size_hw
    shape = model_config(model, 1, extra_blocks=phase.extra_blocks)
    multiple = max(shape.size_multiple, image_size_multiple(model))
    least = 2 * shape.size_multiple
    if height * store_hw[1] != width * store_hw[0]:
        raise ConfigError(
            f"a phase trains at {width}x{height}, the store holds {store_hw[1]}x{store_hw[0]}, "
            f"another aspect ratio; {_advice_of_shape(phase, store_hw, multiple)}"
        )
    if min(phase.margin_hw) < 0:
        raise ConfigError(
            f"a phase has crop_hw {list(phase.seen_hw)}, larger than its size_hw [{height}, "
            f"{width}]: rows and columns of a crop lie inside the frame"
        )
    height, width = phase.seen_hw
    if height % multiple or width % multiple:
        raise ConfigError(
            f"a phase trains at {width}x{height}: model {model} needs sides that are "
            f"multiples of {multiple}"
        )
    if min(height, width) < least:
        blocks = f" with {phase.extra_blocks} extra_blocks" if phase.extra_blocks else ""
        raise ConfigError(
            f"a phase trains at {width}x{height}: model {model}{blocks} needs sides of at least "
            f"{least}"
        )


def _advice_of_shape(phase: Phase, store_hw: tuple[int, int], multiple: int) -> str:
    """Say what makes a store of another aspect ratio trainable."""
    shapes = presets_by_shape()
    for shape, names in shapes.items():
        if rows_of_shape(store_hw, shape) == store_hw[0]:
            return f"choose --preset {' or '.join(names)}"
    crops = [shape for shape in (phase.size_hw, *shapes) if rows_of_shape(store_hw, shape)]
    advice = crop_advice(store_hw, crops[0] if crops else phase.size_hw)
    if crops and crops[0] in shapes:
        advice += f", and train with --preset {' or '.join(shapes[crops[0]])}"
    own = _size_of_shape(store_hw, multiple)
    if own[0] <= store_hw[0]:
        advice += (
            f"; or choose sizes of its own shape, {own[1]}x{own[0]} times 1, 2, ..., in phases"
        )
    return advice


def _size_of_shape(size_hw: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Return the smallest size of an aspect ratio whose sides are multiples."""
    common = gcd(*size_hw)
    height, width = size_hw[0] // common, size_hw[1] // common
    factor = lcm(multiple // gcd(height, multiple), multiple // gcd(width, multiple))
    return height * factor, width * factor


def tell_enlarged(config: TrainConfig, store_hw: tuple[int, int], progress: Progress) -> None:
    """Note sizes above the store's: its frames hold no such detail to learn."""
    sizes = {phase.size_hw: None for phase in config.phases if phase.size_hw[0] > store_hw[0]}
    if sizes:
        named = ", ".join(f"{width}x{height}" for height, width in sizes)
        progress.note(
            f"the store holds {store_hw[1]}x{store_hw[0]}: what is trained at {named} sees its "
            "frames enlarged, without more detail"
        )


def check_terms(config: TrainConfig, *, uses_flow: bool) -> None:
    """Refuse a phase with steps that would have nothing to learn from."""
    weights = config.loss_weights
    motion = ["warp", "occlusion", *(["flow"] if uses_flow else [])]
    pictures = ["image_adversarial", "feature_matching", "pixel", "patch_heads", "alignment"]
    pictures += ["consistency"] if uses_flow else []
    pictures += ["perceptual"] if config.perceptual_weights is not None else []
    pictures += ["distillation"] if config.teacher is not None else []
    for phase in config.phases:
        if phase.learns == "motion":
            terms = motion
        elif phase.learns == "new_blocks" or config.given_motion:
            terms = pictures
        else:
            terms = pictures + motion
        if not any(getattr(weights, term) for term in terms):
            alone = f" that learns {phase.learns}" if phase.learns != "all" else ""
            raise ConfigError(
                f"a phase{alone} has steps without any loss: loss_weights of {', '.join(terms)} "
                "are all 0; set one of them above 0"
            )


def check_guidance(
    config: TrainConfig, reader: StoreReader, recordings: tuple[Recording, ...]
) -> None:
    """Refuse frames that cannot tell where points of the world are."""
    if config.frame_stride > 1:
        raise ConfigError(
            f"network.guidance follows points from frame to frame, and frame_stride is "
            f"{config.frame_stride}; set one of them aside, or label the recording with fewer "
            "frames a second"
        )
    first = next(reader.read(recordings[0].sequence_id, 0, 1, layers=()))
    known = {
        "flow": "flow" in reader.info.modalities,
        "camera": first.camera is not None,
        "ego motion": first.ego is not None,
    }
    missing = [name for name, is_there in known.items() if not is_there]
    if missing:
        raise ConfigError(
            f"network.guidance needs flow, camera and ego motion, and store '{config.store}' has "
            f"no {' and no '.join(missing)}; label it with flow, or leave network.guidance out"
        )


def check_rehearsal(info: StoreInfo) -> None:
    """Refuse to rehearse streets beside labels that mean something else."""
    if info.label_set != CITYSCAPES:
        raise ConfigError(
            f"rehearsal shows the built-in street, labelled '{CITYSCAPES.name}', and the store "
            f"holds '{info.label_set.name}'; set rehearsal=0"
        )
