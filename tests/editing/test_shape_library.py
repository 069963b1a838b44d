import itertools

import numpy as np
import pytest

from svsdata.editing.shape_library import (
    DonorTrack,
    ShapeLibrary,
    read_library,
    write_library,
)
from svsdata.errors import EditPlanError, SourceError
from svsdata.images import encode_png


def donor(instance_id=1, class_name="truck", height_m=3.5, views=(0.0, 0.1), depths=(20.0, 15.0)):
    """A track of rectangles with a notch, so that mirroring shows."""
    mask = np.full((12, 9), 255, np.uint8)
    mask[:4, :3] = 0
    count = len(views)
    return DonorTrack(
        class_name=class_name,
        dataset="somewhere",
        sequence_id="one",
        instance_id=instance_id,
        licence="its own",
        height_m=height_m,
        frame_index=np.arange(count),
        view_rad=np.array(views, np.float64),
        depth_m=np.array(depths, np.float64),
        masks=(encode_png(mask),) * count,
    )


def test_a_library_comes_back_from_its_file_and_equal_ones_have_equal_bytes(tmp_path):
    library = ShapeLibrary(()).merged([donor(3), donor(1), donor(2, "car", 1.5)])
    write_library(tmp_path / "folder" / "a.parquet", library)
    write_library(tmp_path / "b.parquet", ShapeLibrary(tuple(library.tracks)))
    assert (tmp_path / "folder/a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    again = read_library(tmp_path / "b.parquet")
    assert again.hash == library.hash
    assert [track.name for track in again.tracks] == [f"somewhere/one/{k}" for k in (1, 2, 3)]
    np.testing.assert_array_equal(again.tracks[0].mask(1), library.tracks[0].mask(1))
    assert again.tracks[1].licence == "its own"


def test_merging_replaces_objects_of_the_same_name_and_changes_the_hash():
    library = ShapeLibrary((donor(1), donor(2)))
    other = library.merged([donor(2, height_m=3.1)])
    assert [track.height_m for track in other.tracks] == [3.5, 3.1]
    assert other.hash != library.hash
    assert library.merged([donor(2)]).hash == library.hash


def test_an_empty_library_is_one(tmp_path):
    write_library(tmp_path / "none.parquet", ShapeLibrary(()))
    assert read_library(tmp_path / "none.parquet").tracks == ()


def test_what_is_no_library_or_lacks_an_object_is_one_line(tmp_path):
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(SourceError, match=r"there is no .*missing.*svsdata edit shapes harvest"):
        read_library(tmp_path / "missing.parquet")
    with pytest.raises(SourceError, match=r"text.parquet': damaged.*svsdata edit shapes harvest"):
        read_library(tmp_path / "text.parquet")
    with pytest.raises(EditPlanError, match="no object 'somewhere/one/9'"):
        ShapeLibrary((donor(1),)).track("somewhere/one/9")


def test_names_tell_tracks_apart():
    names = [donor(k).name for k in range(3)]
    assert all(a != b for a, b in itertools.combinations(names, 2))
