from dataclasses import replace

import numpy as np
import torch

from svsdata.labels import CITYSCAPES
from svsdata.nets.models import build_generator, model_config
from svsdata.store.reader import StoreReader
from svsdata.training.clips import load_clips
from svsdata.training.previews import roll_out
from svsdata.training.sampler import Clip


def test_a_preview_follows_the_stores_flow_where_the_generator_learns_to(tmp_path, sliding_store):
    store = sliding_store(tmp_path / "store", lengths=(5,))
    clip = load_clips(StoreReader(store), [Clip("s0", 0, 5, flip=False)], size_hw=(64, 128))
    config = replace(model_config("carry", 35, edges=True, width=0.1), forgetting=0.0, doubt=0.0)
    generator = build_generator(config)
    generator.motion.head.bias.data[2] = -30.0  # by labels nothing moves, and all is kept
    generator.heads[0].bias.data[-4:] = -30.0

    def errors(*, gives_motion: bool) -> list[float]:
        shown = roll_out(
            generator, clip, CITYSCAPES, with_edges=True, gives_motion=gives_motion
        ).frames
        halves = [np.split(frame.astype(float), 3, axis=1)[1:] for frame in shown]
        return [np.abs(drawn - real)[:, :96].mean() for drawn, real in halves]

    with torch.no_grad():
        followed, stood = errors(gives_motion=True), errors(gives_motion=False)
    assert max(followed) < 1
    assert min(stood) > 5
