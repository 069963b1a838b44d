"""Show what edits would do before anything is made: a contact sheet or a video."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from svsdata.editing.fill import LOOK_AROUND
from svsdata.editing.operations import apply_plan
from svsdata.editing.painting import EditFrame
from svsdata.editing.plan import EditPlan
from svsdata.editing.preview import preview_row
from svsdata.errors import ConfigError, EditPlanError
from svsdata.images import encode_png
from svsdata.overlap import ahead, in_background
from svsdata.pipelines.configs.edit import EditConfig
from svsdata.pipelines.edit_plan import planned_videos
from svsdata.pipelines.edited_videos import EditOutcome, Video, outcomes_of, plans_of
from svsdata.progress import Progress
from svsdata.records import Frame, Image
from svsdata.store.files import writing
from svsdata.store.reader import StoreReader
from svsdata.synthesis.label_stream import LabelStream
from svsdata.video_codec import VideoWriter

SHEET_ROWS = 8
CELL_WIDTH = 400
_TRIED = 24
"""Frames of which a sheet shows the most telling."""
_AHEAD = 8
FORMATS = (".png", ".mp4")


class EditPreviewResult(BaseModel):
    """What a preview drew."""

    model_config = ConfigDict(frozen=True)

    pictures: tuple[Path, ...]
    """A picture or video for each video that the edits would make."""
    edits: tuple[EditOutcome, ...]


def run_edit_preview(config: EditConfig, progress: Progress) -> EditPreviewResult:
    """Draw the edits on labels and frames of the base, of the first sequence if none is named.

    A PNG shows a few frames, those in which most of the edits are seen; an MP4 all of them. Where
    there are several videos, each file has the video's name before its ending.

    Raises:
        EditPlanError: If an edit is unknown, or nothing can be applied to any sequence.
        ConfigError: If ``out`` is neither PNG nor MP4.
        StoreError: If the base cannot be read, or the picture cannot be written.
    """
    suffix = config.out.suffix.lower()
    if suffix not in FORMATS:
        raise ConfigError(f"'{config.out}' is neither .png nor .mp4; name the preview so")
    videos = planned_videos(_of_one_sequence(config), pictures=True)
    draw = _write_sheet if suffix == ".png" else _write_video
    pictures: list[Path] = []
    outcomes: list[EditOutcome] = []
    for video, plan in plans_of(videos):
        assert plan is not None
        outcomes += outcomes_of(video.sequence_id, plan, progress)
        if not any(row.is_live for row in plan.rows):
            continue
        name = f"{config.out.stem}.{video.sequence_id}{suffix}"
        path = config.out if len(videos) == 1 else config.out.with_name(name)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            draw(path, video, plan, progress)
        pictures.append(path)
    if not pictures:
        raise EditPlanError(f"there is nothing to show; {outcomes[0].in_words()}")
    return EditPreviewResult(pictures=tuple(pictures), edits=tuple(outcomes))


def _of_one_sequence(config: EditConfig) -> EditConfig:
    """Narrow a config that names no sequence to the first."""
    first = () if config.sequences else tuple(StoreReader(config.store).sequence_ids[:1])
    return config.model_copy(update={"sequences": config.sequences or first})


def _write_sheet(path: Path, video: Video, plan: EditPlan, progress: Progress) -> None:
    candidates = _candidates(plan, _TRIED)
    progress.start("preview", len(candidates))
    visible: dict[int, dict[tuple[int, int], int]] = {}
    maps = _without_pictures(video.labels)
    for index in candidates:
        # What is seen of an edit depends on no other frame; what fills a hole does.
        seen: list[EditFrame] = []
        for _ in apply_plan(plan, maps.frames(index, index + 1), record=seen.append):
            visible[index] = {(it.edit_index, it.occurrence): it.visible_px for it in seen}
        progress.advance()
    shown = telling_frames(visible, SHEET_ROWS)
    drawn = [_drawn(it, video) for at in shown for it in _edited(video, plan, at, at + 1)]
    path.write_bytes(encode_png(np.concatenate(drawn, axis=0)))


def _write_video(path: Path, video: Video, plan: EditPlan, progress: Progress) -> None:
    progress.start("preview", plan.num_frames)
    edited = in_background(_edited(video, plan, 0, plan.num_frames), capacity=_AHEAD)
    rows = ahead(lambda it: _drawn(it, video), edited, workers=2, capacity=_AHEAD)
    first = next(rows)
    unfinished = path.with_name(f".{path.stem}.unfinished.mp4")
    height, width, _ = first.shape
    size_hw = (height, width)
    with VideoWriter(unfinished, size_hw, plan.fps, quality=22, speed="ultrafast") as writer:
        writer.append(first)
        progress.advance()
        for row in rows:
            writer.append(row)
            progress.advance()
    unfinished.replace(path)


def _candidates(plan: EditPlan, most: int) -> list[int]:
    """Return frames in which a plan may be seen to act: amid every object's time, and others."""
    middles: list[int] = []
    busy: set[int] = set()
    for row in plan.rows:
        present = [f for f in range(row.first_frame, row.last_frame + 1) if row.is_present(f)]
        if row.is_live and present:
            middles.append(present[len(present) // 2])
            busy.update(present)
    spread = sorted(busy)
    even = [spread[i * (len(spread) - 1) // max(most - 1, 1)] for i in range(most)]
    return sorted(set(list(dict.fromkeys([*middles[: most // 2], *even]))[:most]))


def telling_frames(visible: Mapping[int, Mapping[tuple[int, int], int]], most: int) -> list[int]:
    """Choose the frames that show best what edits do.

    Args:
        visible: Pixels of every object by frame; removals count as objects.
        most: How many frames at most.

    Returns:
        In order: where each object is largest, largest objects first, then whatever else shows
        something, spread evenly. Where nothing is seen anywhere, the first of the frames.
    """
    best: dict[tuple[int, int], tuple[int, int]] = {}
    for frame, objects in visible.items():
        for one, pixels in objects.items():
            best[one] = max(best.get(one, (0, 0)), (pixels, -frame))
    peaks = [-frame for pixels, frame in sorted(best.values(), reverse=True) if pixels]
    chosen = list(dict.fromkeys(peaks))[:most]
    others = [f for f in visible if f not in chosen and any(visible[f].values())]
    missing = min(most - len(chosen), len(others))
    chosen += [others[i * len(others) // missing] for i in range(missing)]
    return sorted(chosen) or sorted(visible)[:1]


@dataclass(frozen=True)
class _Edited:
    """A frame before and after its edits, and what each came to."""

    before: Frame
    after: Frame
    events: tuple[EditFrame, ...]


def _drawn(edited: _Edited, video: Video) -> Image:
    height, width = video.labels.size_hw
    # H.264 needs even sides.
    cell_hw = (2 * max(1, round(CELL_WIDTH * height / width / 2)), CELL_WIDTH)
    label_set = video.labels.reader.info.label_set
    return preview_row(edited.before, edited.after, edited.events, label_set, cell_hw)


def _edited(video: Video, plan: EditPlan, start: int, stop: int) -> Iterator[_Edited]:
    """Edit frames ``start`` to ``stop - 1``."""
    fills = any(row.is_live and row.erases and row.fills_temporally for row in plan.rows)
    reach = LOOK_AROUND if fills else 0
    maps = _without_pictures(video.labels)
    around = chain(
        maps.frames(max(start - reach, 0), start),
        video.labels.frames(start, stop),
        maps.frames(stop, min(stop + reach, video.num_frames)),
    )
    events: list[EditFrame] = []
    base: dict[int, Frame] = {}

    def kept(frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if start <= frame.frame_index < stop:
                base[frame.frame_index] = frame
            yield frame

    read = kept(in_background(around, capacity=_AHEAD))
    for after in apply_plan(plan, read, first_frame=start, record=events.append):
        if after.frame_index == stop:
            return
        own, events[:] = tuple(events), []
        yield _Edited(base.pop(after.frame_index), after, own)


def _without_pictures(labels: LabelStream) -> LabelStream:
    return replace(labels, layers=tuple(layer for layer in labels.layers if layer != "image"))
