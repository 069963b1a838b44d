"""What ``svsdata train`` can be told."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from svsdata.pipelines.configs.base import StageConfig
from svsdata.training.schedules import Phase


class LossWeights(StageConfig):
    """Factor of each term of the generator's loss; 0 leaves the term out (svs-gan eq. 1-7)."""

    image_adversarial: float = Field(1.0, ge=0)
    """OASIS loss of the image discriminator (eq. 2)."""
    video_adversarial: float = Field(1.0, ge=0)
    """Sum over both video discriminators (eq. 3)."""
    flow: float = Field(10.0, ge=0)
    """Distance to the store's flow, in pixels (eq. 6, first term); each extra block, which doubles
    them, halves it."""
    warp: float = Field(10.0, ge=0)
    """Distance of the warped real previous frame to the real frame (eq. 6, second term)."""
    perceptual: float = Field(10.0, ge=0)
    """Distance of VGG19 features (eq. 4); needs ``perceptual_weights``."""
    feature_matching: float = Field(10.0, ge=0)
    """Distance of the discriminators' features (eq. 5)."""
    occlusion: float = Field(1.0, ge=0)
    """Occlusion mask against the store's occlusion; not in the paper, keeps the mask alive."""
    pixel: float = Field(0.0, ge=0)
    """L1 to the real frame, also of what is drawn before the warped image is mixed in; not in the
    paper, stands in where no perceptual weights are."""
    consistency: float = Field(0.0, ge=0)
    """Distance to the previous generated frame, warped by the store's flow; vid2vid's, 10 there."""
    guidance: float = Field(20.0, ge=0)
    """Distance to what guidance shows, where it shows anything; needs ``network.guidance``.
    World-consistent vid2vid's; not in the paper."""
    distillation: float = Field(10.0, ge=0)
    """Distance to the frames of ``teacher``, and to their VGG features; needs one. Fast-vid2vid's;
    not in the paper."""
    labelmix: float = Field(0.0, ge=0)
    """Consistency of the image discriminator under LabelMix, OASIS' own, 5 there on Cityscapes; not
    in the paper. Of no use to model A, whose discriminator does not segment."""
    patch_heads: float = Field(0.0, ge=0)
    """Hinge loss of two heads on the image discriminator that judge patches; above 0 gives it those
    heads. DP-GAN's, 1 there; not in the paper, and not for model A."""
    alignment: float = Field(0.0, ge=0)
    """Squared distance of the image discriminator's later features to the real frame's; DP-GAN's, 1
    there; not in the paper, and not for model A."""


class NetworkChanges(StageConfig):
    """What a generator has otherwise than its model; A and B have nothing otherwise."""

    fusion: Literal["proj", "blend", "gate", "cat"] | None = None
    """How generated features x and carried-over ones s meet under the occlusion mask m. ``proj``: a
    1x1 convolution of both, weighed; ``blend``: m x + (1 - m) s; ``gate``: x + (1 - m) s; ``cat``:
    x beside (1 - m) s. None: the model's."""
    image_sees_occlusion: bool = False
    """The image encoder sees the occlusion mask beside the warped image; not for D."""
    motion_sees_image: bool = False
    """The motion network sees the previous image beside the labels, whose texture may tell motion
    where labels do not. Then it cannot be learned first, nor be given."""
    guidance: bool = False
    """The finest blocks are shown the colours that the standing world had when it was first seen,
    also where something has hidden it since (world-consistent vid2vid). Needs a store with flow,
    camera and ego motion, in training and in synthesis."""
    object_colours: bool = False
    """What is drawn anew of an object is shown to the generator in the object's colour, so that it
    need not guess, and a video's objects can be given colours; needs instance maps to learn from.
    ``carry`` sees them anyway; not for D."""
    forgetting: float | None = Field(None, ge=0, lt=1)
    """Least share of every pixel that is drawn anew where motion is given. Less lets what labels do
    not tell, such as lane marks, last longer, and mistakes too. None: the model's."""


LENGTHS = (6, 12, 24, 30)
"""Frames of the paper's clips, as they grow (svs-gan 4.1)."""


def paper_phases(size_hw: tuple[int, int]) -> tuple[Phase, ...]:
    """Lengths 6, 12, 24, 30 over 20 epochs, then 20 epochs of falling rate (svs-gan 4.1)."""
    growing = [Phase(5, frames, size_hw, 2e-4) for frames in LENGTHS]
    return (*growing, Phase(20, 30, size_hw, 2e-4, 0.0))


class TrainConfig(StageConfig):
    """One training run; defaults are the paper's (docs/training.md)."""

    store: Path
    """Training store."""
    run: Path
    """Run directory: config, checkpoints, figures, previews."""
    model: str = "C"
    """Network: see ``svsdata model table``."""
    network: NetworkChanges = NetworkChanges()
    """What the generator has otherwise than its model."""
    width: float = Field(1.0, gt=0)
    """Factor of the channels of all networks: below 1 for less memory, or to try things out."""
    initial_weights: Literal["torch", "xavier", "normal"] = "torch"
    """What a run begins with. ``torch``: convolutions uniform by fan-in. ``xavier``: normal with
    gain 0.02, as SPADE and OASIS do. ``normal``: standard deviation 0.02, as vid2vid does. The
    paper says nothing; what starts at zero or as a blend does so in all."""
    start_from: Path | None = None
    """Begin with the weights of a generator file, checkpoint or run (its discriminators too), or of
    ``demo``, the bundled generator, instead of random ones; what does not fit is told. None: random
    weights from the seed."""
    teacher: Path | None = None
    """A generator file, checkpoint or run whose frames are to be drawn too, in phases of its size
    (knowledge distillation). None: the run learns from recordings alone."""
    phases: tuple[Phase, ...] = Field(paper_phases((256, 512)), min_length=1)
    """Lengths, sizes and learning rates by epochs."""
    steps: int | None = Field(None, ge=1)
    """Scale the phases to this many steps; None: as many as the epochs hold."""
    backprop_frames: int = Field(1, ge=1)
    """Frames of a clip that one step generates, and that gradients reach back over."""
    loss_weights: LossWeights = LossWeights()
    video_gan: Literal["ls", "bce", "hinge"] = "ls"
    """Loss of the video discriminators; the paper's formula is ``bce``, vid2vid's code ``ls``."""
    video_resolutions: int = Field(2, ge=1, le=4)
    """Sizes at which each video discriminator looks, each half of the one before: 2, in vid2vid 3
    for 1024x512 and 4 for 2048x1024."""
    max_class_weight: float | None = Field(None, gt=0)
    """Limit of a rare class's weight in the OASIS loss; None: the paper's, none."""
    perceptual_weights: str | None = None
    """VGG weights: ``vgg16`` or ``vgg19``, as ``svsdata weights fetch`` keeps them, or the path of
    a file; None leaves the perceptual loss out."""
    weights_folder: Path = Path("~/.cache/svsdata/weights")
    """Where ``svsdata weights fetch`` keeps weights."""
    instance_edges: bool = True
    """Feed the borders of instances where the store has instance maps."""
    flips: bool = True
    """Show every clip in the mirror half of the time."""
    frame_stride: int = Field(1, ge=1)
    """Clips take every so manieth frame of a recording: 3 learns from 30 frames a second what 10 a
    second show. The flow of the frames between is chained."""
    perturbed_feedback: float = Field(0.1, ge=0, le=1)
    """Probability that a step's previous frame is disturbed, so that drift is pulled back."""
    reference_free: float = Field(0.1, ge=0, le=1)
    """Probability that a clip starts without a reference frame."""
    given_motion: float = Field(0.0, ge=0, le=1)
    """Probability that a clip is warped by the store's flow instead of the network's own; above 0,
    synthesis can follow the flow of the store that it takes its labels from."""
    rehearsal: float = Field(0.0, ge=0, lt=1)
    """Probability that a clip shows the built-in street instead of the store: what starts from the
    bundled generator then keeps what the store seldom shows, such as trucks."""
    discriminator_rate: float = Field(1.0, gt=0)
    """Learning rate of the discriminators over the generator's."""
    ema_decay: float = Field(0.999, ge=0, lt=1)
    """Decay of the running average of weights that synthesis uses."""
    ema_start: int = Field(500, ge=0)
    """Steps before the average begins; until then it copies."""
    max_gradient_norm: float | None = Field(None, gt=0)
    """Clip each network's gradient to this length; None: off."""
    precision: Literal["auto", "bf16", "fp16", "float32"] = "auto"
    """``auto``: bf16 autocast where the processor computes in bf16, else float32. ``fp16``: with
    scaled losses, for GPUs without bf16."""
    checkpoint_activations: bool = False
    """Compute activations again on the way back instead of keeping them: less memory, a third more
    time, the same result."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes a GPU where there is one."""
    seed: int = Field(0, ge=0)
    """Of initial weights, clips and noise."""
    checkpoint_steps: int = Field(500, ge=1)
    """Steps between checkpoints."""
    keep_checkpoints: int = Field(2, ge=1)
    """Newest checkpoints that stay."""
    log_steps: int = Field(20, ge=1)
    """Steps between lines of stats.jsonl; each is the mean over them."""
    preview_steps: int = Field(250, ge=1)
    """Steps between previews, each a strip and a video."""


MAY_DIFFER = (
    "store", "run", "teacher", "device", "weights_folder",
    "checkpoint_steps", "keep_checkpoints", "log_steps", "preview_steps",
)  # fmt: skip
"""Fields that may change between the calls of one run: paths (store and teacher are known by their
content) and what is shown and saved."""
