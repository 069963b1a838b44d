"""Self-contained HTML pages: pictures and videos travel inside the file."""

import base64
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from jinja2 import Environment, StrictUndefined

from svsdata.images import encode_jpeg
from svsdata.records import Image
from svsdata.store.files import writing
from svsdata.video_codec import VideoWriter
from svsdata.whole_files import whole_file


def write_page(path: Path, template: str, values: Mapping[str, object]) -> None:
    """Fill a template of this room and write it, whole or not at all.

    Raises:
        jinja2.UndefinedError: If the template names a value that is not given.
        StoreError: If it cannot be written.
    """
    source = files("svsdata.evaluation").joinpath("templates", template).read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    text = environment.from_string(source).render(values)
    with writing(path), whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def picture_uri(image: Image) -> str:
    """Return an image as a JPEG inside a data URI."""
    return _data_uri(encode_jpeg(image, quality=90), "image/jpeg")


def video_uri(path: Path) -> str:
    """Return an MP4 file inside a data URI."""
    return _data_uri(path.read_bytes(), "video/mp4")


def moving_picture(frames: Sequence[Image], fps: float) -> tuple[str, str]:
    """Return frames as a video and the middle one as a picture, for whoever cannot play it.

    Args:
        frames: (H, W, 3) uint8 of one size with even sides, one or more.
        fps: Frames a second.

    Raises:
        StoreError: If the folder for temporary files has no room.
    """
    size_hw = (frames[0].shape[0], frames[0].shape[1])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with writing(path), VideoWriter(path, size_hw, fps, quality=24) as video:
            for frame in frames:
                video.append(frame)
        return video_uri(path), picture_uri(frames[len(frames) // 2])


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
