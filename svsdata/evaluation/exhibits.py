"""What a report shows of a clip: small pictures side by side, frame after frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svsdata.evaluation.clip_figures import Clip, ClipFigures, image_of, semantic_of
from svsdata.images import resize_image
from svsdata.labels import LabelSet
from svsdata.records import Frame, Image, SemanticMap

_TILE_WIDTH, _LARGE_TILE_WIDTH = 384, 560
_GAP = 4
_GAP_LEVEL = 127
_BOX_COLOR = (255, 208, 0)
_LAST_EDIT = 250
"""Highest edit index of a provenance map; above are fill and other marks."""


@dataclass(frozen=True)
class Exhibit:
    """One clip, drawn small so that many are held at little cost."""

    sequence_id: str
    first_frame: int
    figures: Mapping[str, float]
    """By measure; means over the clip."""
    captions: tuple[str, ...]
    """Of the tiles, row by row."""
    columns: int
    frames: tuple[Image, ...]
    """Each all tiles of one frame; sides are even."""
    name: str = ""
    """Of the edit that is shown."""

    @property
    def last_frame(self) -> int:
        """Index of the last frame."""
        return self.first_frame + len(self.frames) - 1


def clip_exhibit(found: ClipFigures, label_set: LabelSet) -> Exhibit:
    """Show a clip: real, labels, generated, disagreement of the segmenter or else difference."""
    clip = found.clip
    recorded = _recorded(clip)
    tiles = {
        "labels": [label_set.colorize(semantic_of(frame)) for frame in clip.frames],
        "generated": [image_of(frame) for frame in clip.frames],
    }
    if recorded:
        tiles = {"real": [image_of(frame) for frame in recorded], **tiles}
    if found.predictions:
        tiles["red: the segmenter sees another class"] = [
            _disagreement(frame, predicted, label_set)
            for frame, predicted in zip(clip.frames, found.predictions, strict=True)
        ]
    elif recorded and all(frame.plan_hash is None for frame in clip.frames):
        tiles["difference to real"] = [
            np.abs(image_of(frame).astype(np.int16) - image_of(real)).astype(np.uint8)
            for frame, real in zip(clip.frames, recorded, strict=True)
        ]
    return Exhibit(
        clip.sequence_id,
        clip.first_index,
        found.figures,
        tuple(tiles),
        len(tiles),
        _sheets(list(tiles.values()), len(tiles), _TILE_WIDTH),
    )


def edit_exhibit(found: ClipFigures, edit: int, name: str, label_set: LabelSet) -> Exhibit:
    """Show what one edit did in a clip, boxed: real, generated, labels before and after.

    Args:
        found: The clip.
        edit: Its index in the provenance maps.
        name: What it is called.
        label_set: Of the labels.
    """
    clip = found.clip
    masks = [edit_mask(frame, edit) for frame in clip.frames]
    tiles = {
        "generated": [image_of(frame) for frame in clip.frames],
        "labels after": [label_set.colorize(semantic_of(frame)) for frame in clip.frames],
    }
    recorded = _recorded(clip)
    if recorded and all(frame.semantic is not None for frame in recorded):
        tiles = {
            "real": [image_of(frame) for frame in recorded],
            "generated": tiles["generated"],
            "labels before": [label_set.colorize(semantic_of(frame)) for frame in recorded],
            "labels after": tiles["labels after"],
        }
    boxed = [[_boxed(*pair) for pair in zip(tile, masks, strict=True)] for tile in tiles.values()]
    return Exhibit(
        clip.sequence_id,
        clip.first_index,
        _seen(found, masks),
        tuple(tiles),
        2,
        _sheets(boxed, 2, _LARGE_TILE_WIDTH),
        name,
    )


def edit_pixels(clip: Clip) -> dict[int, int]:
    """Return by edit index the pixels that it has in the frame where it is largest.

    Edits that never fill a thousandth of the frame show nothing and are left out.
    """
    height, width = image_of(clip.frames[0]).shape[:2]
    return {edit: most for edit, most in edits_of(clip).items() if most >= height * width / 1000}


def edits_of(clip: Clip) -> dict[int, int]:
    """Return by edit index the pixels of every edit, however small, where it is largest."""
    most = np.zeros(_LAST_EDIT + 1, np.int64)
    for frame in clip.frames:
        if frame.provenance is not None:
            counts = np.bincount(frame.provenance.ravel(), minlength=256)[: _LAST_EDIT + 1]
            most = np.maximum(most, counts)
    return {int(edit): int(most[edit]) for edit in np.flatnonzero(most) if edit}


def edit_mask(frame: Frame, edit: int) -> NDArray[np.bool_]:
    """Return the (H, W) pixels that an edit changed."""
    if frame.provenance is None:
        return np.zeros(image_of(frame).shape[:2], np.bool_)
    return frame.provenance == edit


def _seen(found: ClipFigures, masks: Sequence[NDArray[np.bool_]]) -> dict[str, float]:
    """Return the share of an edit's pixels whose class the segmenter sees, if there is one."""
    pixels = sum(int(mask.sum()) for mask in masks)
    if not found.predictions or not pixels:
        return {}
    agreeing = [
        int((semantic_of(frame) == predicted)[mask].sum())
        for frame, predicted, mask in zip(found.clip.frames, found.predictions, masks, strict=True)
    ]
    return {"label_agreement": sum(agreeing) / pixels}


def _recorded(clip: Clip) -> list[Frame]:
    """Return the recorded frames; none unless every frame has one."""
    recorded = [frame for frame in clip.originals if frame is not None]
    return recorded if len(recorded) == len(clip.frames) else []


def _disagreement(frame: Frame, predicted: SemanticMap, label_set: LabelSet) -> Image:
    """Paint red where an evaluated label is not what the segmenter sees."""
    semantic = semantic_of(frame)
    evaluated = np.array([label.evaluated for label in label_set.labels])
    wrong = evaluated[semantic] & (semantic != predicted)
    shown = image_of(frame) // 2
    shown[wrong] = shown[wrong] // 2 + np.array([128, 0, 0], np.uint8)
    return shown


def _boxed(image: Image, mask: NDArray[np.bool_]) -> Image:
    """Draw a frame around the marked pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return image
    height, width = mask.shape
    thick = max(1, width // 256)
    top, bottom = max(rows[0] - 2 * thick, 0), min(rows[-1] + 2 * thick, height - 1)
    left, right = max(columns[0] - 2 * thick, 0), min(columns[-1] + 2 * thick, width - 1)
    shown = image.copy()
    for line in (
        np.s_[top : top + thick, left : right + 1],
        np.s_[bottom + 1 - thick : bottom + 1, left : right + 1],
        np.s_[top : bottom + 1, left : left + thick],
        np.s_[top : bottom + 1, right + 1 - thick : right + 1],
    ):
        shown[line] = _BOX_COLOR
    return shown


def _sheets(tiles: Sequence[Sequence[Image]], columns: int, width: int) -> tuple[Image, ...]:
    """Put the tiles of every frame beside each other, row by row, with a gap between them.

    Args:
        tiles: By tile, by frame.
        columns: Tiles a row; the last row is full.
        width: Of a tile, even.
    """
    old_height, old_width = tiles[0][0].shape[:2]
    height = max(2, 2 * round(old_height * width / old_width / 2))
    rows = len(tiles) // columns
    sheet_hw = (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP)
    sheets = []
    for pictures in zip(*tiles, strict=True):
        sheet = np.full((*sheet_hw, 3), _GAP_LEVEL, np.uint8)
        for place, picture in enumerate(pictures):
            row, column = divmod(place, columns)
            top, left = row * (height + _GAP), column * (width + _GAP)
            small = resize_image(np.ascontiguousarray(picture), (height, width))
            sheet[top : top + height, left : left + width] = small
        sheets.append(sheet)
    return tuple(sheets)
