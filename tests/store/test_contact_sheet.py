from dataclasses import replace

import numpy as np

from svsdata.labels import CITYSCAPES
from svsdata.records import Frame
from svsdata.store.contact_sheet import (
    SHEET_LAYERS,
    colorize_flow,
    colorize_instances,
    contact_sheet,
)


def test_a_sheet_has_a_row_per_frame_and_a_column_per_layer(reader):
    frames = reader.read("a", 0, 3, layers=SHEET_LAYERS)
    sheet = contact_sheet(frames, CITYSCAPES, SHEET_LAYERS, (40, 72))
    assert sheet.shape == (120, 360, 3)
    assert sheet.dtype == np.uint8
    assert not sheet[:40, 288:][25:].any()  # frame 0 has no flow
    assert sheet[40:80, 288:].any()


def test_pictures_lie_under_their_labels(frame):
    it = frame(1, (40, 72))
    sheet = contact_sheet([it], CITYSCAPES, ("image", "semantic"), (40, 72))
    np.testing.assert_array_equal(sheet[30:, :72], it.image[30:])
    np.testing.assert_array_equal(sheet[:, 72:], CITYSCAPES.colorize(it.semantic))


def test_confidence_is_gray_white_is_certain(frame):
    it = frame(1, (40, 72))
    confidence = np.tile(np.linspace(0, 255, 72).astype(np.uint8), (40, 1))
    sheet = contact_sheet(
        [replace(it, confidence=confidence)], CITYSCAPES, ("image", "confidence"), (40, 72)
    )
    np.testing.assert_array_equal(sheet[:, 72:], np.dstack([confidence] * 3))


def test_a_frame_without_layers_is_black_but_for_its_number():
    sheet = contact_sheet([Frame(3, 0)], CITYSCAPES, SHEET_LAYERS, (40, 40))
    assert not sheet[:, 40:].any()
    assert sheet[:, :40].any()


def test_still_is_white_and_opposite_directions_have_opposite_colours():
    flow = np.zeros((1, 4, 2), np.float32)
    flow[0, 1], flow[0, 2], flow[0, 3] = (8, 0), (-8, 0), (4, 0)
    still, right, left, slower = colorize_flow(flow, 8.0)[0].tolist()
    assert still == [255, 255, 255]
    assert right == [255, 0, 0]
    assert left == [0, 255, 255]
    assert slower == [255, 128, 128]


def test_things_of_one_class_differ_and_stuff_is_dim():
    instance = np.array([[26000, 26001, 26002, 7]], np.uint16)
    colours = [tuple(it) for it in colorize_instances(instance, CITYSCAPES)[0].tolist()]
    assert len(set(colours)) == 4
    assert colours[3] == tuple(it // 3 for it in CITYSCAPES.label("road").color)
