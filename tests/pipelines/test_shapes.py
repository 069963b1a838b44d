import json

import pytest
from typer.testing import CliRunner

from svsdata.cli.main import app
from svsdata.editing.shape_library import read_library
from svsdata.errors import ConfigError, StoreError
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.configs.shapes import ShapesConfig
from svsdata.pipelines.label import run_label
from svsdata.pipelines.shapes import run_harvest
from svsdata.progress import Silent


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("shapes") / "store"
    source = "street:seed=1,frames=40,size=256x128"
    run_label(LabelConfig(source=source, store=str(path), flow="none"), Silent())
    return path


def test_a_street_gives_donors_of_what_moves_and_the_same_again_changes_nothing(tmp_path, store):
    config = ShapesConfig(store=store, library=tmp_path / "shapes.parquet", most_moments=8)
    result = run_harvest(config, Silent())
    assert result.added >= 3
    assert sum(result.objects.values()) == result.added
    library = read_library(config.library)
    for track in library.tracks:
        assert 5 <= len(track.masks) <= 8
        assert (track.dataset, track.sequence_id) == ("street world", "street-1")
    oncoming = [track for track in library.tracks if track.class_name in ("car", "bus", "truck")]
    assert any((abs(track.view_rad) > 2.4).all() for track in oncoming)
    written = config.library.read_bytes()
    run_harvest(config, Silent())
    assert config.library.read_bytes() == written


def test_harvest_and_list_are_commands(tmp_path, store):
    library = tmp_path / "shapes.parquet"
    run = CliRunner().invoke(
        app,
        [
            "edit",
            "shapes",
            "harvest",
            str(store),
            str(library),
            "--json",
            "--set",
            "classes=person",
        ],
    )
    assert run.exit_code == 0, run.output
    assert set(json.loads(run.stdout)["objects"]) == {"person"}
    listed = CliRunner().invoke(app, ["edit", "shapes", "list", str(library), "--json"])
    assert json.loads(listed.stdout)["objects"] == json.loads(run.stdout)["objects"]


def test_a_library_that_cannot_be_written_is_one_line(tmp_path, store):
    (tmp_path / "file").write_text("")
    config = ShapesConfig(store=store, library=tmp_path / "file" / "shapes")
    with pytest.raises(StoreError, match="shapes: cannot write: File exists"):
        run_harvest(config, Silent())


def test_a_library_is_a_file(tmp_path, store):
    with pytest.raises(ConfigError, match=r"is a folder; name the file .*shapes\.parquet"):
        run_harvest(ShapesConfig(store=store, library=tmp_path), Silent())


def test_what_cannot_be_harvested_is_one_line(tmp_path, store):
    wrong = ShapesConfig(store=store, library=tmp_path / "a", classes=("rider",))
    with pytest.raises(ConfigError, match="no donors are taken of rider; they can be of: car"):
        run_harvest(wrong, Silent())
    source = "street:seed=1,frames=2,size=32x16"
    single = LabelConfig(source=source, store=str(tmp_path / "s"), segmenter="exact", flow="none")
    run_label(single, Silent())
    record = tmp_path / "s/sequences/street-1.json"
    record.write_text(
        record.read_text().replace('"instance_scope": "sequence"', '"instance_scope": "frame"')
    )
    with pytest.raises(StoreError, match="instance ids must last over the sequence"):
        run_harvest(ShapesConfig(store=tmp_path / "s", library=tmp_path / "a"), Silent())
