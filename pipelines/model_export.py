"""Write a trained generator as a program that runs without svsdata."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from svsdata.checkpoints.program_files import save_program
from svsdata.checkpoints.weights import generator_file, load_generator
from svsdata.errors import ExportError
from svsdata.progress import Progress
from svsdata.store.files import writing
from svsdata.synthesis.provenance import file_hash

_SUFFIX = ".pt2"


class ModelExportResult(BaseModel):
    """What an export of a generator left behind."""

    model_config = ConfigDict(frozen=True)

    out: Path
    model: str
    size: str
    """Width x height of the frames, fixed."""
    label_set: str
    follows_flow: bool
    inputs: tuple[str, ...]
    """Names of the tensors that the program takes."""
    written_bytes: int


def run_model_export(
    checkpoint: Path, out: Path, progress: Progress, *, size_hw: tuple[int, int] | None = None
) -> ModelExportResult:
    """Write a program that draws the next frame from the one before.

    Args:
        checkpoint: A generator file, a checkpoint folder, a run directory, or ``demo``.
        out: The file to write; its suffix is ``.pt2``.
        progress: Told what is being done.
        size_hw: Height and width of the frames; None: those of training.

    Raises:
        ExportError: If ``out`` has another suffix, exists, or has no folder to lie in.
        CheckpointError: If there is no such checkpoint, or it cannot be exported at this size.
        StoreError: If the file cannot be written.
    """
    if out.suffix != _SUFFIX:
        raise ExportError(f"'{out}' must end in {_SUFFIX}, as files of torch.export do")
    if out.exists():
        raise ExportError(f"'{out}' exists already; remove it or name another file")
    if not out.parent.is_dir():
        raise ExportError(f"there is no folder '{out.parent}' to write '{out.name}' to; make it")
    weights = generator_file(checkpoint)  # once: a run that trains has newer ones soon
    generator, info = load_generator(weights)
    size_hw = size_hw or info.size_hw
    progress.start("export the generator", 1, unit="files")
    with writing(out):
        description = save_program(
            out, generator, info, size_hw=size_hw, checkpoint_hash=file_hash(weights)
        )
    progress.advance()
    return ModelExportResult(
        out=out,
        model=info.model,
        size=f"{size_hw[1]}x{size_hw[0]}",
        label_set=info.label_set.name,
        follows_flow=description.follows_flow,
        inputs=tuple(description.inputs),
        written_bytes=out.stat().st_size,
    )
