"""Files that appear whole under their name or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a name beside ``path`` to write to, and rename it once the block has ended well."""
    partial = path.with_name(f".{path.name}.partial")
    yield partial
    partial.replace(path)
