"""What lies beside exported files: where they come from, under which terms, and which are whole.

export.json                  the export as a whole: format, settings, label set, licences
sequences/<sequence_id>.json one finished sequence: names, provenance, tracks; written last
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from svsdata.errors import ExportError
from svsdata.export.digital_source import VOCABULARY, SourceType
from svsdata.records import Sequence
from svsdata.store.files import LOCK_NAME
from svsdata.store.format import StoreInfo
from svsdata.whole_files import whole_file

_EXPORT_FILE = "export.json"
_ELSEWHERE = "export to another folder, or add --overwrite to set this one aside"


def claim_folder(folder: Path, info: StoreInfo, settings: Mapping[str, str]) -> None:
    """Mark the folder as this export's, or make sure that it is.

    Args:
        folder: Where to export to; held by this process alone.
        info: The store's.
        settings: Whatever the files depend on, such as the format and the split.

    Raises:
        ExportError: If the folder holds something else.
    """
    if not is_claimed(folder, info, settings):
        _write(folder / _EXPORT_FILE, _claim(info, settings))


def is_claimed(folder: Path, info: StoreInfo, settings: Mapping[str, str]) -> bool:
    """Tell whether the folder holds this export, begun or whole; looks only.

    Raises:
        ExportError: If the folder holds something else.
    """
    path = folder / _EXPORT_FILE
    # Before the look at the file: another process may be writing it just now.
    holds_something = folder.is_dir() and any(
        it.name[0] != "." and it.name != LOCK_NAME for it in folder.iterdir()
    )
    if path.exists():
        differing = [*_differences(_read(path), _claim(info, settings))]
        if differing:
            key, was, asked = differing[0]
            raise ExportError(
                f"'{folder}' holds another export: its {key} is {was}, got {asked}; {_ELSEWHERE}"
            )
        return True
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"'{folder}' is a file; export to another folder")
    if holds_something:
        raise ExportError(f"'{folder}' is not empty and no export; {_ELSEWHERE}")
    return False


def _claim(info: StoreInfo, settings: Mapping[str, str]) -> dict[str, Any]:
    return {
        "settings": dict(settings),
        "label_set": info.label_set.name,
        "size_hw": list(info.size_hw),
        "licences": dict(info.licences),
    }


def is_finished(folder: Path, sequence_id: str, content_hash: str) -> bool:
    """Tell whether a sequence was exported whole.

    Raises:
        ExportError: If a sequence of that id but of other content was.
    """
    path = _record_path(folder, sequence_id)
    if not path.exists():
        return False
    found = _read(path).get("content_hash")
    if found != content_hash:
        raise ExportError(
            f"{path}: the sequence was exported from other content ({found}, the store now holds "
            f"{content_hash}); {_ELSEWHERE}"
        )
    return True


def finish(
    folder: Path,
    sequence: Sequence,
    content_hash: str,
    *,
    facts: Mapping[str, str],
    source_types: Mapping[SourceType, int],
) -> None:
    """Record a sequence whose files are all written.

    Args:
        folder: The export's.
        sequence: Its provenance and tracks go into the record.
        content_hash: What identifies its content in the store.
        facts: What the format says of it.
        source_types: Frames by how their pictures came to be; recorded ones are not counted.
    """
    record = {
        "exported": dict(facts),
        "content_hash": content_hash,
        "digital_source_types": {VOCABULARY + kind: n for kind, n in sorted(source_types.items())},
        **asdict(sequence),
    }
    _record_path(folder, sequence.sequence_id).parent.mkdir(exist_ok=True)
    _write(_record_path(folder, sequence.sequence_id), record)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the operating system refuses into one clear line.

    Raises:
        ExportError: Naming the folder and the reason.
    """
    try:
        yield
    except OSError as error:
        raise ExportError(
            f"'{folder}': cannot write: {error.strerror or error}; finished sequences are safe, "
            "make room or mend it and run the same command again"
        ) from error


def _differences(
    found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, object, object]]:
    """Yield what differs as key, old and new, nested fields by their own keys."""
    for key, asked in wanted.items():
        was = found.get(key)
        if isinstance(was, dict) and isinstance(asked, dict):
            yield from _differences(was, dict.fromkeys(was) | asked, f"{prefix}{key}.")
        elif was != asked:
            yield f"{prefix}{key}", was, asked


def _record_path(folder: Path, sequence_id: str) -> Path:
    return folder / "sequences" / f"{sequence_id}.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ExportError(f"{path}: damaged ({error}); {_ELSEWHERE}") from error
    if not isinstance(content, dict):
        raise ExportError(f"{path}: damaged (no JSON object); {_ELSEWHERE}")
    return content


def _write(path: Path, content: Mapping[str, object]) -> None:
    with whole_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1, default=dict) + "\n", encoding="utf-8")
