"""How well are label maps predicted beyond a recording's end?

    python benchmarks/prediction.py STORE [--frames 20] [--every 10]

Every sequence is cut at frame 8, and again every so many frames; what follows is predicted and
compared with what was recorded, beside repeating the last frame and beside warping it on by the
last recorded flow. Prints one line a step: share of equal pixels, and mean IoU of the classes.
"""

import argparse
import time
from collections import defaultdict

import numpy as np

from svsdata.editing.future import LOOK_BACK, Future
from svsdata.evaluation.segmentation import Confusion
from svsdata.flow import warp
from svsdata.records import Frame, SemanticMap
from svsdata.store.reader import StoreReader

STEPS = (1, 2, 3, 5, 10, 20)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("store")
    parser.add_argument("--frames", type=int, default=20, help="predicted from each cut")
    parser.add_argument("--every", type=int, default=10, help="frames between cuts")
    asked = parser.parse_args()
    reader = StoreReader(asked.store)
    label_set = reader.info.label_set
    layers = tuple(it for it in ("semantic", "instance", "flow") if it in reader.info.modalities)
    found = defaultdict(lambda: defaultdict(lambda: Confusion.empty(label_set)))
    cuts, seconds = 0, []
    for sequence_id in reader.sequence_ids:
        sequence = reader.sequence(sequence_id)
        for last in range(LOOK_BACK - 1, sequence.num_frames - asked.frames, asked.every):
            cuts += 1
            before = list(reader.read(sequence_id, last + 1 - LOOK_BACK, last + 1, layers=layers))
            future = Future.of(
                before, sequence_id=sequence_id, label_set=label_set, fps=sequence.fps
            )
            warped = before[-1].semantic
            true = reader.read(sequence_id, last + 1, last + 1 + asked.frames, layers=layers)
            for step, frame in enumerate(true, start=1):
                began = time.perf_counter()
                told = future.frame(step).semantic
                seconds.append(time.perf_counter() - began)
                warped = _warped(warped, before[-1])
                videos = {"predicted": told, "repeated": before[-1].semantic, "warped": warped}
                for name, labels in videos.items():
                    found[step][name] += Confusion.of(frame.semantic, labels, label_set)
    print(f"{cuts} cuts, {1000 * np.median(seconds):.0f} ms a frame")
    for step in STEPS:
        for name, confusion in found[step].items():
            print(
                f"{step:3d} {name:10s} {confusion.pixel_accuracy():.3f} {confusion.mean_iou():.3f}"
            )


def _warped(labels: SemanticMap, last: Frame) -> SemanticMap:
    return labels if last.flow is None else warp(labels, last.flow, nearest=True)


if __name__ == "__main__":
    main()
