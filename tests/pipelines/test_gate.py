import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from svsdata.cli.main import app
from svsdata.errors import ConfigError, CorruptShardError, ExportError, StoreError
from svsdata.labels import CITYSCAPES
from svsdata.pipelines.configs.export import ExportConfig
from svsdata.pipelines.configs.gate import GateConfig
from svsdata.pipelines.export import run_export
from svsdata.pipelines.gate import run_gate
from svsdata.progress import Silent
from svsdata.records import Frame
from svsdata.store.format import StoreInfo
from svsdata.store.gate_table import GATE, read_gate_record, read_gate_rows
from svsdata.store.reader import StoreReader
from svsdata.store.writer import StoreWriter
from svsdata.street_world.scene import StreetWorld

SIZE = (96, 192)
NUM_FRAMES = 4
PHANTOM = np.s_[50:78, 120:160]
"""Where the labels speak of a truck that no picture shows."""


@pytest.fixture(scope="module")
def rendered() -> list[Frame]:
    world = StreetWorld(3, size_hw=SIZE)
    frames = []
    for index in range(NUM_FRAMES):
        truth = world.render(index)
        semantic, instance = truth.semantic.copy(), truth.instance.copy()
        semantic[PHANTOM], instance[PHANTOM] = 27, 27_900
        frames.append(
            Frame(index, index * 100_000, truth.image, semantic, instance, is_synthetic=True)
        )
    return frames


@pytest.fixture
def store(tmp_path, rendered) -> Path:
    path = tmp_path / "store"
    for name in ("a", "b"):
        add_sequence(path, name, rendered)
    return path


def add_sequence(path: Path, name: str, frames: list[Frame]) -> None:
    writer = StoreWriter(path, StoreInfo(CITYSCAPES, SIZE, 10.0, ("image", "semantic", "instance")))
    with writer.sequence(name, source="test", fps=10.0) as sequence:
        for frame in frames:
            sequence.append(frame)
        sequence.commit(instance_scope="sequence")


def gate(store: Path, *, overwrite: bool = False, **fields):
    return run_gate(GateConfig(store=store, judge="demo", **fields), Silent(), overwrite=overwrite)


def test_a_phantom_is_found_kept_and_blanked(store, tmp_path, rendered):
    found = gate(store)
    assert (found.sequences, found.already_done) == (2, 0)
    assert (found.frames, found.first_frame) == (2 * (NUM_FRAMES - 1), 1)
    assert (found.vote_frames, found.rejected_above) == (5, 1.25)
    phantoms = [one for one in found.worst_objects if one.object == "truck 27900"]
    assert {one.frames for one in phantoms} == {"1..3"}
    assert max(one.agreement for one in phantoms) < 0.2
    agreement = {one.name: one.agreement for one in found.classes}
    assert agreement["road"] > 0.8 > 0.2 > agreement["truck"]
    assert sum(one.share for one in found.classes) == pytest.approx(1)
    shares = list(found.rejected.values())
    assert shares == sorted(shares, reverse=True)

    record = read_gate_record(StoreReader(store), "a")
    assert record is not None
    assert "demo-segmenter sha256=" in record.judge
    rows = list(read_gate_rows(store, record))
    assert [row.frame_index for row in rows] == list(range(NUM_FRAMES))
    inside = rows[2].loss_codes[PHANTOM]
    assert np.median(inside) > np.median(rows[2].loss_codes)

    config = ExportConfig(
        store=store, format="cityscapes", out=tmp_path / "out", gate_object_agreement=0.3
    )
    run_export(config, Silent())
    for kind, blank in (("labelIds", 0), ("instanceIds", 0), ("provenance", 253)):
        name = f"out/gtFine/train/a/a_000000_000002_gtFine_{kind}.png"
        map_ = cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED)
        assert (map_[PHANTOM] == blank).all(), kind
    labels = cv2.imread(
        str(tmp_path / "out/gtFine/train/a/a_000000_000002_gtFine_labelIds.png"), -1
    )
    road = rendered[2].semantic == 7
    assert (labels[road] == 7).all()


def test_objects_are_rejected_by_their_votes(store):
    found = gate(store)
    reader = StoreReader(store)
    rows = [
        row
        for name in ("a", "b")
        for row in read_gate_rows(store, read_gate_record(reader, name))
        if row.frame_index > 0
    ]
    views = [view.voted for row in rows for view in row.objects]
    assert found.rejected_objects == {
        f"below {limit:g}": np.mean([voted < limit for voted in views]) for limit in (0.1, 0.3, 0.5)
    }
    assert 0 < found.rejected_objects["below 0.3"] < 1
    assert f"svsdata export {store} cityscapes OUT --set gate_loss_ratio=1.25" in found.then


def test_the_share_that_is_told_is_the_share_that_an_export_blanks(store, tmp_path, rendered):
    told = gate(store).rejected["above 2"]
    config = ExportConfig(
        store=store, format="cityscapes", out=tmp_path / "out", gate_loss_ratio=2.0
    )
    exported = run_export(config, Silent())
    files = sorted((tmp_path / "out/gtFine").rglob("*_provenance.png"))
    everything = np.stack([cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files])
    assert exported.blanked == (everything == 253).mean()
    assert run_export(config, Silent()).blanked is None  # nothing left to write
    counted = [file for file in files if "_000000_gtFine" not in file.name]
    maps = np.stack([cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in counted])
    labels = np.stack([frame.semantic for frame in rendered[1:]] * 2)
    evaluated = np.isin(labels, [label.id for label in CITYSCAPES.labels if label.evaluated])
    assert (maps == 253).sum() / evaluated.sum() == pytest.approx(told)
    assert 0 < told < 1


def test_only_what_is_new_or_changed_is_judged_again(store, rendered):
    gate(store)
    add_sequence(store, "c", rendered[:2])
    again = gate(store)
    assert (again.sequences, again.already_done, again.frames) == (1, 2, 2 * (NUM_FRAMES - 1) + 1)
    record = store / "sequences/a.json"
    record.write_text(record.read_text().replace('"test"', '"other"'))
    assert read_gate_record(StoreReader(store), "a") is None
    assert gate(store).sequences == 1


def test_findings_of_another_judge_stop_the_run_or_are_set_aside(store):
    gate(store)
    with pytest.raises(
        ConfigError, match=r"vote of 5 frames, .*, now .* with 3 .*; add --overwrite"
    ):
        gate(store, vote_frames=3)
    assert gate(store, vote_frames=3, overwrite=True).sequences == 2
    assert (store / "gate.old-1/a.json").exists()


def test_the_reference_frame_counts_only_where_it_is_asked_for(store, rendered):
    def pixels() -> int:
        record = read_gate_record(StoreReader(store), "a")
        return sum(tally.pixels for tally in record.classes.values())

    assert gate(store, first_frame=0).frames == 2 * NUM_FRAMES
    every = pixels()
    assert gate(store, overwrite=True).frames == 2 * (NUM_FRAMES - 1)
    evaluated = [label.id for label in CITYSCAPES.labels if label.evaluated]
    assert every - pixels() == np.isin(rendered[0].semantic, evaluated).sum()
    with pytest.raises(ConfigError, match=r"counted from frame 1 on, now .* from frame 0 on"):
        gate(store, first_frame=0)
    with pytest.raises(ConfigError, match=r"longest sequence has 4 frames, first_frame is 4"):
        gate(store, first_frame=4)


def test_a_gate_that_does_not_fit_the_store_is_refused(store, tmp_path):
    wanted = {"store": store, "format": "cityscapes", "out": tmp_path / "out"}
    config = ExportConfig(**wanted, gate_loss_ratio=1.25)
    with pytest.raises(ExportError, match=r"'a' was not judged as it is now; run 'svsdata gate"):
        run_export(config, Silent())
    gate(store)
    table = store / GATE / "b.parquet"
    data = bytearray(table.read_bytes())
    data[len(data) // 2] ^= 1
    table.write_bytes(data)
    with pytest.raises(CorruptShardError, match=r"b\.parquet.*svsdata gate"):
        run_export(config, Silent())
    table.write_bytes(data[:-1])
    with pytest.raises(CorruptShardError, match="size is not the record's"):
        run_export(config, Silent())
    StoreWriter(tmp_path / "empty", StoreInfo(CITYSCAPES, SIZE, 10.0, ("image", "semantic")))
    with pytest.raises(StoreError, match="no sequence yet"):
        gate(tmp_path / "empty")


def test_an_export_without_the_gate_stays_as_it_is(store, tmp_path):
    config = ExportConfig(store=store, format="cityscapes", out=tmp_path / "out")
    run_export(config, Silent())
    gate(store)
    assert run_export(config, Silent()).already_done == ("a", "b")
    gated = config.model_copy(update={"gate_loss_ratio": 1.25})
    with pytest.raises(ExportError, match="another export"):
        run_export(gated, Silent())


def test_the_command_needs_a_judge_and_answers_in_json(store):
    runner = CliRunner()
    silent = runner.invoke(app, ["gate", str(store), "-q"])
    assert silent.exit_code == 1
    assert "no judge was named" in silent.stderr
    told = runner.invoke(
        app, ["gate", str(store), "--judge", "demo", "--set", "vote_frames=1", "--json", "-q"]
    )
    assert told.exit_code == 0, told.stderr
    (road,) = [one for one in json.loads(told.stdout)["classes"] if one["name"] == "road"]
    assert road["agreement"] > 0.8


def test_a_store_without_pictures_or_labels_is_refused(sliding_store, tmp_path):
    for held, missing in (("semantic", "image"), ("image", "semantic")):
        path = sliding_store(tmp_path / held, lengths=(2,), modalities=(held,))
        with pytest.raises(StoreError, match=rf"'{path}' has no {missing}; it has {held}"):
            run_gate(GateConfig(store=path, judge="demo"), Silent())
