"""Who made a synthesized sequence, of what: names and hashes that go into every row and record."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from svsdata.records import Track

_HASH_DIGITS = 16
_READ_BYTES = 1 << 20


def file_hash(path: Path) -> str:
    """Return the sha256 of a file's bytes, 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def recipe_of(facts: Mapping[str, object]) -> str:
    """Return everything that a sequence's bytes depend on, by name, as one JSON object."""
    return json.dumps(facts, sort_keys=True)


def model_name(model: str, weights_hash: str) -> str:
    """Return how rows name the generator that drew them."""
    return f"svsgan {model} sha256:{weights_hash[:_HASH_DIGITS]}"


def synthesized_id(base_id: str, edit_names: tuple[str, ...], variant: int | None) -> str:
    """Name a synthesized sequence.

    Without edits it keeps the name of its base, so that the two can be compared.

    Args:
        base_id: Sequence that the labels come from.
        edit_names: Presets and stems of edit files.
        variant: Its number where there are several.
    """
    edits = "-".join(re.sub(r"[^A-Za-z0-9_]+", "_", name) for name in edit_names)
    number = "" if variant is None else str(variant)
    return ".".join(part for part in (base_id, edits, number) if part)


def with_known_identities(tracks: Iterable[Track], known: Iterable[Track]) -> tuple[Track, ...]:
    """Give tracks the identity that source or edits know them by.

    Args:
        tracks: As seen in the maps of a sequence.
        known: Whoever shares an instance id and a frame with one of them is the same object.
    """
    by_instance: dict[int, list[Track]] = {}
    for track in known:
        by_instance.setdefault(track.instance_id, []).append(track)

    def identity(track: Track) -> int:
        for one in by_instance.get(track.instance_id, ()):
            if one.first_frame <= track.last_frame and track.first_frame <= one.last_frame:
                return one.track_id
        return track.track_id

    return tuple(replace(track, track_id=identity(track)) for track in tracks)
