"""What a step computes with networks that learn: on one process, or on several as one."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from svsdata.nets.video_generator import GeneratorOutput
from svsdata.training.generating import generate, tell_motion
from svsdata.training.objective import Networks
from svsdata.training.processes import Share
from svsdata.training.schedules import Learns
from svsdata.training.updates import RealFeatures, discriminator_terms


@dataclass(frozen=True)
class Passes:
    """The ways forward on whose ways back something learns; their arguments are the functions'."""

    generate: Callable[..., GeneratorOutput] = generate
    judge: Callable[..., tuple[dict[str, Tensor], RealFeatures]] = discriminator_terms
    tell_motion: Callable[..., tuple[Tensor, Tensor]] = tell_motion


def joined_passes(networks: Networks, share: Share, *, learns: Learns) -> Passes:
    """Return them with the gradients of all processes joined.

    Args:
        networks: With the layers that are to learn already chosen.
        share: Of this process.
        learns: What of the networks.
    """
    generator, *discriminators = networks.by_name.values()
    if learns == "motion":
        return Passes(tell_motion=share.learning(tell_motion, generator))
    return Passes(
        share.learning(generate, generator), share.learning(discriminator_terms, *discriminators)
    )
