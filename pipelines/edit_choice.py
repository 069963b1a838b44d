"""Which edits are asked for: presets and files, with single fields changed."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import yaml

from svsdata.editing.edit_text import load_edit_file, load_preset, parse_edits
from svsdata.editing.language import Edit, join_edits
from svsdata.errors import ConfigError, EditPlanError
from svsdata.pipelines.configs.edit import EditChoices


def chosen_edits(choices: EditChoices) -> tuple[Edit, ...]:
    """Return the edits of presets and files, in the order given.

    Raises:
        EditPlanError: If one is unknown or cannot be read.
    """
    presets = ((f"preset {name}", load_preset(name)) for name in choices.presets)
    files = ((f"'{path}'", load_edit_file(path)) for path in choices.edit_files)
    edits = join_edits(chain(presets, files))
    known = [edit.id for edit in edits]
    for edit_id in choices.edits:
        if edit_id not in known:
            raise EditPlanError(
                f"'edits.{edit_id}' changes an edit that is not asked for; "
                f"asked for: {', '.join(known) or 'none'}"
            )
    return tuple(_changed(edit, choices.edits.get(edit.id, {})) for edit in edits)


def require_different(choices: EditChoices, edits: Sequence[Edit]) -> None:
    """Refuse variants of labels without edits, which would all be the same.

    Raises:
        ConfigError: If several are asked for.
    """
    if choices.variants > 1 and not edits:
        raise ConfigError(
            f"variants = {choices.variants} without an edit would be the same video "
            f"{choices.variants} times; name an edit or leave variants at 1"
        )


def _changed(edit: Edit, changes: Mapping[str, Any]) -> Edit:
    """Lay changes over an edit, checked as if a file had said it."""
    if not changes:
        return edit
    said = edit.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    text = yaml.safe_dump({"version": 1, "edits": [_merged(said, changes)]})
    where = f"edits.{edit.id}"
    try:
        (changed,) = parse_edits(text, where).edits
    except EditPlanError as error:
        # It is the only edit of the text, which nobody wrote.
        raise EditPlanError(str(error).replace(f"{where}: edits.0.", f"{where}.")) from error
    return changed


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {**below, **above}
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(below.get(key), Mapping):
            both[key] = _merged(below[key], value)
    return both
