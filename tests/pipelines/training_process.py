"""One of the processes that torchrun would start; run by a test."""

import os
import sys
from pathlib import Path

from svsdata.pipelines.configs.train import TrainConfig
from svsdata.pipelines.train import run_train
from svsdata.progress import Silent


class Notes(Silent):
    """Hands on what a person would be told."""

    def note(self, message: str) -> None:
        sys.stdout.write(f"{message}\n")


run_train(
    TrainConfig.model_validate_json(Path(sys.argv[1]).read_text()),
    Notes(),
    environment=os.environ,
)
