"""What aligning the plane of the ground does to DIS flow.

    python benchmarks/ground_flow.py street [--frames 16]
    python benchmarks/ground_flow.py STORE

``street`` compares with the exact flow and speed of three street worlds, 512x256 and 1024x512. Of a
STORE of a recording, labelled with DIS flow with or without ``flow_ground``, it prints the ground
whose flow is known and how far the picture before, warped by it, is off; both also of the pixels
with texture, and the speeds told.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.estimation.flow_estimators import DisFlow
from svsdata.estimation.ground_alignment import with_ground_aligned
from svsdata.flow import warp
from svsdata.geometry.ego_motion import estimate_ego_motion
from svsdata.labeling.ground_votes import ground_votes
from svsdata.labeling.sources.street import street_recording
from svsdata.labels import CITYSCAPES, LabelSet
from svsdata.records import Frame
from svsdata.store.reader import StoreReader

FPS = 10.0
LEAST_GRADIENT = 60


def on_ground(frame: Frame, label_set: LabelSet) -> NDArray[np.bool_]:
    return np.isin(frame.semantic, [*label_set.flat_ids])


def street(size: str, frames: int) -> None:
    estimator, figures, seconds = DisFlow(check=True), [], np.zeros(2)
    for seed in (7, 11, 13):
        previous: Frame | None = None
        text = f"street:seed={seed},frames={frames},fps={FPS:g},size={size}"
        for frame in street_recording(text).frames(0):
            if previous is not None:
                began = time.process_time()
                dis = estimator.estimate(previous.image, frame.image)
                told = replace(
                    frame, flow=dis.flow, flow_validity=dis.validity, occlusion=dis.occlusion
                )
                between = time.process_time()
                aligned = with_ground_aligned(previous.image, told, frame.camera, CITYSCAPES)
                seconds += between - began, time.process_time() - between
                figures.append([*against_truth(told, frame), *against_truth(aligned, frame)])
            previous = frame
    alone, together = np.split(np.mean(figures, axis=0), 2)
    for name, (off, known, speed) in (("DIS", alone), ("with the ground aligned", together)):
        print(
            f"{size} {name}: {off:.2f} px off on ground in sight, {known:.1%} of it known, "
            f"speed {speed:.2f} m/s off"
        )
    took = 1000 * seconds / len(figures)
    print(f"{size}: DIS {took[0]:.0f} ms of processor time a frame, aligning {took[1]:.0f} ms more")


def against_truth(told: Frame, true: Frame) -> tuple[float, float, float]:
    seen = on_ground(true, CITYSCAPES) & (true.occlusion == 0)
    off = np.hypot(*np.moveaxis(told.flow - true.flow, -1, 0))[seen].mean()
    ego = estimate_ego_motion(told.flow, ground_votes(told, CITYSCAPES), true.camera, FPS)
    return off, (told.occlusion[seen] == 0).mean(), abs(ego.speed_mps - true.ego.speed_mps)


def recording(store: Path) -> None:
    reader = StoreReader(store)
    for sequence_id in reader.sequence_ids:
        previous, figures, speeds = None, [], []
        layers = ("image", "semantic", "flow", "occlusion")
        for frame in reader.read(sequence_id, layers=layers):
            if previous is not None:
                gray = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
                steps = [np.abs(cv2.Sobel(gray, cv2.CV_32F, *way)) for way in ((1, 0), (0, 1))]
                ground, known = on_ground(frame, reader.info.label_set), frame.occlusion == 0
                marked = ground & (steps[0] + steps[1] > LEAST_GRADIENT)
                moved = warp(previous.image, frame.flow).astype(np.float32)
                off = np.abs(moved - frame.image).mean(axis=-1)
                figures.append([known[ground].mean(), known[marked].mean(), off[marked].mean()])
            speeds.append(f"{frame.ego.speed_mps:.0f}")
            previous = frame
        whole, marked, off = np.mean(figures, axis=0)
        print(
            f"{sequence_id}: known {whole:.1%} of the ground, {marked:.1%} of that with texture, "
            f"which is {off:.2f} levels off; m/s {' '.join(speeds)}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", help="street, or a store")
    parser.add_argument("--frames", type=int, default=16)
    told = parser.parse_args()
    cv2.setNumThreads(1)
    if told.what != "street":
        recording(Path(told.what))
        return
    for size in ("512x256", "1024x512"):
        street(size, told.frames)


if __name__ == "__main__":
    main()
