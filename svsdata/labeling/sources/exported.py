"""What our own exports say of sequences beside the files of another layout.

``export.json`` marks such a folder, ``sequences/<sequence_id>.json`` tells of one sequence; the
layouts themselves have no place for a frame rate or for the size that a camera is for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from svsdata.errors import SourceError
from svsdata.labeling.sources.recording import read_json


@dataclass(frozen=True)
class Exported:
    """What is known of a sequence by its record."""

    fps: float
    size_hw: tuple[int, int]
    """Of its frames, which its camera is for."""


def exported_sequences(root: Path, *facts: str) -> Mapping[tuple[str, ...], Exported]:
    """Read the records of a folder; of one that is no export of ours there are none.

    Args:
        root: The folder.
        facts: Names of what tells the files of a sequence, such as ``city``; the keys returned
            are their values.

    Raises:
        SourceError: If a record is broken.
    """
    if not (root / "export.json").is_file():
        return {}
    found = {}
    for path in sorted((root / "sequences").glob("[!.]*.json")):
        record = read_json(path)
        try:
            height, width = (int(side) for side in record["size_hw"])
            key = tuple(str(record["exported"][fact]) for fact in facts)
            found[key] = Exported(float(record["fps"]), (height, width))
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(
                f"{path}: not the record of an exported sequence ({error!r}); expected 'fps', "
                f"'size_hw', and 'exported' with {', '.join(facts)}; export it again"
            ) from error
    return found
