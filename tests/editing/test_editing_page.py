"""docs/editing.md says what the code does."""

import re
from pathlib import Path
from typing import get_args

from svsdata.editing.edit_text import parse_edits, ways_of
from svsdata.editing.language import Checks, Motion, Op, Selector
from svsdata.editing.where import QUANTITIES
from svsdata.pipelines.edit_words import OPERATIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/editing.md").read_text(encoding="utf-8")


def test_the_examples_are_edits():
    example, one_edit = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    file = parse_edits(example, "docs/editing.md")
    assert [edit.op for edit in file.edits] == ["add", "shift", "relabel"]
    assert file.edits[0].checks.surface_share == 0.8
    (parked,) = parse_edits(f"version: 1\nedits:\n{one_edit}", "docs/editing.md").edits
    assert [way.enter for way in ways_of(parked)] == ["far", "reference", "far"]


def test_every_reason_that_the_code_gives_is_told():
    sources = "\n".join(path.read_text() for path in (ROOT / "svsdata/editing").glob("*.py"))
    given = set(re.findall(r"(?:Fault\(|reason=)\s*\"([A-Z_]+)\"", sources))
    assert len(given) > 15
    told = {
        code for row in re.findall(r"^\| ([A-Z_, ]+) \|", PAGE, re.M) for code in row.split(", ")
    }
    assert told == given


def test_every_word_of_the_language_is_told():
    assert set(OPERATIONS) == set(get_args(Op))
    picks = get_args(Selector.model_fields["pick"].annotation)
    models = get_args(Motion.model_fields["model"].annotation)
    thresholds = Checks.model_fields
    for word in (*get_args(Op), *picks[1:], *models, *thresholds, *QUANTITIES):
        assert f"`{word}" in PAGE, word
