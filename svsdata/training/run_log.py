"""What a run leaves for people to look at: loss figures and preview strips."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from svsdata.images import encode_png
from svsdata.store.files import writing
from svsdata.training.previews import Preview
from svsdata.video_codec import VideoWriter
from svsdata.whole_files import whole_file


class RunLog:
    """Writes ``stats.jsonl``, TensorBoard events and previews into a run directory.

    Args:
        run: The run directory.
        first_step: Steps already done: figures of later ones, left by a run that was killed
            after its last checkpoint, are dropped.
        writes: False in the processes of a run that only help.

    Raises:
        StoreError: Here and in all methods, if something cannot be written.
    """

    def __init__(self, run: Path, *, first_step: int, writes: bool = True) -> None:
        self._writes = writes
        if not writes:
            return
        self._run = run
        self._previews = run / "previews"
        stats = run / "stats.jsonl"
        with writing(run):
            self._previews.mkdir(parents=True, exist_ok=True)
            kept = stats.read_text().splitlines(keepends=True) if stats.exists() else []
            with whole_file(stats) as partial:
                partial.write_text("".join(line for line in kept if _step(line) <= first_step))
            self._stats = stats.open("a")
            # TensorBoard drops what it has of that step and of later ones
            self._board = SummaryWriter(str(run / "tensorboard"), purge_step=first_step + 1)

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._writes:
            return
        with writing(self._run):
            self._stats.close()
            self._board.close()

    def figures(self, step: int, figures: Mapping[str, float]) -> None:
        """Write the figures of a step; keys such as ``loss/flow``, ``time/step_s``."""
        if not self._writes:
            return
        with writing(self._run):
            self._stats.write(json.dumps({"step": step, **figures}) + "\n")
            self._stats.flush()
            for name, value in figures.items():
                self._board.add_scalar(name, value, step)

    def preview(self, step: int, preview: Preview, *, fps: float) -> None:
        """Write what a generator has learned at a step, as a picture and as a video."""
        path = self._previews / f"step-{step:09d}.png"
        with writing(self._run):
            path.write_bytes(encode_png(preview.strip, 3))
            self._board.add_image("preview", preview.strip, step, dataformats="HWC")
            size_hw = preview.frames[0].shape[:2]
            with VideoWriter(path.with_suffix(".mp4"), size_hw, fps) as video:
                for frame in preview.frames:
                    video.append(frame)


class FigureMeans:
    """Means of figures over the steps since they were last taken.

    Args:
        begun: What ``state`` of a run returned that was stopped in between.
    """

    def __init__(self, begun: Mapping[str, Tensor]) -> None:
        told = {name: pair.tolist() for name, pair in begun.items()}
        self._sums: dict[str, float] = {name: total for name, (total, _) in told.items()}
        self._counts: dict[str, int] = {name: int(count) for name, (_, count) in told.items()}

    @property
    def state(self) -> dict[str, Tensor]:
        """Return sum and count of each figure: (2,) float64."""
        return {
            name: torch.tensor([total, self._counts[name]], dtype=torch.float64)
            for name, total in self._sums.items()
        }

    def add(self, figures: Mapping[str, float]) -> None:
        """Add the figures of a step; a step may lack some."""
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """Return the means and begin anew."""
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means


def _step(line: str) -> int:
    """Return the step of a line; one cut short by a kill counts as later than any."""
    try:
        return int(json.loads(line)["step"])
    except ValueError:
        return 2**63
