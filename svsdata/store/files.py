"""The only place where a store touches the file system: durable writes, locks, hashes.

Local folders only; other file systems come in here.
"""

import errno
import fcntl
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from svsdata.errors import StoreError, SvsDataError

TEMPORARY = ".tmp"
"""Suffix of files that are being written; no reader opens them."""

LOCK_NAME = "lock"
"""File of a folder that one process alone may write, locked while it does."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_ADDRESS = re.compile("[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
"""Of two slashes a ``Path`` keeps one."""


def local_folder(path: Path | str, what: str = "store") -> Path:
    """Return the folder, `~` expanded.

    Args:
        path: The folder.
        what: What the message calls it.

    Raises:
        StoreError: For an address such as ``s3://bucket/store``.
    """
    if _ADDRESS.match(str(path)):
        raise StoreError(
            f"{what} '{path}': only local folders and files are supported, got an address; copy "
            "or mount it"
        )
    return Path(path).expanduser()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into one clear line.

    Raises:
        StoreError: Naming the path and the reason, with what to do when the disk is full.
    """
    try:
        yield
    except OSError as error:
        advice = (
            "; what was closed before is safe: free space and run the same command again"
            if error.errno in _FULL
            else ""
        )
        raise StoreError(f"{path}: cannot write: {error.strerror or error}{advice}") from error


def write_durably(path: Path, data: bytes) -> None:
    """Write so that after any crash the file is the old one or the new one, whole."""
    temporary = _write_temporary(path, data)
    temporary.replace(path)
    sync_folder(path.parent)


def put_if_absent(path: Path, data: bytes) -> bool:
    """Write durably unless the file exists; of competing writers exactly one gets True."""
    temporary = _write_temporary(path, data)
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    sync_folder(path.parent)
    return True


def sync_file(path: Path) -> None:
    """Make a file's bytes durable that something else has written."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the folder's names durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def only_writer(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock; yields False when another process holds it.

    The kernel frees the lock of a killed process. A folder that its last holder removed, having
    committed, is locked by nobody and counts as held.
    """
    lock = folder / LOCK_NAME
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        opened = os.fstat(descriptor)
        yield lock.exists() and os.path.samestat(opened, lock.stat())
    finally:
        os.close(descriptor)


@contextmanager
def alone_in(folder: Path, refusal: SvsDataError) -> Iterator[None]:
    """Keep other processes out of a folder that is there; one that is killed frees it.

    Raises:
        SvsDataError: The refusal, if another process is in there.
    """
    with only_writer(folder) as alone:
        if not alone:
            raise refusal
        try:
            yield
        finally:
            (folder / LOCK_NAME).unlink()


def remove_folder(folder: Path) -> None:
    """Remove a folder that others may look into; it is gone at once, its bytes soon after."""
    doomed = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}{TEMPORARY}")
    folder.replace(doomed)
    shutil.rmtree(doomed)


def remove_leftovers(parent: Path) -> None:
    """Remove what a kill during ``remove_folder`` left."""
    for doomed in parent.glob(f".*{TEMPORARY}"):
        shutil.rmtree(doomed, ignore_errors=True)  # another writer may be at it


def _write_temporary(path: Path, data: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
