from itertools import combinations

import pytest

from svsdata.editing.edit_text import (
    changed_edit,
    join_edits,
    load_edit_file,
    load_preset,
    parse_edits,
    preset_names,
)
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
        (
            edits("{id: a, op: add, class: truck, at: {lef_m: 3}}"),
            r"edits\.0\.at\.lef_m: unknown key .did you mean 'left_m'",
        ),
        (edits("{id: a, op: add, class: car, motion: {model: beside_ego}}"), r"two waypoints"),
        (edits("{id: a b, op: remove, target: {class: car}}"), r"edits\.0\.id"),
        (
            edits("!!python/object/apply:os.system ['true']"),
            r"not plain YAML data: line 3, column 5: could not determine a constructor",
        ),
        ("edits: []\n---\nedits: []", r"YAML data: line 2, column 1: expected a single document"),
        (edits("{id: a, op: remove, target: {class: car}, frames: {from: -4}}"), "'from' is -4"),
        (edits("{id: a, op: remove, target: {class: car}, frames: {to: -1}}"), "'to' is -1"),
        (edits("{id: a, op: remove, target: led}"), r"edits\.0\.target: no selector 'led'.*none"),
        (
            "select: {lead: {class: car}}\n" + edits("{id: a, op: remove, target: led}"),
            r"did you mean 'lead'",
        ),
        (edits("{id: a, op: remove, target: {class: car, where: 'ahed_m < 3'}}"), "ahead_m"),
        (edits("{id: a, op: replace, target: {class: car}}"), "needs 'class'"),
        (edits("{id: a, op: shift, target: {class: car}}"), "needs 'by_m'"),
        (edits("{id: a, op: retime, target: {class: car}}"), "needs 'by_s'"),
        (edits("{id: a, op: relabel, from: road, to: sidewalk}"), "needs 'region'"),
        (
            edits(
                "{id: a, op: relabel, region: {along_m: [1, 2], left_m: [1, 2]}, "
                "from: road, to: road}"
            ),
            "'from' and 'to' are both 'road'",
        ),
        (edits("{id: a, op: remove, target: {class: car}, class: bus}"), "means nothing to op"),
        (edits("{id: a, op: add, class: car, at: {left_m: [3, 1]}}"), "low end 3 comes first"),
        (edits("{id: a, op: add, class: car, at: {left_m: .nan}}"), r"left_m"),
        (edits("{id: a, op: add, class: car, at: {left_m: 1}, frames: {from: 9, to: 3}}"), "none"),
        (edits("{id: a, op: add, class: car, motion: {like: lead}}"), "no selector 'lead'"),
        (edits("{id: a, op: add, class: car, motion: {file: a.csv}}"), "from an edit file only"),
        (
            edits("{id: a, op: recolor, target: {class: car}}"),
            "'add' and 'replace' take a 'colour'",
        ),
        (
            edits("{id: a, op: add, class: car, at: {left_m: 3}, colour: [red, blau]}"),
            r"edits\.0\.colour\.1: expected a colour, such as navy or '#1e4f8b', got 'blau'",
        ),
        (
            edits("{id: a, op: add, class: car, at: {left_m: 3}, colour: [red, Oragne]}"),
            r"got 'Oragne' \(did you mean 'orange'\?\)$",
        ),
        (
            "select: {lead: {class: car}, last: {class: car, pick: last}}\n"
            + edits("{id: a, op: remove, target: lead}"),
            "select.last: no edit uses it; name it or take it out",
        ),
        (
            edits("{id: a, op: add, class: car, at: {left_m: 3}, colour: '#10203040'}"),
            "expected a colour",
        ),
        (edits("{id: a, op: remove, target: {class: car}, colour: red}"), "'colour' means nothing"),
        (edits("{id: a, op: add, class: car, color: red}"), "did you mean 'colour'"),
        (edits("{id: a, op: add, class: car, size_m: {h: 3}}"), r"size_m\.h: .*: write 'height'"),
        (edits("{id: a, op: add, class: car, shape: {from: box}}"), "'solid' draws the solid"),
        (edits("{id: a, op: add, class: car, at: {ahead_m: 9}}"), "needs 'left_m' or 'lane'"),
        (
            edits("{id: a, op: add, class: car, at: {lane: right, left_m: [-6, -3]}}"),
            "lane 'right' is -5.25 to -1.75 m left .*'left_m' -6 to -3; leave one out",
        ),
        (
            edits("{id: a, op: add, class: car, at: {left_m: 1}, motion: {speed_mps: 9}}"),
            "'speed_mps' means nothing to motion 'static', only to constant, follow_road and cross",
        ),
        (
            edits("{id: a, op: add, class: car, at: {left_m: 1}, motion: {model: cross}}"),
            "motion 'cross' needs 'speed_mps'",
        ),
        (
            edits(
                "{id: a, op: add, class: car, at: {left_m: 1}, "
                "motion: {model: follow_road, speed_mps: 9, heading_deg: 5}}"
            ),
            "'heading_deg' means nothing to motion 'follow_road', only to static and constant",
        ),
        (
            edits(
                "{id: a, op: relabel, region: {along_m: [1, 2], left_m: [1, 2]}, "
                "from: [], to: road}"
            ),
            "from: expected a name or a list of names",
        ),
        (
            edits("{id: a, op: remove, target: {class: car}, frames: {from: 1:30}}"),
            "from: expected a whole number, or 'auto', got '1:30'",
        ),
        (
            edits("{id: a, op: remove, target: {class: car}, frames: {from: %s}}" % ("9" * 5000)),
            "from: expected a whole number, or 'auto', got inf",
        ),
        (
            edits("{id: a, op: add, class: car, at: {left_m: 1.0e+200}}"),
            "must be less than or equal to 1000000000",
        ),
        (
            edits(
                "{id: a, op: relabel, region: {along_m: [0, 1e8], left_m: [1, 2]}, "
                "from: road, to: terrain}"
            ),
            "'along_m' is 1e.08 m long, at most 100000 m are relabelled",
        ),
        (edits("{id: true, op: remove}"), "expected a word or a text, got True"),
        (edits("{id: ä, op: remove}"), "expected a word of letters, digits, - and _, got 'ä'"),
        ("check: {min_px: 3}\n" + edits("{id: a, op: remove, target: {class: car}}"), "'checks'"),
        ("checks: {min_pix: 3}\n" + edits("{id: a, op: remove, target: {class: car}}"), "min_px"),
        ("version: 1\nversion: 1", "'version' is said twice"),
        ("a: &a [1]\nb: *a", "aliases"),
        ("[" * 30, "nested more than 20 deep"),
        ("about: !!binary aGk=", "line 1, column 8: found the tag 'tag:yaml.org,2002:binary'"),
        ("edits: !!set {a, b}", "line 1, column 8: found the tag 'tag:yaml.org,2002:set'"),
        (edits("{id: a, op: insert}"), "got 'insert': 'add' puts objects into the frames$"),
        (edits("{id: a, op: move}"), "got 'move': 'shift' moves objects"),
        (
            edits(
                "{id: a, op: relabel, region: {polygon_ground_m: [[1, 0], [2, 0], [3, 0]]}, "
                "from: road, to: terrain}"
            ),
            "'polygon_ground_m' encloses no ground",
        ),
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


@pytest.mark.parametrize(
    ("written", "meant"),
    [("010", 10.0), ("1e2", 100.0), ("-1.5E+1", -15.0), (".5", 0.5), ("2.", 2)],
)
def test_numbers_are_those_of_yaml_1_2(written, meant):
    (edit,) = parse_edits(
        edits(f"{{id: a, op: add, class: car, at: {{left_m: {written}}}}}"), "test"
    ).edits
    assert edit.at.left_m == (meant, meant)


def test_one_number_is_a_span_of_that_number():
    (edit,) = parse_edits(
        edits("{id: a, op: add, class: car, at: {left_m: 2, ahead_m: [3, 4]}}"), ""
    ).edits
    assert edit.at is not None
    assert (edit.at.left_m, edit.at.ahead_m) == ((2.0, 2.0), (3.0, 4.0))


def test_a_day_is_a_word():
    file = parse_edits(
        "about: 2026-01-31\n" + edits("{id: a, op: remove, target: {class: car}}"), "test"
    )
    assert file.about == "2026-01-31"


def test_two_edits_of_one_id_are_refused():
    file = parse_edits(edits("{id: a, op: remove, target: {class: car}}"), "")
    with pytest.raises(EditPlanError, match=r"same id: 'a' is in one and in two"):
        join_edits([("one", file), ("two", file)])
    with pytest.raises(EditPlanError, match=r"^one is named twice; name it once$"):
        join_edits([("one", file), ("one", file)])


def test_any_two_presets_can_be_asked_for_at_once():
    pairs = list(combinations(preset_names(), 2))
    assert len(pairs) == 78
    for pair in pairs:
        files = [(name, load_preset(name)) for name in pair]
        assert len(join_edits(files)) == sum(len(file.edits) for _, file in files)


def test_a_file_that_is_missing_or_no_text_is_told(tmp_path):
    with pytest.raises(EditPlanError, match=r"none.yaml': No such file or directory$"):
        load_edit_file(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EditPlanError, match="no UTF-8 text"):
        load_edit_file(tmp_path / "binary.yaml")


def test_named_selectors_and_checks_are_put_into_the_edits_that_use_them():
    text = """
version: 1
select:
  lead: {class: car, where: "ahead_m < 40 and track_len >= 20", pick: nearest}
edits:
  - {id: swap, op: replace, target: lead, class: bus}
  - {id: same, op: add, class: car, motion: {like: lead}, checks: {min_px: 9}}
checks: {on_fail: error, min_px: 100}
"""
    swap, same = parse_edits(text, "").edits
    assert swap.target is not None
    assert swap.target.pick == "nearest"
    assert (swap.checks.on_fail, swap.checks.min_px) == ("error", 100)
    assert same.motion.model == "like"
    assert same.motion.like == swap.target
    assert (same.checks.on_fail, same.checks.min_px) == ("error", 9)


def test_a_track_file_beside_the_edit_file_becomes_waypoints(tmp_path):
    (tmp_path / "track.csv").write_text("s,ahead_m,left_m\n0,20,-3\n1.5,30,-2.5\n")
    path = tmp_path / "edits.yaml"
    path.write_text(edits("{id: a, op: add, class: car, motion: {file: track.csv}}"))
    (edit,) = load_edit_file(path).edits
    assert [(p.s, p.ahead_m[0], p.left_m[1]) for p in edit.motion.waypoints] == [
        (0.0, 20.0, -3.0),
        (1.5, 30.0, -2.5),
    ]
    faults = {
        "s,ahead_m\n0,1\n": "needs the columns s, ahead_m, left_m",
        "s,ahead_m,left_m\n0,far,1\n": "line 2: not a number",
        "s,ahead_m,left_m\n1,1,1\n0,1,1\n": "must grow",
        "s,ahead_m,left_m\n0,1,1\n": "two waypoints",
    }
    for content, message in faults.items():
        (tmp_path / "track.csv").write_text(content)
        with pytest.raises(EditPlanError, match=message):
            load_edit_file(path)
    path.write_text(edits("{id: a, op: add, class: car, motion: {file: ../../etc/passwd}}"))
    with pytest.raises(EditPlanError, match="does not lie beside"):
        load_edit_file(path)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("size_m: {height: tall}", "size_m.height: expected a number of metres, or two as [low, "),
        ("size_m: {height: [1, tall]}", "size_m.height: expected a number of metres, or two as"),
        ("size_m: {height: [1, 2, 3]}", "size_m.height: expected a number of metres, or two as"),
        ("size_m: {height: yes}", "size_m.height: expected a number of metres, or two as [low, "),
        ("size_m: 3", "size_m: expected a mapping, such as {height: 3.5}, got 3"),
        ("motion: {speed_mps: fast}", "speed_mps: expected a number of metres a second, or two"),
        ("by_s: late", "by_s: expected a number of seconds, or two as [low, high], got 'late'"),
        ("by_m: 3", "by_m: expected a mapping of ahead, left, got 3"),
        ("frames: {from: soon}", "frames.from: expected a whole number, or 'auto', got 'soon'"),
        ("frames: {to: 1.5}", "frames.to: expected a whole number, or 'end', got 1.5"),
        ("repeat: {gap_m: 3, most: many}", "most: expected a whole number, got 'many'"),
        ("checks: {jump_px: wide}", "jump_px: expected a number, got 'wide'"),
        ("size_m: {length: 0}", "size_m.length: must be greater than 0, got 0"),
        ("size_m: {width: [-1, 2]}", "size_m.width: must be greater than 0, got [-1, 2]"),
        ("repeat: {gap_m: [-3, 2]}", "gap_m: must be 0 or more, got [-3, 2]"),
        ("checks: {jump_px: true}", "jump_px: expected a number, got True"),
        ("checks: {min_px: true}", "min_px: expected a whole number, got True"),
        ("checks: {min_px: '64'}", "min_px: expected a whole number, got '64'"),
        ("checks: {surface_share: false}", "surface_share: expected a number, got False"),
        ("frames: {from: true}", "frames.from: expected a whole number, or 'auto', got True"),
        ("repeat: {gap_m: 3, most: true}", "most: expected a whole number, got True"),
        ("motion: {waypoints: [{s: true}]}", "s: expected a number of seconds, got True"),
        ("target: {class: car, track: true}", "track: expected a whole number, got True"),
        ("checks: {jump_px: -1}", "jump_px: must be greater than 0, got -1"),
        ("motion: {waypoints: 3}", "waypoints: expected a list, got 3"),
        ("motion: {waypoints: [{s: a}]}", "waypoints.0.s: expected a number of seconds, got 'a'"),
        ("repeat: {most: 2}", "repeat.gap_m: is missing"),
        ("region: {along_m: 3, left_m: [1, 2]}", "along_m: expected two numbers of metres as [1,"),
        ("region: {polygon_ground_m: [[1, 2], [3]]}", "polygon_ground_m.1: expected two numbers"),
    ],
)
def test_a_wrong_value_is_told_in_the_words_of_the_language(words, told):
    text = f"version: 1\nedits: [{{id: a, op: add, class: truck, {words}}}]"
    with pytest.raises(EditPlanError) as error:
        parse_edits(text, "f.yaml")
    assert told in str(error.value)


def test_what_is_missing_is_told_without_what_is_there():
    with pytest.raises(EditPlanError) as error:
        parse_edits("edits: [{id: a, op: add, class: truck, at: {lane: own}}]", "f.yaml")
    assert str(error.value) == "f.yaml: version: is missing"


@pytest.mark.parametrize("version", ["true", "'1'", "1.0"])
def test_a_version_that_only_counts_as_one_is_refused(version):
    with pytest.raises(EditPlanError, match=r"version: expected a whole number, got "):
        parse_edits(f"version: {version}\nedits: []", "f.yaml")


def test_whole_numbers_are_read_where_any_number_may_stand():
    line = "{id: a, op: remove, target: {class: car, track: 3}, checks: {jump_px: 4, min_px: 0}}"
    (edit,) = parse_edits(edits(line), "f.yaml").edits
    assert (edit.target.track, edit.checks.jump_px, edit.checks.min_px) == (3, 4.0, 0)


def test_a_number_two_and_a_pair_are_read():
    text = """
    version: 1
    edits:
      - {id: a, op: relabel, from: road, to: sidewalk, region: {along_m: [1, 2.5], left_m: [-1, 1]}}
      - {id: b, op: add, class: truck, at: {left_m: 1}, size_m: {height: 3, width: [2, 2.5]}}
    """
    region, added = parse_edits(text, "f.yaml").edits
    assert region.region.along_m == (1, 2.5)
    assert added.size_m == {"height": (3, 3), "width": (2, 2.5)}


@pytest.mark.parametrize(
    ("place", "span"),
    [
        ("lane: left", (3.2, 3.8)),
        ("lane: own", (-0.3, 0.3)),
        ("lane: right", (-3.8, -3.2)),
        ("lane: right, left_m: [-4.5, -2.5]", (-4.5, -2.5)),
        ("left_m: 9", (9.0, 9.0)),
    ],
)
def test_a_lane_is_a_place_across_the_road(place, span):
    (edit,) = parse_edits(edits(f"{{id: a, op: add, class: car, at: {{{place}}}}}"), "").edits
    assert edit.at is not None
    assert edit.at.across_m == pytest.approx(span)


def test_on_is_a_word_and_true_a_truth_value():
    text = "{id: a, op: add, class: car, at: {left_m: 1, on: [road, parking]}}"
    (edit,) = parse_edits(edits(text), "").edits
    assert edit.surfaces == ("road", "parking")
    with pytest.raises(EditPlanError, match=r"collision: must be .* got True"):
        parse_edits(edits(text.replace("}}", "}, checks: {collision: true}}")), "")


def test_one_class_or_several_are_relabelled():
    text = "{id: a, op: relabel, region: {along_m: [1, 2], left_m: [1, 2]}, from: %s, to: terrain}"
    (one,) = parse_edits(edits(text % "road"), "").edits
    (both,) = parse_edits(edits(text % "[road, sidewalk]"), "").edits
    assert (one.from_classes, both.from_classes) == (("road",), ("road", "sidewalk"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("navy", ("#000080",)),
        ("'#1E4F8B'", ("#1e4f8b",)),
        ("'#fff'", ("#ffffff",)),
        ("'rgb(30, 79, 139)'", ("#1e4f8b",)),
        ("[red, '#00f']", ("#ff0000", "#0000ff")),
    ],
)
def test_colours_are_written_as_css_writes_them(written, meant):
    text = edits(f"{{id: a, op: add, class: car, at: {{left_m: 3}}, colour: {written}}}")
    assert parse_edits(text, "test").edits[0].colour == meant


def test_a_change_to_a_table_of_waypoints_is_not_taken_for_its_name(tmp_path):
    (tmp_path / "track.csv").write_text("s,ahead_m,left_m\n0,10,-3\n9,20,-3\n")
    text = "version: 1\nedits: [{id: a, op: add, class: car, motion: {file: track.csv}}]"
    (edit,) = parse_edits(text, "test", folder=tmp_path).edits
    with pytest.raises(EditPlanError, match=r"'other\.csv' can be read from an edit file only"):
        changed_edit(edit, {"motion": {"file": "other.csv"}}, "edits.a")
    with pytest.raises(EditPlanError, match=r"edits\.a\.id: an edit keeps its id 'a'"):
        changed_edit(edit, {"id": "b"}, "edits.a")
