import pytest

from svsdata.editing.edit_text import load_edit_file, load_preset, parse_edits, preset_names
from svsdata.editing.language import join_edits
from svsdata.errors import EditPlanError


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_says_what_it_is_about(name):
    preset = load_preset(name)
    assert preset.about
    assert preset.edits


def test_an_unknown_preset_names_the_nearest_and_all():
    with pytest.raises(EditPlanError, match=r"did you mean 'add_truck'.*add_bus, .*remove_cars"):
        load_preset("ad_truck")


def edits(line: str) -> str:
    return f"version: 1\nedits:\n  - {line}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (edits("{id: a, op: ad, class: truck, at: {left_m: 1}}"), r"did you mean 'add'"),
        (edits("{id: a, op: add, clas: truck}"), r"edits\.0\.clas: unknown key.*'class'"),
        (edits("{id: a, op: add, at: {left_m: 1}}"), r"edit 'a' with op 'add' needs 'class'"),
        (edits("{id: a, op: remove}"), r"needs 'target'"),
        (edits("{id: a, op: add, class: truck}"), r"needs 'at'"),
        (edits("{id: a, op: add, class: car, motion: {model: beside_ego}}"), r"two waypoints"),
        (edits("{id: a b, op: remove, target: {class: car}}"), r"edits\.0\.id"),
        (edits("!!python/object/apply:os.system ['true']"), r"not plain YAML data"),
        ("version: 2\nedits: []", r"version"),
        ("just words", r"document"),
        ("edits: [", r"not plain YAML"),
    ],
)
def test_a_fault_is_told_in_one_line_with_its_place(text, message):
    with pytest.raises(EditPlanError, match=message) as caught:
        parse_edits(text, "works.yaml")
    assert str(caught.value).startswith("works.yaml: ")
    assert "\n" not in str(caught.value)


def test_one_number_is_a_span_of_that_number():
    (edit,) = parse_edits(
        edits("{id: a, op: add, class: car, at: {left_m: 2, ahead_m: [3, 4]}}"), ""
    ).edits
    assert edit.at is not None
    assert (edit.at.left_m, edit.at.ahead_m) == ((2.0, 2.0), (3.0, 4.0))


def test_two_edits_of_one_id_are_refused():
    file = parse_edits(edits("{id: a, op: remove, target: {class: car}}"), "")
    with pytest.raises(EditPlanError, match="same id: a"):
        join_edits([file, file])


def test_a_file_that_is_missing_or_no_text_is_told(tmp_path):
    with pytest.raises(EditPlanError, match="cannot read edit file"):
        load_edit_file(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EditPlanError, match="cannot read edit file"):
        load_edit_file(tmp_path / "binary.yaml")
