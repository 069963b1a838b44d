"""Figures that were measured before, in a folder: a file a measure and set of sequences.

A file counts while all that it rests on is the same, which its name and notes tell. What is asked
of a store is put together from the files of parts of it.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import SafetensorError

import svsdata
from svsdata.checkpoints.feature_weights import tensors_sha256
from svsdata.checkpoints.tensor_files import read_notes, read_tensors, write_tensors
from svsdata.errors import CheckpointError
from svsdata.evaluation.kept_figures import Arrays
from svsdata.pipelines.configs.evaluate import EvaluateConfig
from svsdata.progress import Progress
from svsdata.synthesis.compute import chosen_device

_KEPT_DAYS = 30
_NAME = re.compile(r"(\.\d+-)?[a-z0-9_]+-[0-9a-f]{32}(-[0-9a-f]{16})?\.safetensors")


@dataclass(frozen=True)
class Kept:
    """What was measured of some sequences."""

    sequences: frozenset[str]
    """Their ids and hashes, a text each."""
    arrays: Arrays


@dataclass(frozen=True)
class KeptFigures:
    """The files of one measure that rest on the same."""

    folder: Path | None
    """None keeps nothing and takes nothing up."""
    measure: str
    basis: str
    """All that the figures depend on but the sequences."""
    told: str
    """What messages call them."""

    def take(self, wanted: Collection[str], progress: Progress) -> list[Kept]:
        """Return what is kept of sequences, none of them twice; damaged files are told of."""
        if self.folder is None:
            return []
        candidates = []
        pattern = f"{self.measure}-{_digest(self.basis)[:32]}-*.safetensors"
        for path in sorted(self.folder.expanduser().glob(pattern)):
            try:
                sequences = frozenset(json.loads(read_notes(path).get("sequences", "[]")))
                candidates.append((sequences, path))
            except (CheckpointError, ValueError) as error:
                progress.note(f"{self.told} is measured again: {error}")
        taken: list[Kept] = []
        left = set(wanted)
        for sequences, path in sorted(candidates, key=lambda one: -len(one[0])):
            if sequences and sequences <= left:
                try:
                    taken.append(Kept(sequences, self._read(path)))
                except CheckpointError as error:
                    progress.note(f"{self.told} is measured again: {error}")
                    continue
                left -= sequences
                with suppress(OSError):  # taken up from a folder that may not be written
                    os.utime(path)
        return taken

    def keep(self, kept: Kept, progress: Progress) -> None:
        """Write figures, whole or not at all; others may be writing the same ones."""
        if self.folder is None:
            return
        sequences = json.dumps(sorted(kept.sequences))
        name = f"{self.measure}-{_digest(self.basis)[:32]}-{_digest(sequences)[:16]}.safetensors"
        path = self.folder.expanduser() / name
        own = path.with_name(f".{os.getpid()}-{name}")
        tensors = {key: torch.from_numpy(array) for key, array in kept.arrays.items()}
        notes = {"basis": self.basis, "sequences": sequences, "sha256": tensors_sha256(tensors)}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_tensors(own, tensors, notes)
            own.replace(path)
        except (OSError, SafetensorError) as error:
            progress.note(f"{self.told} cannot be kept: {error}")

    def _read(self, path: Path) -> Arrays:
        tensors, notes = read_tensors(path)
        if (notes.get("basis"), notes.get("sha256")) != (self.basis, tensors_sha256(tensors)):
            raise CheckpointError(f"'{path}' is damaged")
        return {name: tensor.numpy() for name, tensor in tensors.items()}


def shared_basis(size_hw: tuple[int, int], config: EvaluateConfig) -> dict[str, object]:
    """Return what all figures depend on, whatever store, measure and judge they are of."""
    return {
        "size_hw": size_hw,
        "first_frame": config.first_frame,
        "clip_frames": config.clip_frames,
        "clips_per_sequence": config.clips_per_sequence,
        "curve_frames": config.curve_frames,
        "device": chosen_device(config.device).type,
        "libraries": [torch.__version__, cv2.__version__, np.__version__],
        "code": code_sha256(),
    }


@cache
def code_sha256() -> str:
    """Hash the library, so that no figure outlives the code that would measure another one.

    Once a process: what runs is the code that was loaded, whatever is edited meanwhile.
    """
    digest = hashlib.sha256()
    for path in code_files():
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def code_files() -> list[Path]:
    """Return what measures; in a checkout the pipelines lie beside the package, else inside."""
    roots = (Path(svsdata.__file__).parent, Path(__file__).parent)
    return sorted({path for root in roots for path in root.rglob("*.py")})


def forget_unused(folder: Path | None) -> None:
    """Delete what nobody took up for ``_KEPT_DAYS``, such as figures of older code."""
    if folder is None:
        return
    oldest = time.time() - _KEPT_DAYS * 24 * 3600
    for path in folder.expanduser().glob("*.safetensors"):
        with suppress(OSError):  # others tidy up too
            if _NAME.fullmatch(path.name) and path.stat().st_mtime < oldest:
                path.unlink()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
