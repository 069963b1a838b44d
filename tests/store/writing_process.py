"""Writes sequence ``s`` of a store, in a process that tests kill, starve or race.

Arguments: the store, the number of frames, the frames between parts, milliseconds per frame.
"""

import sys
import time

import numpy as np

from svsdata.errors import StoreError
from svsdata.labels import CITYSCAPES
from svsdata.records import Frame
from svsdata.store.format import StoreInfo
from svsdata.store.writer import StoreWriter

SIZE_HW = (32, 48)


def main(path: str, num_frames: int, part_frames: int, pause_ms: int) -> None:
    writer = StoreWriter(path, StoreInfo(CITYSCAPES, SIZE_HW, 10.0, ("image", "semantic")))
    if "s" in writer.committed:
        return
    with writer.sequence("s", source="noise", fps=10.0, stateful=True) as sequence:
        sys.stdout.write("writing\n")
        sys.stdout.flush()
        # The picture depends on all before it, as in a rollout: only the saved state can go on.
        image = np.zeros((*SIZE_HW, 3), np.float32)
        if sequence.state is not None:
            image = sequence.state["image"]
        for index in range(sequence.next_frame_index, num_frames):
            noise = np.random.default_rng(index).normal(0, 60, image.shape)
            image = (0.7 * image + noise).astype(np.float32)
            picture = np.clip(image + 128, 0, 255).astype(np.uint8)
            semantic = (picture[..., 0] // 8).astype(np.uint8)
            sequence.append(Frame(index, index, image=picture, semantic=semantic))
            time.sleep(pause_ms / 1000)
            if (index + 1) % part_frames == 0:
                sequence.close_part({"image": image})
        sequence.commit()


if __name__ == "__main__":
    try:
        main(sys.argv[1], *map(int, sys.argv[2:]))
    except StoreError as error:
        sys.exit(str(error))
