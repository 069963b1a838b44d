"""Resolve edits into plans: files that people review and ``edit apply`` and ``synthesize`` run."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from svsdata.editing.plan import EditPlan
from svsdata.editing.plan_table import read_plan, write_plan
from svsdata.errors import EditPlanError
from svsdata.pipelines.configs.edit import EditConfig
from svsdata.pipelines.edit_choice import chosen_edits, require_different
from svsdata.pipelines.edited_videos import (
    EditOutcome,
    Video,
    outcomes_of,
    plans_of,
    videos_of,
)
from svsdata.pipelines.label_streams import chosen_streams
from svsdata.progress import Progress
from svsdata.store.files import writing
from svsdata.store.reader import StoreReader

SUFFIX = ".parquet"


class PlanSummary(BaseModel):
    """One plan in numbers."""

    model_config = ConfigDict(frozen=True)

    path: Path
    plan_hash: str
    num_frames: int
    objects: int
    """Edits and objects of repeated edits that will be carried out."""
    rejected: int


class EditPlanResult(BaseModel):
    """What planning left behind."""

    model_config = ConfigDict(frozen=True)

    out: Path
    plans: tuple[PlanSummary, ...]
    edits: tuple[EditOutcome, ...]


def run_edit_plan(config: EditConfig, progress: Progress) -> EditPlanResult:
    """Plan edits on every chosen sequence, every variant, and write a file for each.

    A file of the same name is replaced, and it is told where that was another plan: the same
    choices on the same base give the same bytes.

    Raises:
        EditPlanError: If an edit is unknown or cannot be planned, or nothing of it can be applied.
        ConfigError: If no edit is named.
        StoreError: If the base cannot be read, or a file cannot be written.
    """
    if config.out.is_file():
        raise EditPlanError(
            f"'{config.out}' is a file; name a folder, which plans are written into"
        )
    videos = planned_videos(config)
    progress.start("plan", len(videos), unit="sequences")
    summaries: list[PlanSummary] = []
    outcomes: list[EditOutcome] = []
    for video, plan in plans_of(videos):
        assert plan is not None
        path = config.out / f"{video.sequence_id}{SUFFIX}"
        with writing(path):
            before = path.read_bytes() if path.exists() else None
            write_plan(path, plan)
            if before not in (None, path.read_bytes()):
                progress.note(f"{path}: another plan was here before and is replaced")
        outcomes += outcomes_of(video.sequence_id, plan, progress)
        live = sum(row.is_live for row in plan.rows)
        summaries.append(
            PlanSummary(
                path=path,
                plan_hash=plan.hash,
                num_frames=plan.num_frames,
                objects=live,
                rejected=len(plan.rows) - live,
            )
        )
        progress.advance()
    return EditPlanResult(out=config.out, plans=tuple(summaries), edits=tuple(outcomes))


def planned_videos(config: EditConfig, *, pictures: bool = False) -> list[Video]:
    """Return the videos that a planning or a preview is about.

    Args:
        config: Which edits, on which sequences.
        pictures: Read the base's frames too, where it has them.

    Raises:
        As ``run_edit_plan``.
    """
    edits = chosen_edits(config)
    require_different(config, edits)
    if not edits:
        raise EditPlanError(
            "no edit is named; add --edit NAME ('svsdata edit list' tells them) or --edit-file FILE"
        )
    reader = StoreReader(config.store)
    size_hw = config.size_hw or reader.info.size_hw
    layers = ("image",) * (pictures and "image" in reader.info.modalities)
    streams = chosen_streams(config, reader, size_hw=size_hw, layers=layers)
    return list(videos_of(config, streams, edits))


def plans_at(path: Path) -> list[tuple[Path, EditPlan]]:
    """Read a plan, or all plans of a folder, by name.

    Raises:
        EditPlanError: If there is none, or one cannot be read.
    """
    if not path.exists():
        raise EditPlanError(f"there is no '{path}'; expected a plan, or a folder of plans")
    files = sorted(path.glob(f"[!.]*{SUFFIX}")) if path.is_dir() else [path]
    if not files:
        raise EditPlanError(f"'{path}' has no plans; 'svsdata edit plan' writes them")
    return [(file, read_plan(file)) for file in files]
