"""Spectral norm of convolution weights; torch's, but free on the meta device.

A network is built on the meta device before its weights are loaded. There torch's own takes
seconds to iterate over nothing.
"""

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

_FIRST_ITERATIONS = 15
"""Steps of power iteration at the start; afterwards one at every use in training."""

Layer = TypeVar("Layer", bound=nn.Module)


def spectral_norm(layer: Layer) -> Layer:
    """Divide the weight of a layer by its largest singular value wherever it is used."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    register_parametrization(layer, "weight", _SpectralNorm(weight))
    return layer


class _SpectralNorm(nn.Module):
    """Track the singular vectors of (out, in * kh * kw) by power iteration (Miyato et al. 2018)."""

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = weight.detach().flatten(1)
        rows, columns = matrix.shape
        # names of torch's own, so that checkpoints fit both
        self.register_buffer("_u", _unit(matrix.new_empty(rows).normal_()))
        self.register_buffer("_v", _unit(matrix.new_empty(columns).normal_()))
        if not weight.is_meta:
            for _ in range(_FIRST_ITERATIONS):
                self._iterate(matrix)

    def forward(self, weight: Tensor) -> Tensor:
        matrix = weight.flatten(1)
        if self.training:
            self._iterate(matrix.detach())
        # copies: the next use changes the vectors before this one's gradient is computed
        u, v = self._u.clone(), self._v.clone()
        return weight / torch.vdot(u, torch.mv(matrix, v))

    def _iterate(self, matrix: Tensor) -> None:
        with torch.no_grad():
            self._u.copy_(_unit(torch.mv(matrix, self._v)))
            self._v.copy_(_unit(torch.mv(matrix.T, self._u)))


def _unit(vector: Tensor) -> Tensor:
    return F.normalize(vector, dim=0, eps=1e-12)
