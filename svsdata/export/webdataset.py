"""WebDataset: tar files of samples, one sample a frame, for loaders that stream.

    <split>/<sequence>-<shard>.tar    of at most ``FRAMES_PER_SHARD`` frames, in their order
        <sequence>_<frame>.png        or .jpg: the frame
        <sequence>_<frame>.semantic.png, .instance.png, .flow.png, .occlusion.png, .provenance.png
        <sequence>_<frame>.json       times, camera, motion, where everything comes from

Keys end at the first dot of a name, so that dots of sequence ids become "-". Maps are those of the
store, in its own label set and coding. Source: the WebDataset format specification.
"""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from svsdata.errors import ExportError
from svsdata.export.digital_source import VOCABULARY, source_type
from svsdata.export.exporter import picture_file, written
from svsdata.flow_codec import encode_flow
from svsdata.images import encode_png
from svsdata.labels import LabelSet
from svsdata.records import Frame, Sequence
from svsdata.whole_files import whole_file

FRAMES_PER_SHARD = 500
"""About 300 MB at 1024x512, twice that with flow."""

_MAPS = ("semantic", "instance", "occlusion", "confidence", "provenance")


@dataclass(frozen=True)
class WebDatasetExporter:
    """Writes the shards of one sequence after the other; a shard has its name once it is whole."""

    folder: Path
    label_set: LabelSet
    split: str = "train"
    layers: tuple[str, ...] = ("encoded_image", "flow", *_MAPS)
    is_complete = True

    def check(self, sequences: list[Sequence]) -> None:
        """Refuse sequences whose samples would have the same keys."""
        owner_of: dict[str, str] = {}
        for sequence in sequences:
            owner = owner_of.setdefault(_key(sequence), sequence.sequence_id)
            if owner != sequence.sequence_id:
                raise ExportError(
                    f"sequences '{owner}' and '{sequence.sequence_id}' would both be "
                    f"'{_key(sequence)}'; export them to two folders"
                )

    def write(self, sequence: Sequence, frames: Iterator[Frame]) -> dict[str, str]:
        """Write the samples of a sequence, shard by shard."""
        folder = self.folder / self.split
        folder.mkdir(parents=True, exist_ok=True)
        samples = written(lambda frame: self._sample(sequence, frame), frames)
        num_shards = 0
        while (first := next(samples, None)) is not None:
            path = folder / f"{_key(sequence)}-{num_shards:06d}.tar"
            _write_shard(path, chain([first], islice(samples, FRAMES_PER_SHARD - 1)))
            num_shards += 1
        return {"split": self.split, "key": _key(sequence), "shards": str(num_shards)}

    def complete(self) -> None:
        """Nothing: every shard stands for itself."""

    def _sample(self, sequence: Sequence, frame: Frame) -> dict[str, bytes]:
        """Return the files of a frame by name."""
        key = f"{_key(sequence)}_{frame.frame_index:06d}"
        suffix, picture = picture_file(frame, f"'{sequence.sequence_id}' frame {frame.frame_index}")
        files = {f"{key}{suffix}": picture}
        for layer in _MAPS:
            values = getattr(frame, layer)
            if values is not None:
                files[f"{key}.{layer}.png"] = encode_png(values)
        if frame.flow is not None:
            files[f"{key}.flow.png"] = encode_flow(frame.flow, frame.flow_validity)
        facts = json.dumps(self._facts(sequence, frame), default=lambda array: array.tolist())
        files[f"{key}.json"] = facts.encode()
        return files

    def _facts(self, sequence: Sequence, frame: Frame) -> dict[str, Any]:
        camera, ego, kind = frame.camera, frame.ego, source_type(frame)
        return {
            "sequence_id": sequence.sequence_id,
            "frame_index": frame.frame_index,
            "timestamp_us": frame.timestamp_us,
            "label_set": self.label_set.name,
            "source": frame.source,
            "source_frame": frame.source_frame,
            "models": dict(frame.models),
            "is_synthetic": frame.is_synthetic,
            "digital_source_type": kind and VOCABULARY + kind,
            "plan_hash": frame.plan_hash,
            "camera": camera
            and {
                "intrinsics": camera.intrinsics,
                "cam_T_vehicle": camera.cam_T_vehicle,
                "flag": camera.flag,
            },
            "ego": ego
            and {
                "speed_mps": ego.speed_mps,
                "yaw_rate_rps": ego.yaw_rate_rps,
                "world_T_vehicle": ego.world_T_vehicle,
                "flag": ego.flag,
            },
        }


def _key(sequence: Sequence) -> str:
    return sequence.sequence_id.replace(".", "-")


def _write_shard(path: Path, samples: Iterable[dict[str, bytes]]) -> None:
    with (
        whole_file(path) as partial,
        tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, data in chain.from_iterable(sample.items() for sample in samples):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
