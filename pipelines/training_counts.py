"""What a run's store holds: how often each class occurs, and which colours its objects have."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from svsdata.checkpoints.weights import BUNDLED_GENERATOR, load_generator
from svsdata.errors import ConfigError
from svsdata.pipelines.training_plan import TrainingPlan
from svsdata.progress import Progress
from svsdata.store.files import writing
from svsdata.training.clips import count_pixels
from svsdata.training.colours_by_class import ColoursByClass, colours_by_class
from svsdata.whole_files import whole_file

_ENOUGH_COLOURS = 16


class Counts(BaseModel):
    """What is found once a run, and kept in it."""

    model_config = ConfigDict(frozen=True)

    store_id: str
    pixel_counts: dict[str, int]
    """Training pixels by class name; where streets are rehearsed, with theirs."""
    object_colours: ColoursByClass = {}
    """Colours of objects, for a generator that sees them."""


def counted(run: Path, plan: TrainingPlan, progress: Progress) -> Counts:
    """Count the training pixels of each class, and measure objects' colours, once a run.

    Raises:
        ConfigError: If the run was begun with other sequences.
        StoreError: If a frame is damaged, or the counts cannot be written.
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
        if plan.street is not None:
            found = _with_streets(found, uses_colours=plan.uses_colours)
        with writing(run), whole_file(path) as partial:
            partial.write_text(found.model_dump_json())
    kept = Counts.model_validate(json.loads(path.read_text()))
    if kept.store_id != store_id:
        raise ConfigError(
            f"the store's sequences are not those that '{run}' was begun with; "
            "name another run directory, or add --overwrite to set this one aside"
        )
    return kept


def _with_streets(found: Counts, *, uses_colours: bool) -> Counts:
    """Add what streets show, as the bundled generator, which learned from them, tells.

    A class whose objects the store hardly shows takes the colours of the street's too.
    """
    _, street = load_generator(BUNDLED_GENERATOR)
    pixels = {
        name: count + street.pixel_counts.get(name, 0) for name, count in found.pixel_counts.items()
    }
    colours = dict(found.object_colours)
    for name, those in street.object_colours.items() if uses_colours else ():
        own = colours.get(name, ())
        colours[name] = own if len(own) >= _ENOUGH_COLOURS else (*own, *those)
    return found.model_copy(update={"pixel_counts": pixels, "object_colours": colours})
