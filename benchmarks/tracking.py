"""How well instance ids last: python benchmarks/tracking.py [FRAMES] [SEEDS]

The street world's instances are degraded as segmenters degrade them (a tenth of the instances
dropped, a tenth split in two, all shifted by up to 2 pixels), numbered anew in every frame, and
tracked. Prints the association quality of STQ (Weber et al. 2021) and id switches per object of
the truth: per-frame ids, tracked ids, and the truth's own ids on the same degraded masks, which
is the most that any tracker can reach; once dealt anew to objects missing for over five frames.
"""

import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace

import numpy as np

from svsdata.estimation.flow_estimators import flow_estimator
from svsdata.labeling.tracking import LONGEST_GAP, InstanceTracker
from svsdata.labels import CITYSCAPES
from svsdata.records import Frame, InstanceMap
from svsdata.street_world.scene import StreetWorld

SIZE_HW = (256, 512)


@dataclass
class Association:
    """Counts pixels of each pair of ids; ids of both maps hold for the sequence."""

    shared: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    last: dict[int, int] = field(default_factory=dict)
    switches: int = 0

    def add(self, truth: InstanceMap, tracked: InstanceMap) -> None:
        joint = truth.ravel().astype(np.int64) * 2**16 + tracked.ravel()
        pairs: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for pair, pixels in zip(*np.unique(joint, return_counts=True), strict=True):
            true, found = divmod(int(pair), 2**16)
            true, found = (it if it >= 1000 else 0 for it in (true, found))
            self.shared[true, found] += int(pixels)
            if true:
                pairs[true].append((int(pixels), found))
        for true, found_here in pairs.items():
            pixels, found = max(found_here)
            if found and 2 * pixels > sum(it for it, _ in found_here):
                self.switches += self.last.get(true, found) != found
                self.last[true] = found

    def quality(self) -> float:
        """Return AQ: the mean over true tubes g of sum over p of TPA * IoU / |g|."""
        of_true: dict[int, int] = defaultdict(int)
        of_found: dict[int, int] = defaultdict(int)
        for (true, found), pixels in self.shared.items():
            of_true[true] += pixels
            of_found[found] += pixels
        qualities: dict[int, float] = {true: 0.0 for true in of_true if true}
        for (true, found), pixels in self.shared.items():
            if true and found:
                iou = pixels / (of_true[true] + of_found[found] - pixels)
                qualities[true] += pixels * iou / of_true[true]
        return float(np.mean(list(qualities.values())))


def degraded(instance: InstanceMap, rng: np.random.Generator) -> tuple[InstanceMap, InstanceMap]:
    """Return the degraded map with ids of this frame alone, and with the truth's ids."""
    single, true = np.zeros_like(instance), np.zeros_like(instance)
    used: dict[int, int] = defaultdict(int)
    for instance_id in rng.permutation(np.unique(instance[instance >= 1000])):
        mask = np.roll(instance == instance_id, rng.integers(-2, 3, 2), (0, 1))
        fate = rng.random()
        if fate < 0.1:
            continue
        parts = [mask]
        if fate < 0.2:
            columns = np.flatnonzero(mask.any(0))
            left = np.arange(mask.shape[1]) < columns[len(columns) // 2]
            parts = [mask & left, mask & ~left]
        for part in parts:
            label = int(instance_id) // 1000
            single[part] = label * 1000 + used[label]
            used[label] += 1
        true[mask] = instance_id
    return single, true


@dataclass
class Renewed:
    """The truth's ids, but new ones for objects that were missing for too long."""

    last: dict[int, int] = field(default_factory=dict)
    ids: dict[int, int] = field(default_factory=dict)
    dealt: int = 999

    def add(self, true: InstanceMap, index: int) -> InstanceMap:
        renewed = np.zeros_like(true)
        for found in np.unique(true[true >= 1000]).tolist():
            if found not in self.last or index - self.last[found] > LONGEST_GAP + 1:
                self.dealt += 1
                self.ids[found] = self.dealt
            self.last[found] = index
            renewed[true == found] = self.ids[found]
        return renewed


def main(num_frames: str = "150", seeds: str = "3") -> None:
    columns = (
        "per-frame ids",
        "tracked, exact flow",
        "tracked, DIS",
        "truth, 5 missing",
        "truth's ids",
    )
    totals = {name: [0.0, 0.0] for name in columns}
    estimator, seconds, frames = flow_estimator("dis", check=False), 0.0, 0
    for seed in range(int(seeds)):
        rng, world = np.random.default_rng(seed), StreetWorld(seed, size_hw=SIZE_HW)
        counts = {name: Association() for name in columns}
        exact, estimated = InstanceTracker(CITYSCAPES), InstanceTracker(CITYSCAPES)
        renewed = Renewed()
        previous = None
        for index in range(int(num_frames)):
            street = world.render(index)
            single, true = degraded(street.instance, rng)
            frame = Frame(index, 0, semantic=street.semantic, instance=single, flow=street.flow)
            began = time.thread_time()
            by_exact = exact.track(frame).instance
            seconds, frames = seconds + time.thread_time() - began, frames + 1
            if previous is not None and street.image is not None:
                flow = estimator.estimate(previous, street.image).flow
                frame = replace(frame, flow=flow)
            by_dis, previous = estimated.track(frame).instance, street.image
            # Per-frame ids name nothing beyond their frame.
            found = (single, by_exact, by_dis, renewed.add(true, index), true)
            for name, ids in zip(columns, found, strict=True):
                assert ids is not None
                counts[name].add(street.instance, ids)
        for name, count in counts.items():
            totals[name][0] += count.quality() / int(seeds)
            totals[name][1] += count.switches / len(count.last) / int(seeds)
    for name, (quality, switches) in totals.items():
        print(f"{name:20} AQ {quality:.3f}  id switches per object {switches:6.2f}")
    print(f"{1e3 * seconds / frames:.1f} ms of one core a frame of {SIZE_HW[1]}x{SIZE_HW[0]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
