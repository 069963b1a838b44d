"""What a synthesis will take, measured on its first frames; nothing is written."""

import resource
import time
from itertools import islice

from pydantic import BaseModel, ConfigDict

from svsdata.pipelines.configs.synthesize import SynthesizeConfig
from svsdata.pipelines.synthesis_plan import prepare
from svsdata.records import FRAME_LAYERS
from svsdata.store.columns import encode_row

PROBED_CHUNKS = 3


class SynthesizeEstimate(BaseModel):
    """What a run will take on this machine."""

    model_config = ConfigDict(frozen=True)

    sequences: tuple[str, ...]
    num_frames: int
    size_hw: tuple[int, int]
    frames_per_second: float
    """One link of the chain after the other; a run overlaps them."""
    seconds: float
    memory_bytes: int
    """Peak of the whole process, whatever the length."""
    disk_bytes: int


def estimate_synthesize(config: SynthesizeConfig) -> SynthesizeEstimate:
    """Draw the first frames of the first videos and tell what all of them will take.

    Raises:
        As ``run_synthesize``, for what is refused before the first frame.
    """
    synthesis = prepare(config)
    probed = synthesis.videos[: synthesis.parallel_videos]
    lengths = [min(PROBED_CHUNKS * config.chunk_length, one.num_frames) for one in probed]
    streams = [
        (video.labels.frames(0, length), None)
        for video, length in zip(probed, lengths, strict=True)
    ]
    drawn = synthesis.video_maker.render_together(streams, rows=synthesis.parallel_videos)
    warm_up = len(probed) * min(config.chunk_length, min(lengths) - 1)
    sizes = [0]
    for number, rendered in islice(drawn, warm_up):
        encode_row(rendered.frame, probed[number].sequence_id, synthesis.info)
    started = time.monotonic()
    for number, rendered in drawn:
        row = encode_row(rendered.frame, probed[number].sequence_id, synthesis.info)
        pictures = (row.get(layer) for layer in FRAME_LAYERS)
        sizes.append(sum(len(picture["bytes"]) for picture in pictures if picture))
    timed = max(len(sizes) - 1, 1)
    seconds_per_frame = (time.monotonic() - started) / timed
    num_frames = sum(one.num_frames for one in synthesis.videos)
    return SynthesizeEstimate(
        sequences=tuple(one.sequence_id for one in synthesis.videos),
        num_frames=num_frames,
        size_hw=synthesis.info.size_hw,
        frames_per_second=round(1 / max(seconds_per_frame, 1e-9), 2),
        seconds=round(num_frames * seconds_per_frame, 1),
        memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        disk_bytes=num_frames * sum(sizes) // timed,
    )
