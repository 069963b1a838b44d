"""Every error that bad data, files or configs may raise.

SvsDataError
├── ConfigError
├── LabelSetError
├── SourceError
├── StoreError
│   ├── StoreFormatError
│   ├── SequenceNotFoundError
│   ├── SequenceTakenError
│   └── CorruptShardError
├── WeightsError
├── CheckpointError
├── NonFiniteLossError
├── EditPlanError
├── ExportError
└── ProcessError

A message is one line: what is wrong, where, expected, got, what to do. Wrong calls raise
``ValueError`` or ``TypeError`` instead. The command line turns an ``SvsDataError`` into that line
and exit code 1; anything else keeps its traceback.
"""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint at the known word that was probably meant, or nothing; case does not count."""
    by_small = {one.lower(): one for one in known}
    near = get_close_matches(word.lower(), by_small, n=1)
    return f" (did you mean '{by_small[near[0]]}'?)" if near else ""


class SvsDataError(Exception):
    """Bad input of any kind, told in one line."""


class ConfigError(SvsDataError):
    """A config, preset, option or workspace file says something that cannot be done."""


class LabelSetError(SvsDataError):
    """Label sets differ, a label is unknown, or a map holds ids outside its label set."""


class SourceError(SvsDataError):
    """A recording cannot be read: missing, empty, broken, or of changing size."""


class StoreError(SvsDataError):
    """A store cannot be written or read as asked."""


class StoreFormatError(StoreError):
    """The folder is no store, or one of another format version."""


class SequenceNotFoundError(StoreError):
    """The store has no such sequence, or the sequence has no such frame."""


class SequenceTakenError(StoreError):
    """Another process writes the sequence, or has just committed it."""


class CorruptShardError(StoreError):
    """Bytes of a store do not match their hash, their header or their record."""


class WeightsError(SvsDataError):
    """A weights file is missing, has another hash, or does not fit the network."""


class CheckpointError(SvsDataError):
    """A checkpoint is missing, damaged, or made for other data or another network."""


class NonFiniteLossError(SvsDataError):
    """A loss term became NaN or infinite; raised before the optimiser step."""


class EditPlanError(SvsDataError):
    """An edit is unknown, contradictory, or cannot be planned on this sequence."""


class ExportError(SvsDataError):
    """A store cannot be written in the asked format."""


class ProcessError(SvsDataError):
    """One of several processes failed in what it alone does; no other can tell why."""
