"""FlowNet2 with weights drawn from the keys' names, as the golden numbers were made with."""

import json
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from svsdata.nets.flownet2.flownet2 import FlowNet2

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture(scope="session")
def golden() -> Mapping[str, NDArray[np.generic]]:
    with np.load(GOLDEN / "flownet2_golden_small.npz") as content:
        return dict(content)


@pytest.fixture(scope="session")
def published_shapes() -> dict[str, tuple[int, ...]]:
    keys = json.loads((GOLDEN / "flownet2_keys.json").read_text())["order"]
    return {key: tuple(shape) for key, shape in keys}


@pytest.fixture(scope="session")
def weights(published_shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    rules = json.loads((GOLDEN / "flownet2_keys.json").read_text())
    state = {key: _drawn(key, shape, rules) for key, shape in published_shapes.items()}
    # Near rank one, so that correlations come with both signs.
    kernel = state["flownetc.conv3.0.weight"]
    state["flownetc.conv3.0.weight"] = kernel[:, :1, :1, :1].sign() * kernel[:1] + 0.1 * kernel
    return state


@pytest.fixture(scope="session")
def flownet2(weights: dict[str, Tensor]) -> FlowNet2:
    with torch.device("meta"):
        network = FlowNet2()
    network.load_state_dict(weights, assign=True)
    return network.requires_grad_(False).to(memory_format=torch.channels_last)


def _drawn(key: str, shape: tuple[int, ...], rules: dict[str, dict[str, float]]) -> Tensor:
    drawn = np.random.RandomState(zlib.crc32(key.encode())).random_sample(prod(shape))
    if len(shape) == 1:
        return torch.from_numpy(((2 * drawn - 1) * 0.05).astype(np.float32))
    transposed = any(name in key for name in rules["transposed"])
    fan_in = shape[0] * prod(shape[2:]) / 4 if transposed else shape[1] * prod(shape[2:])
    gain = ([1.0] + [gain for part, gain in rules["gains"].items() if part in key])[-1]
    bound = gain * np.sqrt(6 / fan_in)
    # In place: there are 162 million.
    drawn *= 2 * bound
    drawn -= bound
    return torch.from_numpy(drawn.astype(np.float32).reshape(shape))
