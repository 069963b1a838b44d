"""How often each class occurs in what is trained on."""

import json
from pathlib import Path

from svsdata.errors import ConfigError
from svsdata.pipelines.training_plan import TrainingPlan
from svsdata.progress import Progress
from svsdata.training.clips import count_pixels


def class_pixels(run: Path, plan: TrainingPlan, progress: Progress) -> dict[str, int]:
    """Count the training pixels of each class, once a run.

    Raises:
        ConfigError: If the run was begun with other sequences.
    """
    path, store_id = run / "pixel_counts.json", plan.store_id
    if not path.exists():
        num_frames = sum(recording.num_frames for recording in plan.recordings)
        progress.start("count classes", num_frames)
        counts = count_pixels(plan.reader, plan.recordings, progress)
        labels = plan.reader.info.label_set.labels
        by_name = {label.name: int(counts[label.id]) for label in labels}
        path.write_text(json.dumps({"store_id": store_id, "pixel_counts": by_name}))
    counted = json.loads(path.read_text())
    if counted["store_id"] != store_id:
        raise ConfigError(
            f"the store's sequences are not those that '{run}' was begun with; "
            "name another run directory, or add --overwrite to set this one aside"
        )
    pixel_counts: dict[str, int] = counted["pixel_counts"]
    return pixel_counts
