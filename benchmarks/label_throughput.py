"""Whether the network or the rest is the bottleneck of labelling, and how much memory it holds.

    python benchmarks/label_throughput.py waiting [--frames 60] [--wait-ms 100] [--flow none]
    python benchmarks/label_throughput.py memory [--frames 5000]

``waiting`` labels street-world frames of 1024x512 with a network that only waits, as long as a GPU
would take, and prints the share of time in which it had nothing to do: no frame was decoded yet,
or what it labelled before was not tracked and written. ``memory`` labels a long street world with
exact labels and prints the resident memory every tenth of it.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from svsdata.estimation.flow_estimators import flow_estimator
from svsdata.estimation.segmenters import Labels
from svsdata.images import encode_png
from svsdata.labeling.flow_labelers import EstimatedFlow, FlowLabeler, NoFlow
from svsdata.labeling.labelers import NetworkLabels
from svsdata.labeling.labelled_frames import BadFrames, Chain
from svsdata.labeling.sources.recognise import open_source
from svsdata.labels import CITYSCAPES
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.label import label_sequence, run_label
from svsdata.pipelines.label_choices import LabelRun
from svsdata.progress import Silent
from svsdata.records import FRAME_LAYERS, Image
from svsdata.store.format import StoreInfo
from svsdata.store.writer import StoreWriter
from svsdata.street_world.scene import StreetWorld

SIZE_HW = (512, 1024)


class WaitingNetwork:
    """A segmenter that knows all answers and takes its time."""

    description = "fixed wait"
    has_instances = True

    def __init__(self, answers: list[Labels], seconds: float) -> None:
        self._answers, self._seconds = answers, seconds
        self.calls: list[tuple[float, float]] = []

    def segment(self, images: Sequence[Image]) -> list[Labels]:
        began, first = time.perf_counter(), len(self.calls) * len(images)
        time.sleep(self._seconds * len(images))
        self.calls.append((began, time.perf_counter()))
        return self._answers[first : first + len(images)]

    def idle_share(self) -> float:
        """Return the share of the time from the first call's end to the last one's begin."""
        idle = sum(after[0] - before[1] for before, after in pairwise(self.calls))
        return idle / (self.calls[-1][1] - self.calls[0][1])


class MemoryWatch(Silent):
    """Notes the resident memory every so many frames."""

    def __init__(self, every: int) -> None:
        self._every, self._frames = every, 0

    def advance(self, count: int = 1, **_: float) -> None:
        self._frames += count
        if count and self._frames % self._every == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
            print(f"frame {self._frames:6}  {megabytes:6.1f} MB")


def waiting(num_frames: int, wait_ms: float, flow: str, folder: Path) -> None:
    world, answers = StreetWorld(1, size_hw=SIZE_HW), []
    (folder / "frames").mkdir()
    for index in range(num_frames):
        street = world.render(index)
        (folder / "frames" / f"{index:06d}.png").write_bytes(encode_png(street.image))
        answers.append(Labels(street.semantic, street.instance))
    labeler_of_flow: FlowLabeler = NoFlow()
    if flow == "dis":
        labeler_of_flow = EstimatedFlow(flow_estimator("dis", check=True))
    network = WaitingNetwork(answers, wait_ms / 1e3)
    labeler = NetworkLabels(network, batch_size=1)
    layers = {"image", "semantic", "instance", *labeler_of_flow.layers}
    source = open_source(str(folder / "frames"))
    info = StoreInfo(
        label_set=CITYSCAPES,
        size_hw=SIZE_HW,
        fps=10.0,
        modalities=tuple(layer for layer in FRAME_LAYERS if layer in layers),
    )
    run = LabelRun(
        source=source,
        recordings=source.recordings,
        labeler_of=lambda _: labeler,
        chain=Chain(SIZE_HW, CITYSCAPES, labeler_of_flow),
        info=info,
        lasting_ids=False,
        tracks=flow != "none",
        renames=True,
        part_frames=64,
    )
    store = StoreWriter(folder / "store", info)
    began, processor = time.perf_counter(), time.process_time()
    label_sequence(source.recordings[0], run, store, BadFrames(skip=False), Silent())
    seconds, processor = time.perf_counter() - began, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(
        f"network {wait_ms:g} ms a frame, flow {flow}: waits {network.idle_share():.1%} of time, "
        f"{num_frames / seconds:.2f} frames/s; {1e3 * processor / num_frames:.0f} ms of processor "
        f"a frame, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, peak {peak:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("waiting", "memory"))
    parser.add_argument("--frames", type=int)
    parser.add_argument("--wait-ms", type=float, default=100.0)
    parser.add_argument("--flow", choices=("dis", "none"), default="dis")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.what == "waiting":
            frames = arguments.frames or 60
            waiting(frames, arguments.wait_ms, arguments.flow, Path(folder))
        else:
            frames = arguments.frames or 5000
            source = f"street:seed=1,frames={frames},size=128x64"
            config = LabelConfig(source=source, store=f"{folder}/store")
            run_label(config, MemoryWatch(max(1, frames // 10)))


if __name__ == "__main__":
    main()
