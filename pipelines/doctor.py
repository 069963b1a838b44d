"""Look at the machine: what a bug report needs, and what would stop a run."""

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import av
import torch
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from pydantic import BaseModel, ConfigDict

import svsdata

PACKAGES = (
    "numpy", "opencv-python-headless", "pyarrow", "av", "torch", "transformers", "safetensors",
    "pydantic", "typer", "rich", "scipy", "cityscapesscripts", "kitti360scripts",
)  # fmt: skip
VIDEO_ENCODERS = ("libx264",)
"""What video exports use."""
_CPU_INFO = Path("/proc/cpuinfo")
_LITTLE_DISK = 5 * 10**9


class MachineReport(BaseModel):
    """What this machine can do."""

    model_config = ConfigDict(frozen=True)

    svsdata: str
    python: str
    system: str
    packages: dict[str, str | None]
    """Versions; None where a package is missing."""
    threads: int
    """Threads that torch computes with."""
    memory_bytes: int
    bf16: str | None
    """How the processor computes in bf16: amx, avx512 or, None, slower than in float32."""
    gpu: str | None
    ffmpeg: str
    video_encoders: dict[str, bool]
    free_disk_bytes: int
    """Of the file system of the folder looked at."""
    problems: tuple[str, ...]
    """What would stop a run, and what to do about it; empty on a sound machine."""


def examine_machine(folder: Path) -> MachineReport:
    """Report on this machine and on the file system of an existing folder."""
    packages = {package: _version(package) for package in PACKAGES}
    encoders = {name: _has_encoder(name) for name in VIDEO_ENCODERS}
    free = shutil.disk_usage(folder).free
    problems = [
        f"package {package} is missing; install svsdata again"
        for package, found in packages.items()
        if found is None
    ]
    problems += [
        f"FFmpeg lacks the encoder {name}; install PyAV's own wheel: pip install -I av"
        for name, there in encoders.items()
        if not there
    ]
    if free < _LITTLE_DISK:
        problems.append(f"only {free / 1e9:.1f} GB of disk are free at '{folder}'")
    return MachineReport(
        svsdata=svsdata.__version__,
        python=platform.python_version(),
        system=platform.platform(),
        packages=packages,
        threads=torch.get_num_threads(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        bf16=_bf16(),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        ffmpeg=av.ffmpeg_version_info,
        video_encoders=encoders,
        free_disk_bytes=free,
        problems=tuple(problems),
    )


def bf16_of(processor_flags: str) -> str | None:
    """Tell how a processor of these flags (words of /proc/cpuinfo) computes in bf16."""
    flags = processor_flags.split()
    if "amx_bf16" in flags:
        return "amx"
    return "avx512" if "avx512_bf16" in flags else None


def _bf16() -> str | None:
    return bf16_of(_CPU_INFO.read_text()) if _CPU_INFO.exists() else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _has_encoder(name: str) -> bool:
    try:
        Codec(name, "w")
    except UnknownCodecError:
        return False
    return True
