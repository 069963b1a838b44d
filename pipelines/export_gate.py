"""The gate's findings as an export applies them: read from the store, checked, by sequence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from svsdata.errors import ExportError
from svsdata.export.gating import Gate
from svsdata.pipelines.configs.export import ExportConfig
from svsdata.records import Frame
from svsdata.store.gate_table import GateRecord, read_gate_record, read_gate_rows, store_classes
from svsdata.store.reader import StoreReader


@dataclass(frozen=True)
class StoreGate:
    """Thresholds and findings for every sequence of a store."""

    store: Path
    gate: Gate
    records: Mapping[str, GateRecord]

    def facts(self, sequence_id: str) -> str:
        """Return whatever the blanked pixels of a sequence depend on, as text to hash."""
        means = {name: tally.mean_loss for name, tally in self.gate.classes.items()}
        return f"{self.records[sequence_id].sha256} {means}"

    def blanked(self, sequence_id: str, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Yield all frames of a sequence with what was rejected blanked."""
        return self.gate.blanked(frames, read_gate_rows(self.store, self.records[sequence_id]))


def chosen_gate(config: ExportConfig, reader: StoreReader) -> StoreGate | None:
    """Return the gate that the config asks for; None where it asks for none.

    Raises:
        ExportError: If a sequence of the store was not judged, or has changed since.
    """
    if config.gate_loss_ratio is None and config.gate_object_agreement is None:
        return None
    records = {}
    for sequence_id in reader.sequence_ids:
        record = read_gate_record(reader, sequence_id)
        if record is None:
            raise ExportError(
                f"store '{reader.path}': sequence '{sequence_id}' was not judged as it is now; run "
                f"'svsdata gate {reader.path} --judge ...' or leave gate_loss_ratio and "
                "gate_object_agreement out"
            )
        records[sequence_id] = record
    gate = Gate(
        reader.info.label_set,
        store_classes(records.values()),
        config.gate_loss_ratio,
        config.gate_object_agreement,
    )
    return StoreGate(reader.path, gate, records)
