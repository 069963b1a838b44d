import numpy as np

from svsdata.export.label_conversion import absorb_license_plates, instance_table
from svsdata.labels import CITYSCAPES, CITYSCAPES_TRAIN, KITTI360, conversion_table

PLATE = CITYSCAPES.label("license plate").id
CAR, TRUCK, ROAD, BUILDING = (
    CITYSCAPES.label(name).id for name in ("car", "truck", "road", "building")
)


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Two cars side by side on a road, each with a plate that touches the road below it."""
    semantic = np.full((11, 20), ROAD, np.uint8)
    instance = np.full((11, 20), ROAD, np.uint16)
    for left, index in ((1, 4), (10, 7)):
        semantic[3:8, left : left + 8] = CAR
        instance[3:8, left : left + 8] = CAR * 1000 + index
        semantic[6:8, left + 2 : left + 5] = PLATE
        instance[6:8, left + 2 : left + 5] = PLATE
    return semantic, instance


def test_a_plate_becomes_the_car_it_sits_on() -> None:
    semantic, instance = absorb_license_plates(*scene(), label_set=CITYSCAPES)
    assert instance is not None
    assert (semantic[3:8, 1:9] == CAR).all()
    assert (instance[3:8, 1:9] == CAR * 1000 + 4).all()
    assert (instance[3:8, 10:18] == CAR * 1000 + 7).all()
    assert (semantic[8:] == ROAD).all()


def test_a_plate_between_two_vehicles_goes_to_the_one_that_holds_more_of_its_rim() -> None:
    semantic = np.full((6, 9), TRUCK, np.uint8)
    semantic[:, 6:] = CAR
    semantic[2:4, 3:6] = PLATE
    instance = np.where(semantic == CAR, 26000, 27003).astype(np.uint16)
    converted, owners = absorb_license_plates(semantic, instance, label_set=CITYSCAPES)
    assert owners is not None
    assert (converted[2:4, 3:6] == TRUCK).all()
    assert (owners[2:4, 3:6] == 27003).all()


def test_without_an_instance_map_only_the_semantic_map_changes() -> None:
    semantic, _ = scene()
    converted, instance = absorb_license_plates(semantic, None, label_set=CITYSCAPES)
    assert instance is None
    assert PLATE not in converted


def test_a_plate_on_no_vehicle_becomes_what_surrounds_it() -> None:
    semantic = np.full((5, 7), BUILDING, np.uint8)
    semantic[2, 2:4] = PLATE
    converted, _ = absorb_license_plates(semantic, None, label_set=CITYSCAPES)
    assert (converted == BUILDING).all()


def test_a_frame_full_of_plate_becomes_unlabeled() -> None:
    semantic = np.full((3, 5), PLATE, np.uint8)
    converted, instance = absorb_license_plates(
        semantic, semantic.astype(np.uint16), label_set=CITYSCAPES
    )
    assert instance is not None
    assert not converted.any()
    assert not instance.any()


def test_maps_without_plates_pass_untouched() -> None:
    semantic = np.full((3, 5), PLATE, np.uint8)  # 34 is a garage there
    converted, _ = absorb_license_plates(semantic, None, label_set=KITTI360)
    assert converted is semantic
    train_ids = np.zeros((3, 5), np.uint8)
    assert absorb_license_plates(train_ids, None, label_set=CITYSCAPES_TRAIN)[0] is train_ids


def test_instance_ids_keep_their_index_where_the_target_knows_instances() -> None:
    table = conversion_table(KITTI360, CITYSCAPES)
    lookup = instance_table(CITYSCAPES, table)
    garage, building = KITTI360.label("garage").id, CITYSCAPES.label("building").id
    assert lookup[26_012] == 26_012
    assert lookup[garage * 1000 + 3] == building
    assert lookup[11_004] == building
    assert lookup[7] == 7
    assert lookup[43] == 0
    assert lookup[65_535] == 0


def test_train_ids_become_label_ids_in_instance_maps() -> None:
    lookup = instance_table(CITYSCAPES, conversion_table(CITYSCAPES_TRAIN, CITYSCAPES))
    assert lookup[13_002] == 26_002
    assert lookup[0] == CITYSCAPES.label("road").id
    assert lookup[255] == 0
