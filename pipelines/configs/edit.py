"""What ``svsdata edit plan`` and ``preview`` can be told, and what synthesis shares with them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from svsdata.pipelines.configs.base import StageConfig


class EditChoices(StageConfig):
    """Which edits, on which sequences of a store."""

    store: Path
    """Where labels and reference frames come from."""
    sequences: tuple[str, ...] = ()
    """Which sequences; none named: all."""
    frames: int | None = Field(None, ge=1)
    """Frames a video, the reference frame included; None: as many as the sequence has."""
    presets: tuple[str, ...] = ()
    """Edit presets by name, as ``--edit`` gives them."""
    edit_files: tuple[Path, ...] = ()
    """Files in the edit language."""
    edits: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    """Changes to single edits: fields of the edit language by edit id, such as
    ``edits.truck.at.left_m = -3.5``."""
    shapes: Path | None = None
    """Shape library, for edits with ``shape: {from: library}``: outlines of real objects, which
    ``svsdata edit shapes harvest`` takes from stores."""
    variants: int = Field(1, ge=1)
    """Videos a sequence, each with edits drawn anew; without edits, where a checkpoint is told what
    colour objects have, each with other colours."""
    seed: int = Field(0, ge=0)
    """Of the edits' choices, and of the colours that objects get from a checkpoint that is told
    them, which plans do not tell; the network itself draws nothing."""


class EditConfig(EditChoices):
    """One planning or preview of edits."""

    out: Path
    """Folder of the plans, or the picture or video of the preview."""
    size_hw: tuple[int, int] | None = None
    """Height and width of the maps to edit; None: the store's. A plan that a checkpoint of another
    size is to draw needs that size."""
