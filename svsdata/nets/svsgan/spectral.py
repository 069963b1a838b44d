"""Spectral norm of convolution weights, without side effects when a network is used.

torch's own moves its singular vectors at every use in training. Here ``advance_spectral_norms``
does so, once a step: a network used twice in a step is the same network, activations can be
computed again, and nothing is iterated on the meta device, where networks are built to be loaded.
"""

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList, register_parametrization

from svsdata.tensors import full_precision

_FIRST_ITERATIONS = 16
"""Steps of power iteration at the start; as many as torch takes."""

Layer = TypeVar("Layer", bound=nn.Module)


def spectral_norm(layer: Layer) -> Layer:
    """Divide the weight of a layer by its largest singular value wherever it is used."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    # unsafe: without a first use, which would check the shape
    register_parametrization(layer, "weight", _SpectralNorm(weight), unsafe=True)
    return layer


def advance_spectral_norms(network: nn.Module) -> None:
    """Let the singular vectors of all layers follow their weights; once a training step."""
    for parametrizations in network.modules():
        if isinstance(parametrizations, ParametrizationList):
            for norm in parametrizations:
                if isinstance(norm, _SpectralNorm):
                    norm.iterate(parametrizations.original)


def settle_spectral_norms(network: nn.Module) -> None:
    """Let the singular vectors of all layers find weights that were drawn anew."""
    for _ in range(_FIRST_ITERATIONS):
        advance_spectral_norms(network)


class _SpectralNorm(nn.Module):
    """Track the singular vectors of (out, in * kh * kw) by power iteration (Miyato et al. 2018)."""

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = weight.detach().flatten(1)
        rows, columns = matrix.shape
        # names of torch's own, so that checkpoints fit both
        self.register_buffer("_u", matrix.new_empty(rows))
        self.register_buffer("_v", matrix.new_empty(columns))
        if not weight.is_meta:
            self._u, self._v = (_unit(vector.normal_()) for vector in (self._u, self._v))
            for _ in range(_FIRST_ITERATIONS):
                self.iterate(weight)

    def forward(self, weight: Tensor) -> Tensor:
        with full_precision(weight.device.type):  # on CUDA autocast lowers torch.mv
            return weight / torch.vdot(self._u, torch.mv(weight.flatten(1), self._v))

    def iterate(self, weight: Tensor) -> None:
        """Take one step of power iteration."""
        with torch.no_grad():
            matrix = weight.flatten(1)
            self._u.copy_(_unit(torch.mv(matrix, self._v)))
            self._v.copy_(_unit(torch.mv(matrix.T, self._u)))


def _unit(vector: Tensor) -> Tensor:
    return F.normalize(vector, dim=0, eps=1e-12)
