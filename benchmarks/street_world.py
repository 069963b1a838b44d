"""Frames per second of the street world: python benchmarks/street_world.py [HEIGHT WIDTH]."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import cv2

from svsdata.street_world.scene import StreetWorld

FRAMES = 120


def frames_per_second(size_hw: tuple[int, int], *, image: bool, threads: int) -> float:
    worlds = [StreetWorld(7, size_hw=size_hw) for _ in range(threads)]
    for world in worlds:
        world.render(0)

    def run(part: int) -> None:
        for index in range(part * FRAMES, (part + 1) * FRAMES):
            worlds[part].render(index, image=image)

    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(threads)))
    return threads * FRAMES / (time.perf_counter() - start)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    size_hw = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (256, 512)
    for threads in (1, 2):
        for image in (True, False):
            rate = frames_per_second(size_hw, image=image, threads=threads)
            print(f"{size_hw} threads={threads} image={image}: {rate:.1f} frames/s")
