"""What a synthesis will take, measured on its first frames; nothing is written."""

import time
from collections.abc import Sequence
from itertools import islice

from pydantic import BaseModel, ConfigDict

from svsdata.pipelines.configs.synthesize import SynthesizeConfig
from svsdata.pipelines.edited_videos import Video
from svsdata.pipelines.synthesis_plan import Synthesis, prepare
from svsdata.pipelines.video_store import videos_there
from svsdata.records import FRAME_LAYERS
from svsdata.store.columns import encode_row
from svsdata.synthesis.advancing import Take
from svsdata.synthesis.compute import peak_bytes

PROBED_CHUNKS = 3


class SynthesizeEstimate(BaseModel):
    """What a run will take on this machine."""

    model_config = ConfigDict(frozen=True)

    sequences: tuple[str, ...]
    """That are left to make."""
    already_done: tuple[str, ...]
    """Left by an earlier run."""
    num_frames: int
    """Left to draw."""
    size_hw: tuple[int, int]
    frames_per_second: float
    """One link of the chain after the other; a run overlaps them. 0 where nothing is left."""
    seconds: float
    memory_bytes: int
    """Peak, whatever the length: of the whole process, or on a GPU of the GPU's."""
    disk_bytes: int


def estimate_synthesize(config: SynthesizeConfig, *, overwrite: bool = False) -> SynthesizeEstimate:
    """Draw the first frames of the first videos left, and tell what all that are left will take.

    Args:
        config: What to make.
        overwrite: Whether the run may set an output aside that was made otherwise.

    Raises:
        As ``run_synthesize``, for what is refused before the first frame.
    """
    synthesis = prepare(config)
    videos = synthesis.videos
    there = videos_there(config.out, synthesis.info, videos, overwrite=overwrite)
    left = [one for one in videos if one.sequence_id not in there.committed]
    num_frames = sum(one.num_frames for one in left) - sum(there.begun_frames.values())
    seconds_per_frame, bytes_per_frame = _probed(synthesis, left) if left else (0.0, 0)
    return SynthesizeEstimate(
        sequences=tuple(one.sequence_id for one in left),
        already_done=tuple(one.sequence_id for one in videos if one not in left),
        num_frames=num_frames,
        size_hw=synthesis.info.size_hw,
        frames_per_second=round(1 / max(seconds_per_frame, 1e-9), 2) if left else 0.0,
        seconds=round(num_frames * seconds_per_frame, 1),
        memory_bytes=peak_bytes(next(synthesis.video_maker.generator.parameters()).device),
        disk_bytes=num_frames * bytes_per_frame,
    )


def _probed(synthesis: Synthesis, left: Sequence[Video]) -> tuple[float, int]:
    """Draw the first frames of the first videos; returns seconds and bytes a frame."""
    probed = left[: synthesis.parallel_videos]
    lengths = [
        min(PROBED_CHUNKS * synthesis.video_maker.chunk_frames, one.num_frames) for one in probed
    ]
    streams = [
        Take(video.labels.frames(0, length), fps=video.labels.sequence.fps)
        for video, length in zip(probed, lengths, strict=True)
    ]
    drawn = synthesis.video_maker.render_together(streams, rows=synthesis.parallel_videos)
    warm_up = len(probed) * min(synthesis.video_maker.chunk_frames, min(lengths) - 1)
    sizes = [0]
    for number, rendered in islice(drawn, warm_up):
        encode_row(rendered.frame, probed[number].sequence_id, synthesis.info)
    started = time.monotonic()
    for number, rendered in drawn:
        row = encode_row(rendered.frame, probed[number].sequence_id, synthesis.info)
        pictures = (row.get(layer) for layer in FRAME_LAYERS)
        sizes.append(sum(len(picture["bytes"]) for picture in pictures if picture))
    timed = max(len(sizes) - 1, 1)
    return (time.monotonic() - started) / timed, sum(sizes) // timed
