"""Measure what is known of the standing world, and how well, on streets whose every frame is exact.

    python benchmarks/guidance.py [--seeds 7 3] [--frames 40] [--size 512x256]

``revealed`` are pixels that the frame before hides, though it holds their place; beside the colour
that the world kept of them stands the one that the warped frame before has there. Levels of 255.
"""

import argparse
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from svsdata.flow import leaves_frame, warp
from svsdata.geometry.standing_world import empty_world, look_on, standing_ids
from svsdata.labels import CITYSCAPES
from svsdata.records import Image
from svsdata.street_world.scene import StreetWorld

STANDING = standing_ids(CITYSCAPES)


def measure(seed: int, num_frames: int, size_hw: tuple[int, int]) -> None:
    """Walk along a street, and print shares, levels and milliseconds."""
    street = StreetWorld(seed, size_hw=size_hw)
    previous = replace(street.frame(0), camera=street.camera)
    world = empty_world(previous.ego)
    known, errors, taken, revealed, seconds = [], [], [], [], []
    everywhere = []
    for index in range(1, num_frames):
        frame = replace(street.frame(index), camera=street.camera)
        assert frame.semantic is not None
        assert frame.image is not None
        assert frame.flow is not None
        assert previous.image is not None
        began = time.process_time()
        world, told = look_on(world, frame, previous.image, standing=STANDING, fps=street.fps)
        seconds.append(time.process_time() - began)
        stands = np.isin(frame.semantic, list(STANDING))
        hidden = (frame.occlusion == 1) & (leaves_frame(frame.flow) == 0) & stands
        shown = hidden & (told.mask == 1)
        known.append(told.mask.sum() / stands.sum())
        everywhere.append(difference(told.image, frame.image, told.mask == 1))
        revealed.append((shown.sum(), hidden.sum()))
        errors.append(difference(told.image, frame.image, shown))
        taken.append(difference(warp(previous.image, frame.flow), frame.image, shown))
        previous = frame
    pixels = np.sum(revealed, axis=0)
    print(
        f"seed {seed}: {np.mean(known):.0%} of the standing pixels known, "
        f"off by {np.concatenate(everywhere).mean():.1f}; revealed: {pixels[0] / pixels[1]:.0%} of "
        f"{pixels[1]} known, off by {np.concatenate(errors).mean():.1f}, the warp by "
        f"{np.concatenate(taken).mean():.1f}; {len(world.points)} points at the end; "
        f"{1000 * np.median(seconds):.0f} ms a frame"
    )


def difference(image: Image, real: Image, where: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (N, 3) levels."""
    return np.abs(image[where].astype(np.int64) - real[where])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 3])
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--size", default="512x256")
    told = parser.parse_args()
    width, height = (int(side) for side in told.size.split("x"))
    for seed in told.seeds:
        measure(seed, told.frames, (height, width))
