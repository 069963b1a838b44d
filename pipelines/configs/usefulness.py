"""What ``svsdata evaluate-usefulness`` can be told."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from svsdata.pipelines.configs.base import StageConfig


class StreetConfig(StageConfig):
    """Stores made for the measurement where none are given: streets on which trucks are rare."""

    streets: int = Field(8, ge=2)
    """Streets to train on; one of them has a truck."""
    test_streets: int = Field(4, ge=1)
    """Other streets to measure on, each with a truck."""
    frames: int = Field(24, ge=8)
    """Frames a street."""
    height: int = Field(256, ge=32, multiple_of=32)
    """Of the frames, in pixels; they are twice as wide."""
    edit: str = "replace_car_with_truck"
    """Preset of the edited videos; this one puts a truck where it can be seen into each street."""
    first_seed: int = Field(5000, ge=0)
    """Of the streets that are looked through."""


class UsefulnessConfig(StageConfig):
    """One measurement of what synthetic video adds to the training of a small segmenter."""

    out: Path
    """Folder of usefulness.json, usefulness.html and, without stores, of the made ones."""
    real: Path | None = None
    """Store of recordings with labels to train on; None, as the three below, makes streets."""
    synthetic: Path | None = None
    """Store of unedited videos of those labels."""
    edited: Path | None = None
    """Store of edited ones."""
    test: Path | None = None
    """Store of recordings with true labels that nothing else was made from."""
    street: StreetConfig = StreetConfig()
    """The made stores."""
    steps: int = Field(600, ge=1)
    """Optimiser steps of every training but the one at double steps."""
    batch_size: int = Field(2, ge=1)
    """Frames a step."""
    synthetic_share: float = Field(0.5, gt=0, lt=1)
    """Of the frames where real and synthetic ones are mixed."""
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1)
    """One training each, of initial weights and order."""
    height: int = Field(128, ge=32)
    """Height of the frames that the segmenter is trained and measured on, in pixels."""
    test_every: int = Field(2, ge=1)
    """Measure every so many frames of the test store."""

    @model_validator(mode="after")
    def _all_stores_or_none(self) -> Self:
        stores = ("real", "synthetic", "edited", "test")
        missing = [name for name in stores if getattr(self, name) is None]
        if 0 < len(missing) < len(stores):
            raise ValueError(f"name all of {', '.join(stores)} or none; missing: {missing[0]}")
        return self
