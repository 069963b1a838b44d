import json
import shutil
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from svsdata.cli.edit import app
from svsdata.cli.main import app as svsdata
from svsdata.editing.plan_table import read_plan
from svsdata.errors import ConfigError, CorruptShardError, EditPlanError, StoreError
from svsdata.images import decode_image
from svsdata.labels import CITYSCAPES
from svsdata.pipelines.edit_apply import run_edit_apply
from svsdata.progress import Silent
from svsdata.records import Frame
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader
from svsdata.store.writer import StoreWriter
from svsdata.street_world.scene import StreetWorld
from tests.pipelines.interfering import StopAfter, StoppedError

SIZE_HW = (48, 96)
NUM_FRAMES = 6
EDITS = """
version: 1
edits:
  - {id: parked, op: add, class: car, enter: reference, at: {ahead_m: 12, left_m: [-0.5, 0.5]},
     checks: {collision: ignore}}
  - {id: nobody, op: remove, target: {class: person}, enter: reference}
  - {id: bus, op: add, class: bus, enter: far, at: {left_m: 0}}
"""
MAPS = ("semantic", "instance")
MOTION = ("flow", "occlusion")


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("base") / "store"
    info = StoreInfo(CITYSCAPES, SIZE_HW, 10.0, ("image", *MAPS, *MOTION), {"own": "CC0"})
    world = StreetWorld(7, size_hw=SIZE_HW, fps=10.0)
    with StoreWriter(path, info).sequence("drive", source="here", fps=10.0) as rows:
        for index in range(NUM_FRAMES):
            street = world.render(index)
            layers = {layer: getattr(street, layer) for layer in info.modalities}
            layers |= dict.fromkeys(MOTION) if index == 0 else {}
            rows.append(
                Frame(index, index, **layers, camera=world.camera, ego=street.ego, source="here")
            )
        rows.commit(instance_scope="sequence")
    return path


@pytest.fixture(scope="module")
def edit_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("edits") / "works.yaml"
    path.write_text(EDITS)
    return path


@pytest.fixture(scope="module")
def plans(base, edit_file, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("plans") / "plans"
    invoke("plan", base, out, "--edit-file", edit_file)
    return out


@pytest.fixture(scope="module")
def edited(base, plans, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("edited") / "edited"
    invoke("apply", base, plans, out)
    return out


def invoke(*arguments, exit_code: int = 0) -> str:
    words = [str(it) for it in arguments]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return result.stdout


def maps(store: Path, layers=MAPS) -> dict[str, np.ndarray]:
    reader = StoreReader(store)
    frames = list(reader.read(reader.sequence_ids[0], layers=layers))
    return {layer: np.stack([getattr(frame, layer) for frame in frames]) for layer in layers}


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "README.md"
    }


def test_list_tells_presets_with_what_they_are_about_classes_and_operations():
    told = invoke("list")
    for expected in ("add_truck", "Trucks.", "motorcycle", "relabel"):
        assert expected in told
    assert "remove_cars" in json.loads(invoke("list", "--json"))["presets"]


def test_a_plan_is_a_file_that_explain_tells_in_words(plans):
    (path,) = plans.iterdir()
    assert path.name == "drive.works.parquet"
    told = invoke("explain", plans)
    assert "2 of 3 edits of 'drive' will be applied, 6 frames of 96x48" in told
    assert "parked #0: add car, applied, frames 0..5, id 26" in told
    assert "bus #0: add bus, rejected: UNSEEN, never in view" in told
    (plan,) = json.loads(invoke("explain", path, "--json"))["plans"]
    assert plan["plan_hash"] == read_plan(path).hash
    assert [it["status"] for it in plan["edits"]] == ["applied", "applied", "rejected"]


def test_explained_values_are_those_of_the_words(base, plans, tmp_path):
    (plan,) = json.loads(invoke("explain", plans, "--json"))["plans"]
    facts = ("size_hw", "num_frames", "num_live", "num_rejected")
    assert [plan[fact] for fact in facts] == [[48, 96], 6, 2, 1]
    assert f"camera {plan['camera']}" in plan["plan"]
    parked, nobody, bus = plan["edits"]
    (ahead, then), (left, there) = parked["ahead_m"], parked["left_m"]
    assert f"ahead {ahead:.1f} to {then:.1f} m, left {left:.1f} to {there:.1f} m" in parked["words"]
    assert ahead == pytest.approx(12, abs=0.1)
    assert then < ahead
    assert f"takes away every {nobody['erased_class']}" in nobody["words"]
    assert (nobody["erased_class"], bus["erased_class"], bus["ahead_m"]) == ("person", "", [])
    (tmp_path / "works.yaml").write_text(
        "version: 1\nedits:\n  - {id: w, op: relabel, from: road, to: sidewalk,\n"
        "     region: {polygon_ground_m: [[5, -4], [30, -4], [30, 4]]}}"
    )
    invoke("plan", base, tmp_path / "plans", "--edit-file", tmp_path / "works.yaml")
    (plan,) = json.loads(invoke("explain", tmp_path / "plans", "--json"))["plans"]
    (works,) = plan["edits"]
    assert (works["from_classes"], works["class"]) == (["road"], "sidewalk")
    np.testing.assert_allclose(works["region"], [[5, -4], [30, -4], [30, 4]], atol=1e-3)


def test_every_variant_gets_a_plan_of_its_own_and_the_same_seed_gives_it_again(
    base, edit_file, tmp_path
):
    words = ("--edit-file", edit_file, "--variants", 2, "--seed", 3, "--json")
    for out in ("a", "b"):
        result = json.loads(invoke("plan", base, tmp_path / out, *words))
        assert len({it["plan_hash"] for it in result["plans"]}) == 2
    assert sorted(files(tmp_path / "a")) == ["drive.works.0.parquet", "drive.works.1.parquet"]
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_another_plan_of_the_same_name_is_replaced_and_told(base, edit_file, tmp_path):
    words = ("plan", base, tmp_path, "--edit-file", edit_file, "--seed")
    told = [
        CliRunner().invoke(app, [str(it) for it in (*words, seed)]).stderr for seed in (1, 1, 2)
    ]
    assert ["drive.works.parquet: another plan was here" in one for one in told] == [0, 0, 1]


def test_a_plan_that_is_not_there_is_told(tmp_path):
    with pytest.raises(EditPlanError, match=r"there is no '.*nowhere'"):
        invoke("explain", tmp_path / "nowhere")


@pytest.mark.parametrize("named", [False, True])
def test_plans_of_a_workspace_are_carried_out_without_a_path(
    base, edit_file, tmp_path, monkeypatch, named
):
    plans, edited = ("mine/plans", "mine/labels") if named else ("plans", "edited")
    text = f'store = "{base}"\n' + f'plans = "{plans}"\nedited = "{edited}"\n' * named
    (tmp_path / "svsdata.toml").write_text(text + "[edit]\nseed = 3\n")
    # From anywhere below it, as of other commands.
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    invoke("plan", "--edit-file", edit_file)
    assert read_plan(tmp_path / plans / "drive.works.parquet").sequence_id == "drive"
    (told,) = json.loads(invoke("explain", "--json"))["plans"]
    assert told["plan"].startswith("drive.works")
    assert json.loads(invoke("apply", "--json"))["sequences"] == ["drive.works"]
    record = StoreReader(tmp_path / edited).sequence("drive.works")
    assert record.details["base_store"] == str(base)
    invoke("preview", "--edit-file", edit_file)
    assert (tmp_path / "preview.png").is_file()
    assert not list((tmp_path / "below").iterdir())


def test_without_a_workspace_plans_lie_in_the_current_folder(
    base, edit_file, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    invoke("plan", base, "--edit-file", edit_file)
    invoke("apply", base)
    assert sorted(it.name for it in tmp_path.iterdir()) == ["edited", "plans"]


def test_nothing_is_set_aside_for_what_is_made_from_it(base, plans):
    for out in (base, plans, base.parent, base / "edited"):
        with pytest.raises(ConfigError, match="cannot write to"):
            invoke("apply", base, plans, out, "--overwrite")
    assert StoreReader(base).sequence_ids == ["drive"]


def test_set_reaches_into_an_edit(base, edit_file, tmp_path):
    invoke(
        "plan", base, tmp_path, "--edit-file", edit_file, "--set", "edits.parked.size_m.height=1.5"
    )
    plan = read_plan(tmp_path / "drive.works.parquet")
    assert plan.rows[0].size_m[2] == 1.5


def test_apply_writes_labels_ids_provenance_and_tables(base, edited):
    before, after = maps(base), maps(edited, (*MAPS, "provenance"))
    car, person = (CITYSCAPES.label(name).id for name in ("car", "person"))
    provenance = after["provenance"]
    assert (before["semantic"] == person).any()
    assert not (after["semantic"] == person).any()
    assert (after["semantic"][provenance == 1] == car).all()
    assert (provenance == 1).any(axis=(1, 2)).all()
    for layer in MAPS:
        same = after[layer] == before[layer]
        assert same[provenance == 0].all()
    edit_frames = pq.read_table(edited / "edits/drive.works/edit_frames.parquet").to_pylist()
    drawn = [row for row in edit_frames if row["edit_id"] == "parked"]
    assert [row["frame_index"] for row in drawn] == list(range(NUM_FRAMES))
    for row in drawn:
        mask = provenance[row["frame_index"]] == 1
        assert row["visible_px"] == mask.sum()
        assert not mask[:, : row["x0"]].any()
        assert not mask[: row["y0"]].any()
    edits = pq.read_table(edited / "edits/drive.works/edits.parquet").to_pylist()
    assert [(it["edit_id"], it["status"]) for it in edits] == [
        ("parked", "applied"), ("nobody", "applied"), ("bus", "rejected"),
    ]  # fmt: skip
    assert edits[0]["frames_changed"] == NUM_FRAMES
    assert edits[2]["reason"] == "UNSEEN"
    record = StoreReader(edited).sequence("drive.works")
    assert {edits[0]["track_id"]} <= {track.track_id for track in record.tracks}


def test_apply_again_has_nothing_to_do_and_elsewhere_gives_the_same_bytes(
    base, plans, edited, tmp_path
):
    assert json.loads(invoke("apply", base, plans, edited, "--json"))["num_frames"] == 0
    invoke("apply", base, plans, tmp_path / "again")
    assert files(tmp_path / "again") == files(edited)


def test_a_stopped_apply_goes_on_and_leaves_the_same_bytes(base, plans, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    run_edit_apply(base, plans, whole, Silent(), part_frames=2)
    for frames in (3, 4):
        with pytest.raises(StoppedError):
            run_edit_apply(base, plans, stopped, StopAfter(frames), part_frames=2)
    result = run_edit_apply(base, plans, stopped, Silent(), part_frames=2)
    assert result.num_frames == 2
    assert files(stopped) == files(whole)


def test_verify_and_info_know_of_the_edits(edited, tmp_path):
    store = shutil.copytree(edited, tmp_path / "store")
    run = CliRunner()
    assert run.invoke(svsdata, ["store", "verify", str(store)]).exit_code == 0
    assert "edited: drive.works" in run.invoke(svsdata, ["store", "info", str(store)]).stdout
    (store / "edits/drive.works/edits.parquet").write_bytes(b"")
    spoilt = run.invoke(svsdata, ["store", "verify", str(store)])
    assert spoilt.exit_code == 1
    assert "edits.parquet: expected" in spoilt.stdout
    run.invoke(svsdata, ["store", "repair", str(store)])
    assert run.invoke(svsdata, ["store", "verify", str(store)]).exit_code == 0
    assert (store / "quarantine/drive.works/edits/plan.parquet").exists()


def test_diff_finds_an_edited_store_to_be_what_plan_and_base_give(edited):
    assert json.loads(invoke("diff", edited, "--json"))["differences"] == []
    assert "no difference" in invoke("diff", edited)


def test_apply_keeps_the_flow_of_the_base_where_nothing_changed(base, edited):
    frames = [
        list(reader.read(reader.sequence_ids[0], layers=layers))
        for reader, layers in (
            (StoreReader(base), MOTION),
            (StoreReader(edited), (*MOTION, "provenance")),
        )
    ]
    assert frames[1][0].flow is None
    for was, now in zip(*(one[1:] for one in frames), strict=True):
        untouched = now.provenance == 0
        np.testing.assert_array_equal(now.flow[untouched], was.flow[untouched])
        assert (now.occlusion[untouched] >= was.occlusion[untouched]).all()
        assert (now.flow[now.provenance == 1] != was.flow[now.provenance == 1]).any()


@pytest.mark.parametrize("layer", ["semantic", "instance", "provenance", "flow", "occlusion"])
def test_diff_names_the_frame_and_layer_of_one_pixel_that_differs(edited, tmp_path, layer):
    """A store rewritten with one other pixel, its hashes in order."""
    reader = StoreReader(edited)
    sequence = reader.sequence("drive.works")
    with StoreWriter(tmp_path / "other", reader.info).sequence(
        "drive.works", source=sequence.source, fps=10.0
    ) as rows:
        for frame in reader.read("drive.works", layers=reader.info.modalities):
            if frame.frame_index == 4:
                value = getattr(frame, layer)
                value[7, 9] = value[7, 9] + 1 if layer == "flow" else value[7, 9] ^ 1
            rows.append(frame)
        rows.commit(details=sequence.details)
    shutil.copytree(edited / "edits", tmp_path / "other/edits")
    told = invoke("diff", tmp_path / "other", exit_code=1)
    assert f"drive.works: frame 4: {layer}: 1 pixels differ, the first at (9, 7)" in told


def test_diff_finds_a_flipped_byte_wherever_it_is(edited, tmp_path):
    store = shutil.copytree(edited, tmp_path / "store")
    part = store / "frames/drive.works/part-00000.parquet"
    data = bytearray(part.read_bytes())
    for place in (len(data) // 2, len(data) - 20):
        data[place] ^= 1
        part.write_bytes(data)
        assert "part-00000.parquet" in invoke("diff", store, exit_code=1)
        data[place] ^= 1


def test_a_moved_base_is_named_and_a_changed_one_refused(base, plans, edited, tmp_path):
    moved = shutil.copytree(base, tmp_path / "moved")
    assert json.loads(invoke("diff", edited, "--base", moved, "--json"))["differences"] == []
    record = moved / "sequences/drive.json"
    record.write_text(record.read_text() + "\n")
    with pytest.raises(EditPlanError, match=r"base .* has changed since the plan was made"):
        invoke("diff", edited, "--base", moved)
    with pytest.raises(EditPlanError, match=r"base .* has changed since the plan was made"):
        invoke("apply", moved, plans, tmp_path / "out")


def test_undoing_all_edits_gives_the_maps_of_the_base(base, edited, tmp_path):
    words = ("--edit-id", "parked", "--edit-id", "nobody", "--edit-id", "bus")
    result = json.loads(invoke("undo", edited, tmp_path / "undone", *words, "--json"))
    assert result["changed_frames"] == 0
    before, after = maps(base), maps(tmp_path / "undone", (*MAPS, "provenance"))
    for layer in MAPS:
        np.testing.assert_array_equal(after[layer], before[layer])
    assert not after["provenance"].any()
    motions = [
        [(it.flow, it.flow_validity, it.occlusion) for it in reader.read(name, layers=MOTION)]
        for reader, name in (
            (StoreReader(base), "drive"),
            (StoreReader(tmp_path / "undone"), "drive.works"),
        )
    ]
    for was, now in zip(*(motion[1:] for motion in motions), strict=True):
        for old, new in zip(was, now, strict=True):
            np.testing.assert_array_equal(new, old)
    assert json.loads(invoke("diff", tmp_path / "undone", "--json"))["differences"] == []


def test_a_store_without_instance_maps_is_refused_when_edits_are_planned(tmp_path):
    info = StoreInfo(CITYSCAPES, SIZE_HW, 10.0, ("semantic",), {"own": "CC0"})
    with StoreWriter(tmp_path / "store", info).sequence("drive", source="here", fps=10.0) as rows:
        rows.append(Frame(0, 0, semantic=np.full(SIZE_HW, 7, np.uint8), source="here"))
        rows.commit(instance_scope="sequence")
    for command, out in (("plan", "plans"), ("preview", "preview.png")):
        with pytest.raises(EditPlanError, match=r"'drive' has no instance maps.*--instance "):
            invoke(command, tmp_path / "store", tmp_path / out, "--edit", "add_truck")
        assert not (tmp_path / out).exists()


def test_where_no_edit_is_left_none_can_be_undone(edited, tmp_path):
    names = [word for name in ("parked", "nobody", "bus") for word in ("--edit-id", name)]
    invoke("undo", edited, tmp_path / "undone", *names)
    with pytest.raises(EditPlanError, match=r"has no edit 'parked'; it has: none$"):
        invoke("undo", tmp_path / "undone", tmp_path / "again", "--edit-id", "parked")


def test_undoing_one_edit_leaves_the_others(edited, tmp_path):
    invoke("undo", edited, tmp_path / "undone", "--edit-id", "parked")
    stores = (edited, tmp_path / "undone")
    before, after = (maps(store, ("provenance",))["provenance"] for store in stores)
    assert not (after == 1).any()
    np.testing.assert_array_equal((after == 251) & (before != 1), before == 251)
    with pytest.raises(EditPlanError, match=r"has no edit 'parkde' \(did you mean 'parked'\?\)"):
        invoke("undo", edited, tmp_path / "out", "--edit-id", "parkde")


def test_a_delta_holds_no_base_and_restores_the_store_to_the_byte(base, edited, tmp_path):
    result = json.loads(invoke("delta", edited, tmp_path / "delta", "--json"))
    assert result["delta_bytes"] > 0
    assert not list((tmp_path / "delta").rglob("part-*"))
    restored = json.loads(invoke("restore", base, tmp_path / "delta", tmp_path / "back", "--json"))
    assert restored["byte_identical"]
    assert files(tmp_path / "back") == files(edited)
    with pytest.raises(EditPlanError, match="is not empty"):
        invoke("delta", edited, tmp_path / "delta")


def test_a_damaged_delta_is_told_in_one_line(base, edited, tmp_path):
    invoke("delta", edited, tmp_path / "delta")
    path = tmp_path / "delta/deltas/drive.works.parquet"
    whole = pq.read_table(path)
    pq.write_table(whole.slice(1), path)
    with pytest.raises(EditPlanError, match="is not of 6 frames; fetch it again"):
        invoke("restore", base, tmp_path / "delta", tmp_path / "short")
    path.write_bytes(b"")
    with pytest.raises(EditPlanError, match="cannot read delta"):
        invoke("restore", base, tmp_path / "delta", tmp_path / "none")
    path.unlink()
    with pytest.raises(EditPlanError, match="cannot read delta"):
        invoke("restore", base, tmp_path / "delta", tmp_path / "none")
    assert not (tmp_path / "short").exists()
    assert not (tmp_path / "none").exists()


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_damaged_tables_are_found_by_delta_and_restore(base, edited, tmp_path):
    shutil.copytree(edited, tmp_path / "damaged")
    invoke("delta", edited, tmp_path / "delta")
    invoke("restore", base, tmp_path / "delta", tmp_path / "back")
    table = "edits/drive.works/edits.parquet"
    for store in ("damaged", "delta", "back"):
        flip_a_byte(tmp_path / store / table)
    with pytest.raises(CorruptShardError, match=r"edits\.parquet: its SHA-256 is not the record's"):
        invoke("delta", tmp_path / "damaged", tmp_path / "of_damaged", "--base", base)
    with pytest.raises(CorruptShardError, match=r"edits\.parquet: its SHA-256 is not the record's"):
        invoke("restore", base, tmp_path / "delta", tmp_path / "out")
    assert not (tmp_path / "of_damaged").exists()
    assert not (tmp_path / "out").exists()
    shutil.copyfile(edited / table, tmp_path / "delta" / table)
    again = json.loads(invoke("restore", base, tmp_path / "delta", tmp_path / "back", "--json"))
    assert not again["byte_identical"]


def test_a_base_that_was_moved_is_to_be_named(base, edited, tmp_path):
    shutil.copytree(base, tmp_path / "base")
    shutil.copytree(edited, tmp_path / "edited")
    for record in (tmp_path / "edited/sequences").glob("*.json"):
        record.write_text(record.read_text().replace(str(base), str(tmp_path / "gone")))
    told = "base of store .* is not at '.*gone' any more; name it with --base"
    words = {"undo": ("--edit-id", "parked")}
    for command, place in (("diff", ()), ("undo", ("out",)), ("delta", ("out",))):
        places = [tmp_path / one for one in place]
        with pytest.raises(StoreError, match=told):
            invoke(command, tmp_path / "edited", *places, *words.get(command, ()))
    invoke("diff", tmp_path / "edited", "--base", tmp_path / "base")


def test_a_base_that_was_written_otherwise_serves_if_no_pixel_differs(base, edited, tmp_path):
    invoke("delta", edited, tmp_path / "delta")
    same = tmp_path / "same"
    reader = StoreReader(base)
    with StoreWriter(same, reader.info).sequence("drive", source="x", fps=10.0) as rows:
        for frame in reader.read("drive", layers=(*reader.info.modalities, "encoded_image")):
            rows.append(frame)
        rows.commit()
    assert StoreReader(same).content_hash("drive") != reader.content_hash("drive")
    restored = json.loads(invoke("restore", same, tmp_path / "delta", tmp_path / "back", "--json"))
    assert restored["byte_identical"]


def test_a_delta_of_another_base_is_refused(base, edited, tmp_path):
    invoke("delta", edited, tmp_path / "delta")
    other = tmp_path / "other"
    reader = StoreReader(base)
    with StoreWriter(other, reader.info).sequence("drive", source="x", fps=10.0) as rows:
        for frame in reader.read("drive", layers=reader.info.modalities):
            frame.semantic[0, 0] ^= 1
            rows.append(frame)
        rows.commit()
    with pytest.raises(EditPlanError, match="frame 0: was made on another base"):
        invoke("restore", other, tmp_path / "delta", tmp_path / "back")
    assert not (tmp_path / "back").exists()
    with pytest.raises(EditPlanError, match="is no delta"):
        invoke("restore", base, edited, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_preview_shows_frame_and_labels_before_and_after(base, edit_file, tmp_path):
    result = json.loads(
        invoke("preview", base, tmp_path / "new" / "p.png", "--edit-file", edit_file, "--json")
    )
    assert result["pictures"] == [str(tmp_path / "new" / "p.png")]
    sheet = decode_image((tmp_path / "new" / "p.png").read_bytes(), "sheet")
    assert sheet.shape == (NUM_FRAMES * 200, 3 * 400, 3)
    middle, right = sheet[:, 400:800], sheet[:, 800:]
    red = CITYSCAPES.palette[CITYSCAPES.label("person").id]
    assert (middle == red).all(axis=2).any()
    assert not (right == red).all(axis=2).any()


def test_a_preview_is_a_video_when_asked_and_one_for_every_variant(base, edit_file, tmp_path):
    words = ("--edit-file", edit_file, "--variants", 2, "--json")
    result = json.loads(invoke("preview", base, tmp_path / "p.mp4", *words))
    assert [Path(it).name for it in result["pictures"]] == [
        "p.drive.works.0.mp4", "p.drive.works.1.mp4",
    ]  # fmt: skip
    with av.open(result["pictures"][0]) as video:
        assert sum(1 for _ in video.decode(video=0)) == NUM_FRAMES
    (tmp_path / "nothing.yaml").write_text(
        "version: 1\nedits: [{id: bus, op: add, class: bus, at: {left_m: 0}, enter: far}]"
    )
    with pytest.raises(EditPlanError, match=r"nothing to show; drive\.nothing: edit 'bus'"):
        invoke("preview", base, tmp_path / "p.png", "--edit-file", tmp_path / "nothing.yaml")
    with pytest.raises(ConfigError, match=r"neither \.png nor \.mp4"):
        invoke("preview", base, tmp_path / "p.gif", "--edit-file", edit_file)


def test_bad_settings_and_places_are_told_in_one_line(base, edit_file, tmp_path):
    words = ("plan", base, tmp_path / "plans", "--edit-file", edit_file, "--set")
    with pytest.raises(EditPlanError, match=r"^edits\.parked\.at\.lef_m: unknown key.*'left_m'"):
        invoke(*words, "edits.parked.at.lef_m=3")
    with pytest.raises(
        EditPlanError, match=r"^edits\.parked\.motion\.speed_mps: expected a number"
    ):
        invoke(*words, "edits.parked.motion.speed_mps=fast")
    with pytest.raises(EditPlanError, match=r"^edits\.parked\.colour\.1: .* 'blu' .*'blue'"):
        invoke(*words, "edits.parked.colour=[red, blu]")
    (tmp_path / "afile").write_text("")
    with pytest.raises(EditPlanError, match="afile' is a file; name a folder"):
        invoke("plan", base, tmp_path / "afile", "--edit-file", edit_file)
    assert [it.name for it in app.registered_groups] == ["shapes"]


def test_bad_input_is_told_in_one_line(base, tmp_path):
    with pytest.raises(EditPlanError, match=r"unknown edit 'add_trukc' .did you mean 'add_truck'"):
        invoke("plan", base, tmp_path, "--edit", "add_trukc")
    with pytest.raises(EditPlanError, match="no edit is named"):
        invoke("plan", base, tmp_path)
    with pytest.raises(EditPlanError, match="has no plan"):
        invoke("diff", base)
    with pytest.raises(EditPlanError, match="has no plans"):
        invoke("explain", tmp_path)
    (tmp_path / "x.parquet").write_bytes(b"no plan")
    with pytest.raises(EditPlanError, match="cannot read plan"):
        invoke("apply", base, tmp_path / "x.parquet", tmp_path / "out")
    with pytest.raises(StoreError, match="is no store"):
        invoke("restore", base, tmp_path, tmp_path / "out")
