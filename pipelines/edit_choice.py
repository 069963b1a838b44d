"""Which edits are asked for: presets and files, with single fields changed."""

from collections.abc import Sequence
from itertools import chain

from svsdata.editing.edit_text import changed_edit, join_edits, load_edit_file, load_preset
from svsdata.editing.language import Edit
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
    return tuple(
        changed_edit(edit, choices.edits.get(edit.id, {}), f"edits.{edit.id}") for edit in edits
    )


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
