"""How the weights of a network are drawn before it learns."""

from typing import Literal, TypeAlias

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from svsdata.nets.svsgan.blocks import OcclusionFusion
from svsdata.nets.svsgan.spectral import settle_spectral_norms

InitialWeights: TypeAlias = Literal["torch", "xavier", "normal"]
"""``torch``: uniform by fan-in, as torch makes layers. ``xavier``: normal, gain 0.02 (SPADE, OASIS,
imaginaire). ``normal``: N(0, 0.02) (vid2vid)."""

_SCALE = 0.02


def draw_weights(network: nn.Module, kind: InitialWeights) -> None:
    """Draw the weights of all convolutions as ``kind`` says; their biases start at 0.

    What starts without weights, or as a blend, so that a network begins as something known, stays
    so, biases included.

    Args:
        network: As it was built; changed in place, by torch's global randomness.
        kind: ``torch`` leaves everything as it is.
    """
    if kind == "torch":
        return
    blends = {module.proj for module in network.modules() if isinstance(module, OcclusionFusion)}
    for module in network.modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            continue
        weight = _own_weight(module)
        outputs = weight.data.transpose(0, int(isinstance(module, nn.ConvTranspose2d)))
        silent = ~outputs.flatten(1).any(dim=1)
        if module.bias is not None:
            module.bias.data *= silent
        if module in blends or silent.all():
            continue
        if kind == "xavier":
            nn.init.xavier_normal_(weight, _SCALE)
        else:
            nn.init.normal_(weight, 0.0, _SCALE)
        outputs[silent] = 0
    settle_spectral_norms(network)


def _own_weight(module: nn.Module) -> Tensor:
    """Return the weight that learns, behind what is made of it."""
    names = dict(module.named_parameters())
    return names["parametrizations.weight.original" if is_parametrized(module) else "weight"]
