"""What is measured of the real store, which is the same beside every synthetic one: once.

Figures are kept by measure, under the hash of all that they depend on: the store's content, the
weights and settings of who judged, which frames counted, and the code itself.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import SafetensorError

import svsdata
from svsdata.checkpoints.feature_weights import tensors_sha256
from svsdata.checkpoints.tensor_files import read_tensors, write_tensors
from svsdata.errors import CheckpointError
from svsdata.evaluation.clip_figures import Judges, StoreFigures
from svsdata.evaluation.kept_figures import Arrays, arrays_of, take_up
from svsdata.pipelines.configs.evaluate import EvaluateConfig
from svsdata.pipelines.evaluation_clips import clips
from svsdata.progress import Progress
from svsdata.store.reader import StoreReader
from svsdata.synthesis.compute import chosen_device

_KEPT_DAYS = 30
_NAME = re.compile(r"(\.\d+-)?[a-z0-9_]+-[0-9a-f]{32}\.safetensors")
_WITHOUT_A_JUDGE = ("warping_error", "drift", "identity")


def measure_real(
    reader: StoreReader,
    judges: Judges,
    size_hw: tuple[int, int],
    config: EvaluateConfig,
    progress: Progress,
) -> tuple[StoreFigures, tuple[str, ...]]:
    """Measure the real store at a size, as far as that was not done and kept before.

    Returns:
        Its figures, and the measures that were taken up from an earlier evaluation.

    Raises:
        ConfigError: If no frame counts.
    """
    bases = _bases(reader, judges, size_hw, config)
    places = _places(config.kept_figures, bases)
    kept = {}
    for metric, path in places.items():
        if path.exists():
            try:
                kept[metric] = _read(path, bases[metric])
                with suppress(OSError):  # taken up from a folder that may not be written
                    os.utime(path)
            except CheckpointError as error:
                progress.note(f"{metric} of the real store is measured again: {error}")
    missing = [metric for metric in bases if metric not in kept]
    figures = _measured(reader, judges.only(missing), missing, size_hw, config, progress)
    for metric in places.keys() - kept.keys():
        try:
            _write(places[metric], bases[metric], arrays_of(figures, metric))
        except (OSError, SafetensorError) as error:
            progress.note(f"{metric} of the real store cannot be kept: {error}")
    if config.kept_figures is not None:
        _forget_unused(config.kept_figures.expanduser())
    for metric, arrays in kept.items():
        take_up(figures, metric, arrays)
    return figures, tuple(kept)


def _measured(
    reader: StoreReader,
    judges: Judges,
    metrics: Collection[str],
    size_hw: tuple[int, int],
    config: EvaluateConfig,
    progress: Progress,
) -> StoreFigures:
    """Measure; colours need a second look at the frames."""
    figures = StoreFigures(reader.info.label_set, judges, config.curve_frames)
    if metrics:
        asked = config.model_copy(update={"metrics": metrics})
        for clip in clips(reader, None, size_hw, asked, progress):
            figures.add(clip)
    if "drift" in metrics:
        # What the usual colours are is known only now
        again = replace(figures, judges=judges.only(("drift",)), usual_colors=figures.colors)
        asked = config.model_copy(update={"metrics": ("drift",)})
        for clip in clips(reader, None, size_hw, asked, progress):
            again.add(clip)
        figures.curves |= again.curves
    return figures


def _bases(
    reader: StoreReader, judges: Judges, size_hw: tuple[int, int], config: EvaluateConfig
) -> dict[str, str]:
    """Return by measure, as JSON, all that the real store's figures depend on."""
    judged_by = {name: told for name, told in judges.told().items() if name != "lpips"}
    judged_by |= {metric: "" for metric in _WITHOUT_A_JUDGE if metric in judges.wanted}
    shared = {
        "store": reader.store_hash(),
        "size_hw": size_hw,
        "first_frame": config.first_frame,
        "clip_frames": config.clip_frames,
        "clips_per_sequence": config.clips_per_sequence,
        "curve_frames": config.curve_frames,
        "device": chosen_device(config.device).type,
        "libraries": [torch.__version__, cv2.__version__, np.__version__],
        "code": code_sha256(),
    }
    return {
        metric: json.dumps({"measure": metric, "judge": judge, **shared})
        for metric, judge in judged_by.items()
    }


def code_sha256() -> str:
    """Hash the library, so that no figure outlives the code that would measure another one."""
    digest = hashlib.sha256()
    for path in code_files():
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def code_files() -> list[Path]:
    """Return what measures; in a checkout the pipelines lie beside the package, else inside."""
    roots = (Path(svsdata.__file__).parent, Path(__file__).parent)
    return sorted({path for root in roots for path in root.rglob("*.py")})


def _places(folder: Path | None, bases: Mapping[str, str]) -> dict[str, Path]:
    """Return by measure where its figures are kept; nowhere without a folder."""
    if folder is None:
        return {}
    digests = {
        metric: hashlib.sha256(basis.encode()).hexdigest() for metric, basis in bases.items()
    }
    return {
        metric: folder.expanduser() / f"{metric}-{digest[:32]}.safetensors"
        for metric, digest in digests.items()
    }


def _read(path: Path, basis: str) -> Arrays:
    """Return what was kept.

    Raises:
        CheckpointError: If it is damaged.
    """
    tensors, notes = read_tensors(path)
    if (notes.get("basis"), notes.get("sha256")) != (basis, tensors_sha256(tensors)):
        raise CheckpointError(f"'{path}' is damaged")
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def _write(path: Path, basis: str, arrays: Arrays) -> None:
    """Keep figures, whole or not at all; others may be writing the same ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f".{os.getpid()}-{path.name}")
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    write_tensors(own, tensors, {"basis": basis, "sha256": tensors_sha256(tensors)})
    own.replace(path)


def _forget_unused(folder: Path) -> None:
    """Delete what nobody took up for ``_KEPT_DAYS``, such as figures of older code."""
    oldest = time.time() - _KEPT_DAYS * 24 * 3600
    for path in folder.glob("*.safetensors"):
        with suppress(OSError):  # others tidy up too
            if _NAME.fullmatch(path.name) and path.stat().st_mtime < oldest:
                path.unlink()
