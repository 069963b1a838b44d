"""What a run's store holds: how often each class occurs, and which colours its objects have."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from svsdata.errors import ConfigError
from svsdata.pipelines.training_plan import TrainingPlan
from svsdata.progress import Progress
from svsdata.training.clips import count_pixels
from svsdata.training.colours_by_class import ColoursByClass, colours_by_class


class Counts(BaseModel):
    """What is found once a run, and kept in it."""

    model_config = ConfigDict(frozen=True)

    store_id: str
    pixel_counts: dict[str, int]
    """Training pixels by class name."""
    object_colours: ColoursByClass = {}
    """Colours of objects, for a generator that sees them."""


def counted(run: Path, plan: TrainingPlan, progress: Progress) -> Counts:
    """Count the training pixels of each class, and measure objects' colours, once a run.

    Raises:
        ConfigError: If the run was begun with other sequences.
    """
    path, store_id = run / "pixel_counts.json", plan.store_id
    if not path.exists():
        num_frames = sum(recording.num_frames for recording in plan.recordings)
        progress.start("count classes", num_frames)
        counts = count_pixels(plan.reader, plan.recordings, progress)
        found = Counts(
            store_id=store_id,
            pixel_counts={
                label.name: int(counts[label.id]) for label in plan.reader.info.label_set.labels
            },
            object_colours=(
                colours_by_class(plan.reader, plan.recordings) if plan.uses_colours else {}
            ),
        )
        path.write_text(found.model_dump_json())
    kept = Counts.model_validate(json.loads(path.read_text()))
    if kept.store_id != store_id:
        raise ConfigError(
            f"the store's sequences are not those that '{run}' was begun with; "
            "name another run directory, or add --overwrite to set this one aside"
        )
    return kept
