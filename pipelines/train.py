"""Train SVS-GAN on a store: the story of one run, and of one step.

A run is rounds of clips; a clip is trained chunk by chunk from its reference frame on, each chunk
starting from what the generator made of the one before. Where a run stands is its step, its
networks and optimisers, and the last frames generated; everything else is a function of the step.
"""

import copy
import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.optim import Adam

from svsdata.checkpoints.training_state import (
    TrainingState,
    checkpoint_folders,
    load_checkpoint,
    save_checkpoint,
)
from svsdata.checkpoints.weights import CheckpointInfo, save_generator
from svsdata.nets.svsgan.generator import Generator
from svsdata.nets.svsgan.video_discriminator import remembered
from svsdata.pipelines.configs.train import TrainConfig
from svsdata.progress import Progress
from svsdata.randomness import derived_seed, generator as random_generator
from svsdata.training.chunks import chunk_of, first_frames, perturb, to_device
from svsdata.training.clips import Clip, ClipBatch, load_clips, prefetched
from svsdata.training.ema import decay_at, update_average
from svsdata.training.run_log import FigureMeans, RunLog
from svsdata.training.schedules import Round, learning_rate, rounds
from svsdata.training.updates import (
    Networks,
    Objective,
    check_finite,
    discriminator_terms,
    generate,
    generator_terms,
    gradient_norm,
)
