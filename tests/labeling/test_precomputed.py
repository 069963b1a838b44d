import numpy as np
import pytest

from svsdata.errors import LabelSetError, SourceError
from svsdata.images import encode_png
from svsdata.labeling.map_folder import MapFolder
from svsdata.labeling.precomputed import (
    CONFIDENCE_WORDS,
    INSTANCE_WORDS,
    SEMANTIC_WORDS,
    Maps,
    PrecomputedLabels,
    instance_ids,
    label_ids,
    refuse_train_ids,
)
from svsdata.labeling.sources.folder import folder_recordings
from svsdata.labels import CITYSCAPES, CITYSCAPES_TRAIN, KITTI360
from svsdata.records import Frame

ROAD, CAR, TRUCK, PERSON = 7, 26, 27, 24


def put(path, values) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.asarray(values)))


def frame(source, number=0, size_hw=(2, 4)) -> Frame:
    image = np.zeros((*size_hw, 3), np.uint8)
    return Frame(0, 0, image=image, source=source, source_frame=number)


def labels(
    semantic,
    instance=None,
    *,
    confidence=None,
    encoding="label_ids",
    folders=(),
    label_set=CITYSCAPES,
    cropped=False,
):
    return PrecomputedLabels(
        Maps(
            MapFolder(semantic, SEMANTIC_WORDS[encoding]),
            None if instance is None else MapFolder(instance, INSTANCE_WORDS),
            None if confidence is None else MapFolder(confidence, CONFIDENCE_WORDS),
        ),
        label_set=label_set,
        encoding=encoding,
        folders=folders,
        cropped=cropped,
    )


def test_maps_of_two_cameras_lie_in_one_folder_and_confidence_comes_along(tmp_path):
    drive = tmp_path / "data_2d_semantics" / "train" / "drive_0"
    for camera, label in (("image_00", CAR), ("image_01", TRUCK)):
        put(drive / camera / "semantic" / "0000000003.png", np.full((2, 4), label, np.uint8))
        put(
            drive / camera / "instance" / "0000000003.png", np.full((2, 4), label * 1000, np.uint16)
        )
        sure = np.array([[0, 257, 32896, 65535]] * 2, np.uint16)
        put(drive / camera / "confidence" / "0000000003.png", sure)
    source = "data_2d_raw/drive_0/image_00/data_rect/0000000003.png"
    for root in (tmp_path / "data_2d_semantics", drive / "image_00"):
        labeler = labels(root, root, confidence=root, folders=("drive_0", "image_00"))
        (found,) = labeler.label([frame(source)])
        assert labeler.layers == ("semantic", "instance", "confidence")
        assert (found.semantic == CAR).all()
        assert (found.instance == CAR * 1000).all()
        assert found.confidence.tolist() == [[0, 1, 128, 255]] * 2


def test_of_maps_with_both_kinds_of_ids_the_one_asked_for_is_read(tmp_path):
    put(tmp_path / "both" / "a_1_gtFine_labelIds.png", np.full((2, 4), CAR, np.uint8))
    put(tmp_path / "both" / "a_1_gtFine_labelTrainIds.png", np.full((2, 4), 13, np.uint8))
    for encoding in ("label_ids", "train_ids"):
        (found,) = labels(tmp_path / "both", encoding=encoding).label([frame("a_1.png")])
        assert (found.semantic == CAR).all()


@pytest.mark.parametrize(
    ("word", "encoding", "other"),
    [("labelTrainIds", "label_ids", "train_ids"), ("labelIds", "train_ids", "label_ids")],
)
def test_maps_whose_name_tells_other_ids_are_refused(tmp_path, word, encoding, other):
    put(tmp_path / f"a_1_{word}.png", np.full((2, 4), 13, np.uint8))
    with pytest.raises(LabelSetError, match=f"add --set encoding={other}"):
        labels(tmp_path, encoding=encoding).label([frame("a_1.png")])
    as_they_are = labels(tmp_path, encoding=encoding, label_set=CITYSCAPES_TRAIN)
    if encoding == "label_ids":
        assert (as_they_are.label([frame("a_1.png")])[0].semantic == 13).all()


def test_confidence_of_8_bits_is_taken_as_it_is(tmp_path):
    put(tmp_path / "semantic" / "a_1.png", np.full((2, 4), CAR, np.uint8))
    put(tmp_path / "sure" / "a_1.png", np.full((2, 4), 200, np.uint8))
    labeler = labels(tmp_path / "semantic", confidence=tmp_path / "sure")
    (found,) = labeler.label([frame("a_1.png")])
    assert (found.confidence == 200).all()


def test_classless_indices_take_the_class_of_most_pixels_and_only_things_get_ids():
    semantic = np.array([[CAR, CAR, TRUCK, ROAD], [ROAD, ROAD, PERSON, PERSON]], np.uint8)
    indices = np.array([[3, 3, 3, 255], [0, 0, 7, 7]], np.uint8)
    ids = instance_ids(indices, semantic, CITYSCAPES)
    # 3 is a car (two of three pixels), 0 lies on the road, 7 is a person; the truck's pixel
    # keeps its own class.
    np.testing.assert_array_equal(ids, [[26000, 26000, 27, 7], [7, 7, 24000, 24000]])
    assert ids.dtype == np.uint16


def test_objects_of_one_class_count_from_zero_and_all_254_indices_are_possible():
    semantic = np.full((1, 255), CAR, np.uint8)
    ids = instance_ids(np.arange(255, dtype=np.uint8)[None], semantic, CITYSCAPES)
    np.testing.assert_array_equal(ids[0], 26000 + np.arange(255))


def test_a_frame_without_objects_has_label_ids_alone():
    semantic = np.full((2, 3), CAR, np.uint8)
    ids = instance_ids(np.full((2, 3), 255, np.uint8), semantic, CITYSCAPES)
    np.testing.assert_array_equal(ids, np.full((2, 3), CAR))


def test_16_bit_ids_stay_where_the_semantic_map_agrees():
    semantic = np.array([[CAR, CAR, ROAD, CAR, ROAD]], np.uint8)
    stored = np.array([[26003, 26, 26003, 24001, 7]], np.uint16)
    ids = instance_ids(stored, semantic, CITYSCAPES)
    np.testing.assert_array_equal(ids, [[26003, 26, 7, 26, 7]])


def test_kitti_360_codes_stuff_with_indices_too_and_they_are_dropped():
    semantic = np.array([[ROAD, 11]], np.uint8)
    ids = instance_ids(np.array([[7001, 11004]], np.uint16), semantic, KITTI360)
    np.testing.assert_array_equal(ids, [[7, 11004]])


def test_train_ids_become_label_ids_and_255_becomes_unlabeled():
    stored = np.array([[0, 13, 18, 255]], np.uint8)
    ids = label_ids(stored, "map", CITYSCAPES, encoding="train_ids")
    np.testing.assert_array_equal(ids, [[7, 26, 33, 0]])
    with pytest.raises(LabelSetError, match=r"map: ids \[19\] are outside label set"):
        label_ids(np.array([[19]], np.uint8), "map", CITYSCAPES, encoding="train_ids")


def test_ids_outside_the_label_set_name_the_map_and_the_ids():
    with pytest.raises(LabelSetError, match=r"map: ids \[35, 255\] are outside .*'cityscapes'"):
        label_ids(np.array([[35, 255, 3]], np.uint8), "map", CITYSCAPES, encoding="label_ids")
    plate = label_ids(np.array([[255, 44]], np.uint8), "map", KITTI360, encoding="label_ids")
    np.testing.assert_array_equal(plate, [[45, 44]])
    with pytest.raises(LabelSetError, match="must have 8 bits"):
        label_ids(np.array([[3]], np.uint16), "map", CITYSCAPES, encoding="label_ids")
    assert label_ids(
        np.array([[18]], np.uint8), "map", CITYSCAPES_TRAIN, encoding="train_ids"
    ) == np.uint8(18)


def test_maps_are_found_by_the_name_of_the_frame_whatever_word_ends_it(tmp_path):
    put(
        tmp_path / "train" / "ulm" / "ulm_000000_000019_gtFine_labelIds.png",
        np.full((2, 4), 7, np.uint8),
    )
    put(
        tmp_path / "train" / "ulm" / "ulm_000000_000019_gtFine_instanceIds.png",
        np.full((2, 4), 7, np.uint16),
    )
    put(
        tmp_path / "train" / "ulm" / "ulm_000000_000019_gtFine_color.png",
        np.zeros((2, 4, 3), np.uint8),
    )
    put(
        tmp_path / "train" / "ulm" / "ulm_000000_000020_gtFine_labelIds.png",
        np.full((2, 4), 8, np.uint8),
    )
    source = "leftImg8bit/train/ulm/ulm_000000_000019_leftImg8bit.png"
    (labelled,) = labels(tmp_path, tmp_path).label([frame(source)])
    assert (labelled.semantic == 7).all()
    assert (labelled.instance == 7).all()


def test_equal_names_are_told_apart_by_the_folder_of_the_sequence(tmp_path):
    for value, drive in ((7, "one"), (8, "two")):
        put(tmp_path / drive / "0001.png", np.full((2, 4), value, np.uint8))
    (labelled,) = labels(tmp_path, folders=("two",)).label([frame("two/0001.png")])
    assert (labelled.semantic == 8).all()
    with pytest.raises(SourceError, match=r"expected one map .* found 0001\.png and 0001\.png"):
        labels(tmp_path).label([frame("0001.png")])
    with pytest.raises(SourceError, match="found none"):
        labels(tmp_path, folders=("three",)).label([frame("three/0001.png")])


def test_frames_of_a_video_are_found_by_their_number(tmp_path):
    for number in (0, 1):
        put(tmp_path / f"map_{number:05d}.png", np.full((2, 4), number, np.uint8))
    (labelled,) = labels(tmp_path).label([frame("drive.mp4", 1)])
    assert (labelled.semantic == 1).all()


def test_maps_of_a_video_that_seem_to_count_from_one_are_refused_until_it_is_said(tmp_path):
    for number in (1, 2):
        put(tmp_path / "drive" / f"{number:05d}.png", np.full((2, 4), number, np.uint8))
    first = frame("drive.mp4", 0)
    with pytest.raises(LabelSetError, match=r"00001\.png is there, .* add --set first_map=1 if"):
        MapFolder(tmp_path, ()).find(first, ("drive",))
    with pytest.raises(SourceError, match=r"drive\.mp4, frame 0: expected one map .* number 0,"):
        MapFolder(tmp_path, (), first=0).find(first, ("drive",))
    for position in (0, 1):
        found = MapFolder(tmp_path, (), first=1).find(frame("drive.mp4", position), ("drive",))
        assert found.name == f"{position + 1:05d}.png"
    assert MapFolder(tmp_path, (), first=1).in_words == f"{tmp_path} from 1 on"


def test_a_frame_without_a_map_tells_which_name_was_expected_and_what_is_there(tmp_path):
    put(tmp_path / "front" / "mask_0001.png", np.zeros((2, 4), np.uint8))
    told = r"folders called day1, front, named '0001\.png' .* such as front/mask_0001\.png"
    with pytest.raises(SourceError, match=told):
        MapFolder(tmp_path, ()).find(frame("day1/front/0001.jpg"), ("day1", "front"))


def test_hidden_files_and_folders_hold_no_maps(tmp_path):
    for name in ("._0001.png", ".thumbnails/0001.png"):
        put(tmp_path / name, np.zeros((2, 4), np.uint8))
    with pytest.raises(SourceError, match="no label maps"):
        MapFolder(tmp_path, ())
    put(tmp_path / "0001.png", np.zeros((2, 4), np.uint8))
    assert MapFolder(tmp_path, ()).find(frame("0001.jpg"), ()) == tmp_path / "0001.png"


def test_maps_of_a_street_in_train_ids_are_not_read_as_label_ids(tmp_path):
    def refuse(folder: str) -> None:
        refuse_train_ids(MapFolder(tmp_path / folder, SEMANTIC_WORDS["label_ids"]))

    road, sidewalk, vegetation, none, car = 0, 1, 8, 255, 26
    put(tmp_path / "all" / "1.png", np.array([[road, sidewalk, vegetation, none]], np.uint8))
    with pytest.raises(LabelSetError, match=r"ids up to 8 alone.* add --set encoding=train_ids, "):
        refuse("all")
    put(tmp_path / "all" / "2.png", np.array([[car]], np.uint8))  # label ids after all
    put(tmp_path / "little" / "1.png", np.array([[road, sidewalk]], np.uint8))
    put(tmp_path / "named" / "1_labelIds.png", np.array([[road, vegetation]], np.uint8))
    for folder in ("all", "little", "named"):
        refuse(folder)


@pytest.mark.parametrize("numbers", [[1, 1, 2, 0], [0, 0, 3, 0]])
def test_16_bit_instances_counted_without_their_class_are_refused(tmp_path, numbers):
    put(tmp_path / "semantic" / "1.png", np.array([[CAR, CAR, PERSON, ROAD]] * 2, np.uint8))
    put(tmp_path / "instance" / "1.png", np.array([numbers] * 2, np.uint16))
    labeler = labels(tmp_path / "semantic", tmp_path / "instance")
    with pytest.raises(LabelSetError, match=r"1\.png: 16-bit instance map .* ID \* 1000 \+ index"):
        labeler.label([frame("1.png")])


@pytest.mark.parametrize("ids", [[CAR, CAR, PERSON, ROAD], [0, 0, 0, 0], [CAR, CAR, 0, 0]])
def test_16_bit_instances_without_any_object_that_is_told_apart_are_taken(tmp_path, ids):
    put(tmp_path / "semantic" / "1.png", np.array([[CAR, CAR, PERSON, ROAD]] * 2, np.uint8))
    put(tmp_path / "instance" / "1.png", np.array([ids] * 2, np.uint16))
    (found,) = labels(tmp_path / "semantic", tmp_path / "instance").label([frame("1.png")])
    assert found.instance.tolist() == [[CAR, CAR, PERSON, ROAD]] * 2


def test_maps_of_another_size_are_fitted_and_of_another_shape_refused(tmp_path):
    put(tmp_path / "1.png", np.array([[7, 7, 8, 8]] * 2, np.uint8))
    (labelled,) = labels(tmp_path).label([frame("1.png", size_hw=(4, 8))])
    np.testing.assert_array_equal(labelled.semantic, np.array([[7] * 4 + [8] * 4] * 4))
    with pytest.raises(SourceError, match=r"map of 4x2 for a frame of 9x3"):
        labels(tmp_path).label([frame("1.png", size_hw=(3, 9))])


def test_maps_of_cropped_frames_lose_their_upper_rows_unless_they_lost_them_before(tmp_path):
    rows = np.array([[5], [6], [7], [8]], np.uint8)
    put(tmp_path / "native" / "1.png", np.repeat(rows, 8, 1))
    put(tmp_path / "double" / "1.png", np.repeat(np.repeat(rows, 2, 0), 16, 1))
    put(tmp_path / "cropped" / "1.png", np.repeat(rows[2:], 8, 1))
    for folder in ("native", "double", "cropped"):
        (labelled,) = labels(tmp_path / folder, cropped=True).label([frame("1.png", 1, (2, 8))])
        np.testing.assert_array_equal(labelled.semantic, [[7] * 8, [8] * 8])
    with pytest.raises(SourceError, match=r"map of 8x2 for a frame of 4x4"):
        labels(tmp_path / "cropped", cropped=True).label([frame("1.png", 1, (4, 4))])


def test_folders_without_maps_and_maps_that_are_no_maps_are_one_line(tmp_path):
    with pytest.raises(SourceError, match="no label maps"):
        labels(tmp_path)
    with pytest.raises(SourceError, match="nowhere: no such folder"):
        labels(tmp_path / "nowhere")
    put(tmp_path / "1.png", np.zeros((2, 4, 3), np.uint8))
    with pytest.raises(SourceError, match=r"1\.png: a map must be a grayscale PNG"):
        labels(tmp_path).label([frame("1.png")])


def test_maps_are_found_whatever_the_case_of_their_suffix(tmp_path):
    put(tmp_path / "1.PNG", np.full((2, 4), 7, np.uint8))
    (labelled,) = labels(tmp_path).label([frame("1.png")])
    assert (labelled.semantic == 7).all()


@pytest.mark.parametrize(
    ("frames", "maps", "root"),
    [
        ("a_1.png", "a_1_labelIds.png", "."),
        ("drive/1.png", "labels/drive/1.png", "labels"),
    ],
    ids=["in one folder", "in a folder beside the sequences"],
)
def test_maps_among_the_frames_are_refused(tmp_path, frames, maps, root):
    put(tmp_path / frames, np.zeros((2, 4, 3), np.uint8))
    put(tmp_path / maps, np.full((2, 4), 7, np.uint8))
    found = Maps(MapFolder(tmp_path / root, SEMANTIC_WORDS["label_ids"]))
    recordings = folder_recordings(tmp_path, fps=10.0)
    with pytest.raises(SourceError, match=rf"{maps}: would be read as a map and as a frame"):
        found.refuse_frames(recordings)


def test_maps_beside_the_frames_below_one_folder_are_taken(tmp_path):
    put(tmp_path / "frames" / "1.png", np.zeros((2, 4, 3), np.uint8))
    put(tmp_path / "semantic" / "1.png", np.full((2, 4), 7, np.uint8))
    recordings = folder_recordings(tmp_path / "frames", fps=10.0)
    Maps(MapFolder(tmp_path, SEMANTIC_WORDS["label_ids"])).refuse_frames(recordings)
    with pytest.raises(SourceError, match="would be read"):
        Maps(MapFolder(tmp_path, ("frames",))).refuse_frames(recordings)
