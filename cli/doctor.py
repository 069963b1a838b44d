"""``svsdata doctor``: what a bug report needs."""

import json
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer

from svsdata.cli.options import AsJson

app = typer.Typer(help="Look at this machine and at folders of maps.", invoke_without_command=True)

PACKAGES = (
    "svsdata", "numpy", "opencv-python-headless", "pyarrow", "av", "torch", "transformers",
    "cityscapesscripts", "kitti360scripts",
)  # fmt: skip


@app.callback()
def machine(context: typer.Context, as_json: AsJson = False) -> None:
    """Tell versions, what the processor and a GPU can do, and the free disk.

    Example: svsdata doctor --json
    """
    if context.invoked_subcommand:
        return
    facts = _facts()
    if as_json:
        print(json.dumps(facts))
        return
    for key, value in facts.items():
        print(f"{key:<24}{value}")


def _facts() -> dict[str, str | int | bool | None]:
    import torch

    facts: dict[str, str | int | bool | None] = {
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = None
    facts["threads"] = torch.get_num_threads()
    facts["bf16 by AMX"] = torch.cpu._is_amx_tile_supported()
    facts["bf16 by AVX-512"] = torch.cpu._is_avx512_bf16_supported()
    facts["GPU"] = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    facts["free disk here (GB)"] = shutil.disk_usage(Path.cwd()).free // 10**9
    return facts
