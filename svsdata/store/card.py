"""The dataset card: what people and the Hugging Face viewer read first."""

from pathlib import Path

import yaml

from svsdata.store.files import write_durably
from svsdata.store.format import (
    CARD_FILE,
    FRAMES,
    SequenceRecord,
    StoreInfo,
    committed_ids,
    read_record,
    record_path,
)


def write_card(store: Path, info: StoreInfo) -> None:
    """Write ``README.md`` anew; writers that commit at the same time end with a whole one.

    Whoever writes last has looked for commits after writing, so none is left out.
    """
    records: dict[str, SequenceRecord] = {}
    written: list[str] | None = None
    while (ids := committed_ids(store)) != written:
        for sequence_id in ids:
            if sequence_id not in records:
                records[sequence_id] = read_record(record_path(store, sequence_id), sequence_id)
        write_durably(store / CARD_FILE, _card(store.name, info, [records[it] for it in ids]))
        written = ids


def _card(name: str, info: StoreInfo, records: list[SequenceRecord]) -> bytes:
    files = [
        f"{FRAMES}/{record.sequence.sequence_id}/{part.name}"
        for record in records
        for part in record.parts
    ]
    head = {
        "pretty_name": name,
        "license": "other",
        "tags": ["autonomous-driving", "semantic-segmentation", "svsdata"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": files}]}],
    }
    frames = sum(record.sequence.num_frames for record in records)
    synthetic = sum(record.synthetic_frames for record in records)
    licences = [f"- {source}: {terms}" for source, terms in info.licences.items()]
    lines = [
        "---",
        yaml.safe_dump(head, sort_keys=False).rstrip(),
        "---",
        f"# {name}",
        "",
        f"{len(records)} sequences, {frames} frames of {info.size_hw[1]}x{info.size_hw[0]} at "
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
