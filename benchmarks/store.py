"""Speed of a store: writing frames, reading clips, verifying.

    python benchmarks/store.py [--frames 64] [--pictures FOLDER]

Without a folder of pictures, a street-like picture is made: smooth areas, edges and sensor noise.
With one, its PNG and JPEG files are taken in order, resized to 1024x512. Nothing else is read.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from svsdata.images import decode_image, resize_image
from svsdata.labels import CITYSCAPES
from svsdata.records import EncodedImage, Frame
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader
from svsdata.store.verify import verify_store
from svsdata.store.writer import StoreWriter

SIZE_HW = (512, 1024)


def street_like(seed: int) -> np.ndarray:
    """Blurred blocks under sensor noise of two levels: PNG of about 600 kB, as a real frame."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (32, 64, 3)).astype(np.float32)
    picture = cv2.resize(blocks, SIZE_HW[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(picture + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)


def make_frames(pictures: list[np.ndarray], with_flow: bool) -> list[Frame]:
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    rng = np.random.default_rng(0)
    frames = []
    for index, picture in enumerate(pictures):
        ids = rng.choice(np.array([7, 8, 11, 21, 23, 26], np.uint8), (16, 32))
        semantic = cv2.resize(ids, SIZE_HW[::-1], interpolation=cv2.INTER_NEAREST)
        instance = np.where(semantic == 26, np.uint16(26001), semantic).astype(np.uint16)
        flow = None
        if with_flow and index:
            gray = [cv2.cvtColor(it, cv2.COLOR_RGB2GRAY) for it in (picture, pictures[index - 1])]
            flow = estimator.calc(gray[0], gray[1], None)
        frames.append(Frame(index, index, picture, semantic, instance, flow))
    return frames


def write(store: Path, frames: list[Frame], count: int, kept: bytes | None = None) -> str:
    layers = ("image", "semantic", "instance", "flow")[: 4 if frames[-1].flow is not None else 3]
    writer = StoreWriter(store, StoreInfo(CITYSCAPES, SIZE_HW, 17.0, layers))
    start, cpu_start = time.perf_counter(), time.process_time()
    with writer.sequence("s", source="bench", fps=17.0) as sequence:
        for index in range(count):
            frame = frames[index % (len(frames) - 1) + 1 if index else 0]
            encoded = None if kept is None else EncodedImage(kept, f"{index}.jpg")
            fields = vars(frame) | {"frame_index": index, "encoded_image": encoded}
            sequence.append(Frame(**fields))
        sequence.commit()
    seconds = time.perf_counter() - start
    cpu_ms = (time.process_time() - cpu_start) / count * 1e3
    num_bytes = sum(part.num_bytes for part in StoreReader(store).record("s").parts)
    return (
        f"{count / seconds:7.1f} frames/s  {num_bytes / seconds / 1e6:6.1f} MB/s  "
        f"{num_bytes / count / 1e3:6.0f} kB/frame  {cpu_ms:5.1f} ms CPU/frame"
    )


def read(store: Path, layers: tuple[str, ...], length: int) -> str:
    reader = StoreReader(store)
    last = reader.sequence("s").num_frames - length
    starts = np.random.default_rng(1).integers(0, last + 1, 24)
    times, cpu_start = [], time.process_time()
    for start in starts:
        began = time.perf_counter()
        for _ in reader.read("s", int(start), int(start) + length, layers=layers):
            pass
        times.append(time.perf_counter() - began)
    cpu_ms = (time.process_time() - cpu_start) / len(times) * 1e3
    return f"{np.median(times) * 1e3:7.1f} ms median of {len(times)}  {cpu_ms:6.1f} ms CPU"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=128)
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    if options.pictures is None:
        pictures = [street_like(seed) for seed in range(9)]
    else:
        files = sorted(it for it in options.pictures.rglob("*") if it.suffix in (".png", ".jpg"))
        decoded = [decode_image(it.read_bytes(), str(it)) for it in files[:9]]
        pictures = [resize_image(it, SIZE_HW) for it in decoded]
    kept = cv2.imencode(".jpg", pictures[0][..., ::-1])[1].tobytes()
    plain, flowing = make_frames(pictures, False), make_frames(pictures, True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        print("write, image + 2 maps          ", write(root / "plain", plain, options.frames))
        print("write, image + 2 maps + flow   ", write(root / "flow", flowing, options.frames))
        print("write, kept JPEG + 2 maps      ", write(root / "jpeg", plain, options.frames, kept))
        for layers in (("image", "semantic"), ("semantic",), ("image", "semantic", "flow")):
            for length in (1, 16):
                label = f"read {length:2} frames: {', '.join(layers)}"
                print(f"{label:41}", read(root / "flow", layers, length))
        for quick in (False, True):
            began = time.perf_counter()
            report = verify_store(root / "flow", quick=quick)
            seconds = time.perf_counter() - began
            print(f"verify quick={quick!s:5}  {report.num_bytes / seconds / 1e6:9.0f} MB/s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak resident memory {peak:.0f} MB")


if __name__ == "__main__":
    main()
