"""Finds out what a source is from what lies there."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from svsdata.errors import SourceError
from svsdata.labeling.sources.cityscapes import cityscapes_recordings, is_cityscapes
from svsdata.labeling.sources.folder import PICTURE_SUFFIXES, files_of_kind, folder_recordings
from svsdata.labeling.sources.kitti360 import is_kitti360, kitti360_recordings
from svsdata.labeling.sources.recording import Recording, Source
from svsdata.labeling.sources.street import PREFIX, street_recording
from svsdata.labeling.sources.video import VIDEO_SUFFIXES, VideoRecording, video_recording

STREET_WORLD = "street world"
KITTI360_LAYOUT = "KITTI-360 layout"

ASSUMED_FPS = 10.0
"""Of a folder of frames, which says nothing about its rate."""

_STREET_LICENCE = "Apache-2.0; rendered by svsdata's street world"
_CITYSCAPES_LICENCE = "Cityscapes: non-commercial research only, frames may not be passed on"
_KITTI360_LICENCE = "KITTI-360: CC BY-NC-SA 3.0, non-commercial"
_UNKNOWN_LICENCE = "unknown; ask whoever recorded it"


def open_source(place: str, *, fps: float | None = None, skip_bad: bool = False) -> Source:
    """Recognise a source and find its recordings; reads no frame.

    Args:
        place: A street world's description, a video file, or a folder: of Cityscapes' or
            KITTI-360's layout, of videos, of frames, or of folders with frames.
        fps: Rate to take instead of what the source tells or is assumed to have.
        skip_bad: Leave out, and note, videos of a folder that cannot be opened.

    Raises:
        SourceError: If nothing is there, or nothing that can be read.
    """
    if place.startswith(PREFIX):
        if fps is not None:
            raise SourceError(
                f"{place}: a street world's rate is part of it; write fps={fps:g} there"
            )
        return Source(STREET_WORLD, (street_recording(place),), _STREET_LICENCE)
    path = Path(place).expanduser()
    if path.is_file():
        return _videos("video file", (video_recording(path, fps=fps),))
    if not path.is_dir():
        raise SourceError(
            f"{path}: no such file or folder; expected a video, a folder of frames, Cityscapes' or "
            f"KITTI-360's layout, or {PREFIX}seed=7,frames=1000"
        )
    source = _folder_source(path, fps, skip_bad=skip_bad)
    seen: dict[str, Recording] = {}
    for recording in source.recordings:
        other = seen.setdefault(recording.sequence_id, recording)
        if other is not recording:
            raise SourceError(
                f"{recording.source} and {other.source} would both be sequence "
                f"'{recording.sequence_id}'; rename one"
            )
    return source


def _folder_source(path: Path, fps: float | None, *, skip_bad: bool) -> Source:
    if is_cityscapes(path):
        return Source(
            "Cityscapes layout", cityscapes_recordings(path, fps=fps), _CITYSCAPES_LICENCE
        )
    if is_kitti360(path):
        return Source(KITTI360_LAYOUT, kitti360_recordings(path, fps=fps), _KITTI360_LICENCE)
    videos = files_of_kind(path, VIDEO_SUFFIXES)
    if videos:
        source = _folder_of_videos(videos, fps, skip_bad=skip_bad)
        return replace(source, notes=source.notes + _beside_videos(path))
    notes = () if fps else (f"{path}: frame rate unknown, {ASSUMED_FPS:g} frames/s assumed",)
    frames = folder_recordings(path, fps=fps or ASSUMED_FPS)
    return Source("folder of frames", frames, _UNKNOWN_LICENCE, notes)


def _folder_of_videos(videos: Sequence[Path], fps: float | None, *, skip_bad: bool) -> Source:
    recordings, left_out = [], []
    for video in videos:
        try:
            recordings.append(video_recording(video, folders=(video.stem,), fps=fps))
        except SourceError as error:
            if not skip_bad:
                raise SourceError(f"{error}; --skip-bad leaves such videos out") from error
            left_out.append(f"{error}; the video is left out")
    if not recordings:
        raise SourceError(f"{videos[0].parent}: none of {len(videos)} videos can be opened")
    source = _videos("folder of videos", tuple(recordings))
    return replace(source, notes=(*left_out, *source.notes))


def _beside_videos(path: Path) -> tuple[str, ...]:
    """Note pictures that lie among videos, which might have been meant as frames."""
    pictures = files_of_kind(path, PICTURE_SUFFIXES)
    if not pictures:
        return ()
    return (
        f"{path}: {len(pictures)} pictures beside the videos are left alone, such as "
        f"{pictures[0].name}; frames need a folder of their own",
    )


def _videos(kind: str, recordings: tuple[VideoRecording, ...]) -> Source:
    notes = tuple(
        f"{it.source}: a raw stream without times; its header says {it.fps:g} frames/s, or nothing "
        "does; --set fps= corrects that"
        for it in recordings
        if not it.has_times
    )
    return Source(kind, recordings, _UNKNOWN_LICENCE, notes)
