"""Tools that never heard of us open a store as it is."""

import io
import json

import duckdb
import numpy as np
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image as PillowImage

from svsdata.errors import StoreFormatError
from svsdata.store.card import write_card
from svsdata.store.writer import StoreWriter


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    """Hugging Face datasets, offline and with its cache out of the way."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "huggingface" / "datasets"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    datasets.disable_progress_bars()
    return datasets


def assert_pictures(row, written):
    image, semantic, instance = row["image"], row["semantic"], row["instance"]
    assert (image.mode, semantic.mode, instance.mode) == ("RGB", "L", "I;16")
    np.testing.assert_array_equal(image, written.image)
    np.testing.assert_array_equal(semantic, written.semantic)
    np.testing.assert_array_equal(instance, written.instance)


def test_hugging_face_shows_the_pictures_of_a_part(store, frame, datasets, tmp_path):
    rows = datasets.load_dataset(
        "parquet",
        data_files=str(store / "frames" / "a" / "*.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert len(rows) == 21
    assert rows[0]["flow"] is None
    assert_pictures(rows[13], frame(13))
    assert rows[13]["flow"]["bytes"].startswith(b"\x89PNG")
    assert rows[13]["models"] == [
        {"layer": "flow", "model": "dis medium"},
        {"layer": "semantic", "model": "oneformer abc"},
    ]
    assert len(rows[13]["camera"]) == 9


def test_hugging_face_loads_the_folder_by_its_card_and_only_what_is_committed(
    store, frame, info, datasets, tmp_path
):
    with StoreWriter(store, info).sequence("unfinished", source="x", fps=1.0) as sequence:
        sequence.append(frame(0))
        sequence.close_part()
    streamed = datasets.load_dataset(
        str(store), split="train", streaming=True, cache_dir=str(tmp_path / "cache")
    )
    rows = list(streamed)
    assert {row["sequence_id"] for row in rows} == {"a", "b-1.c_2"}
    assert len(rows) == 22
    assert_pictures(rows[1], frame(1))


def test_pyarrow_dataset_reads_scalars_and_pictures(store, frame):
    table = pyarrow.dataset.dataset(store / "frames", format="parquet").to_table(
        columns=["sequence_id", "frame_index", "speed_mps", "image"],
        filter=(pyarrow.dataset.field("sequence_id") == "a")
        & (pyarrow.dataset.field("frame_index") == 9),
    )
    (row,) = table.to_pylist()
    assert row["speed_mps"] == 4.5
    decoded = PillowImage.open(io.BytesIO(row["image"]["bytes"]))
    np.testing.assert_array_equal(decoded, frame(9).image)


def test_duckdb_queries_a_store(store):
    rows = duckdb.sql(
        f"""SELECT sequence_id, count(*), max(speed_mps), any_value(models[1].model),
                   count(flow.bytes), min(octet_length(image.bytes)) > 100
            FROM '{store}/frames/*/*.parquet' GROUP BY sequence_id ORDER BY sequence_id"""
    ).fetchall()
    assert rows == [
        ("a", 21, 10.0, "dis medium", 20, True),
        ("b-1.c_2", 1, 0.0, "dis medium", 0, True),
    ]


def test_parts_are_laid_out_as_the_format_says(store):
    part = pq.ParquetFile(store / "frames" / "a" / "part-00000.parquet")
    assert [part.metadata.row_group(i).num_rows for i in range(part.num_row_groups)] == [8, 4]
    group = part.metadata.row_group(0)
    columns = {c.path_in_schema: c for c in map(group.column, range(group.num_columns))}
    for name, column in columns.items():
        picture = name.endswith(".bytes")
        assert column.compression == ("UNCOMPRESSED" if picture else "ZSTD"), name
        assert ("RLE_DICTIONARY" in column.encodings) <= (not picture), name
        assert column.is_stats_set <= (not picture), name
    assert columns["frame_index"].statistics.max == 7


def test_no_hugging_face_feature_is_a_list(store):
    """datasets before 4 knows ``Sequence`` only."""
    schema = pq.read_schema(store / "frames" / "a" / "part-00000.parquet")
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == schema.names
    assert "List" not in json.dumps(features).replace("Image", "")
    assert features["image"] == {"_type": "Image"}
    assert "_type" not in features["flow"]


def test_the_card_lists_exactly_the_committed_files(store, info):
    def card():
        return (store / "README.md").read_text()

    head = yaml.safe_load(card().split("---")[1])
    assert head["configs"][0]["data_files"][0]["path"] == [
        "frames/a/part-00000.parquet",
        "frames/a/part-00001.parquet",
        "frames/b-1.c_2/part-00000.parquet",
    ]
    assert "2 sequences, 22 frames of 36x20 at 10 frames/s; 22 frames are synthetic" in card()
    assert "- nowhere: none" in card()
    before = card()
    write_card(store, info)
    assert card() == before
    known = {}
    write_card(store, info, known)
    assert card() == before
    assert sorted(known) == ["a", "b-1.c_2"]


def test_a_card_reads_no_record_twice_and_forgets_what_is_gone(store, info):
    known = {}
    write_card(store, info, known)
    (store / "sequences" / "a.json").write_text("{")
    with pytest.raises(StoreFormatError):
        write_card(store, info)
    write_card(store, info, known)
    assert "frames/a/" in (store / "README.md").read_text()
    (store / "sequences" / "a.json").unlink()
    write_card(store, info, known)
    assert "frames/a/" not in (store / "README.md").read_text()


def test_the_card_of_an_empty_store_names_no_file(tmp_path, info):
    path = StoreWriter(tmp_path / "store", info).path
    write_card(path, info)
    (config,) = yaml.safe_load((path / "README.md").read_text().split("---")[1])["configs"]
    assert config["data_files"] == [{"split": "train", "path": []}]
