"""Self-contained HTML pages: pictures and videos travel inside the file."""

import base64
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from svsdata.images import encode_jpeg
from svsdata.records import Image


def write_page(path: Path, template: str, values: Mapping[str, object]) -> None:
    """Fill a template of this room and write it under a temporary name first.

    Raises:
        jinja2.UndefinedError: If the template names a value that is not given.
    """
    source = files("svsdata.evaluation").joinpath("templates", template).read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(environment.from_string(source).render(values), encoding="utf-8")
    temporary.replace(path)


def picture_uri(image: Image) -> str:
    """Return an image as a JPEG inside a data URI."""
    return _data_uri(encode_jpeg(image, quality=90), "image/jpeg")


def video_uri(path: Path) -> str:
    """Return an MP4 file inside a data URI."""
    return _data_uri(path.read_bytes(), "video/mp4")


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
