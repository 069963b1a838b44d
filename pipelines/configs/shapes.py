"""What ``svsdata edit shapes harvest`` may be told."""

from pathlib import Path

from pydantic import Field

from svsdata.pipelines.configs.base import StageConfig


class ShapesConfig(StageConfig):
    """One harvest of real outlines."""

    store: Path
    """A store with instance ids that last, and ego motion."""
    library: Path
    """The Parquet file to write; where it exists the new objects join it, and take the place of
    those of the same dataset, sequence and id."""
    sequences: tuple[str, ...] = ()
    """Which sequences; none named: all."""
    classes: tuple[str, ...] = ("car", "truck", "bus", "person")
    """Which classes to take; riders and their vehicles are two outlines each and have no donors."""
    most_moments: int = Field(60, ge=5)
    """Silhouettes kept of one object, evenly over its time in view."""
