import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

GOLDEN = Path(__file__).parents[2] / "golden" / "features.npz"


def draw(name: str, shape: tuple[int, ...], gain: float) -> Tensor:
    """Draw a tensor from its own name, by the rules that the golden features were made with."""
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    u = rng.random_sample(int(np.prod(shape))).reshape(shape)
    if len(shape) >= 2:
        u = (2 * u - 1) * gain * np.sqrt(6 / (shape[1] * np.prod(shape[2:])))
    elif name.endswith("running_mean"):
        u = (2 * u - 1) * 0.1
    elif name.endswith(("running_var", "weight")):
        u = 0.8 + 0.4 * u
    else:
        u = (2 * u - 1) * 0.05
    return torch.from_numpy(np.asarray(u, np.float32))


@pytest.fixture(scope="session")
def name_seeded() -> Callable[..., dict[str, Tensor]]:
    """Draw all weights of a network, so that two implementations compare without a checkpoint."""

    def make(
        network: nn.Module, *, gain: float = 1.0, names: Mapping[str, str] | None = None
    ) -> dict[str, Tensor]:
        state = network.state_dict()
        return {
            name: value
            if name.endswith("num_batches_tracked")
            else draw((names or {}).get(name, name), tuple(value.shape), gain)
            for name, value in state.items()
        }

    return make


@pytest.fixture(scope="session")
def golden() -> dict[str, NDArray[np.generic]]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


@pytest.fixture(autouse=True)
def without_gradients(request: pytest.FixtureRequest) -> Iterator[None]:
    with torch.set_grad_enabled("gradient" in request.node.name):
        yield
