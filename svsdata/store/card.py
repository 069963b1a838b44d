"""The dataset card: what people and the Hugging Face viewer read first."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from svsdata.store.files import write_durably
from svsdata.store.format import (
    CARD_FILE,
    FRAMES,
    StoreInfo,
    committed_ids,
    read_record,
    record_path,
)


@dataclass(frozen=True)
class CardEntry:
    """What the card tells of a committed sequence."""

    files: tuple[str, ...]
    num_frames: int
    synthetic_frames: int


def write_card(store: Path, info: StoreInfo, entries: dict[str, CardEntry] | None = None) -> None:
    """Write ``README.md`` anew; writers that commit at the same time end with a whole one.

    Whoever writes last has looked for commits after writing, so none is left out.

    Args:
        store: Folder.
        info: Of the store.
        entries: By sequence, what is known already; gets what is read now, so that whoever commits
            many sequences reads no record twice.
    """
    entries = {} if entries is None else entries
    written: list[str] | None = None
    while (ids := committed_ids(store)) != written:
        for sequence_id in ids:
            if sequence_id not in entries:
                entries[sequence_id] = _entry(store, sequence_id)
        write_durably(store / CARD_FILE, _card(store.name, info, [entries[it] for it in ids]))
        written = ids


def _entry(store: Path, sequence_id: str) -> CardEntry:
    record = read_record(record_path(store, sequence_id), sequence_id)
    files = tuple(f"{FRAMES}/{sequence_id}/{part.name}" for part in record.parts)
    return CardEntry(files, record.sequence.num_frames, record.synthetic_frames)


def _card(name: str, info: StoreInfo, entries: list[CardEntry]) -> bytes:
    head = {
        "pretty_name": name,
        "license": "other",
        "tags": ["autonomous-driving", "semantic-segmentation", "svsdata"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": []}]}],
    }
    # Paths are made of checked ids, plain in YAML too; its writer takes a second for thousands.
    paths = [f"    - {file}" for entry in entries for file in entry.files]
    whole_head = yaml.safe_dump(head, sort_keys=False).rstrip()
    if paths:
        whole_head = whole_head.removesuffix(" []") + "\n" + "\n".join(paths)
    frames = sum(entry.num_frames for entry in entries)
    synthetic = sum(entry.synthetic_frames for entry in entries)
    licences = [f"- {source}: {terms}" for source, terms in info.licences.items()]
    lines = [
        "---",
        whole_head,
        "---",
        f"# {name}",
        "",
        f"{len(entries)} sequences, {frames} frames of {info.size_hw[1]}x{info.size_hw[0]} at "
        f"{info.fps:g} frames/s; {synthetic} frames are synthetic.",
        "",
        f"- Layers: {', '.join(info.modalities)}",
        f"- Labels: `{info.label_set.name}`, {info.label_set.num_classes} classes; the whole "
        "table is in `store.json`",
        "",
        "## Licences",
        "",
        *(licences or ["None was recorded: ask whoever made this store before passing it on."]),
        "",
        "## Open and check",
        "",
        "Parquet files with PNG or JPEG bytes: pyarrow, Hugging Face `datasets`, DuckDB and Polars",
        "read them as they are. `svsdata store verify` checks every byte.",
        "",
        "This file is made anew with every commit; write nothing here that must last.",
        "",
    ]
    return "\n".join(lines).encode()
