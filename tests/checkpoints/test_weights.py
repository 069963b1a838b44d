from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from svsdata.checkpoints.tensor_files import read_state_dict
from svsdata.checkpoints.weights import (
    CheckpointInfo,
    generator_file,
    load_generator,
    save_generator,
)
from svsdata.errors import CheckpointError, WeightsError
from svsdata.labels import CITYSCAPES, KITTI360, LabelSet
from svsdata.nets.svsgan.config import GeneratorConfig, MotionConfig
from svsdata.nets.svsgan.generator import Generator

INFO = CheckpointInfo(
    model="demo",
    label_set=CITYSCAPES,
    size_hw=(64, 128),
    fps=10.0,
    pixel_counts={"road": 5000, "truck": 0},
    step=120,
    reference_free=True,
    uses_instances=False,
    store_id="abc",
)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    motion = MotionConfig(widths=(4, 8), up_widths=(4,), num_residual=1)
    return Generator(
        GeneratorConfig(
            35, motion=motion, image_widths=(8, 16), semantic_stem=(4, 4),
            decoder_widths=(8, 8), modulation_kernels=(3, 1),
        )
    ).eval()  # fmt: skip


@pytest.fixture
def path(tmp_path, generator):
    path = tmp_path / "generator.safetensors"
    save_generator(path, generator, INFO)
    return path


def test_a_generator_comes_back_with_its_pictures_and_its_description(path, generator):
    loaded, info = load_generator(path)
    assert info == INFO
    assert info.known_classes == ("road",)
    assert loaded.config == generator.config
    assert not loaded.training
    image, semantic = torch.rand(1, 3, 32, 64), torch.randint(0, 35, (2, 32, 64))
    with torch.inference_mode():
        one, other = (net(image, semantic[:1], semantic[1:]).image for net in (generator, loaded))
    assert torch.equal(one, other)


def test_a_run_directory_means_its_newest_checkpoint(tmp_path, path):
    for step in (20, 3):
        folder = tmp_path / "run" / "checkpoints" / f"checkpoint-{step:09d}"
        folder.mkdir(parents=True)
        (folder / "generator.safetensors").write_bytes(path.read_bytes())
    found = generator_file(tmp_path / "run")
    assert found.parent.name == "checkpoint-000000020"
    assert generator_file(found.parent) == found
    assert generator_file(path) == path


def test_demo_means_the_bundled_generator_unless_a_run_has_that_name(tmp_path, path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()  # what ``make demo`` leaves
    assert load_generator(Path("demo"))[1].model == "carry"
    own = tmp_path / "demo" / "generator.safetensors"
    own.write_bytes(path.read_bytes())
    assert generator_file(Path("demo")).samefile(own)


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_path_without_a_checkpoint_says_what_was_expected(tmp_path, name):
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        generator_file(tmp_path / name)


def test_a_damaged_file_is_told(path):
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot read"):
        load_generator(path)


def test_a_foreign_safetensors_file_is_no_generator(tmp_path):
    save_file({"weight": torch.ones(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(CheckpointError, match="no entry 'svsdata'"):
        load_generator(tmp_path / "foreign.safetensors")


def rewrite(path, change, header=lambda text: text):
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, {"svsdata": header(metadata["svsdata"])})


def test_missing_and_unexpected_weights_are_named(path):
    def change(tensors):
        tensors["extra"] = tensors.pop("heads.0.bias")

    rewrite(path, change)
    with pytest.raises(CheckpointError, match=r"missing heads.0.bias, unexpected extra"):
        load_generator(path)


def test_another_format_version_is_refused(path):
    rewrite(
        path,
        lambda _tensors: None,
        lambda text: text.replace('"format_version":1', '"format_version":2'),
    )
    with pytest.raises(CheckpointError, match="format_version"):
        load_generator(path)


def test_data_of_the_same_shape_fits_at_any_size():
    INFO.require(CITYSCAPES, (64, 128), "store 'a'")
    INFO.require(CITYSCAPES, (512, 1024), "store 'a'")


def test_data_of_another_label_set_is_refused_by_both_names():
    with pytest.raises(CheckpointError, match=r"'kitti360' \(46 classes\).*'cityscapes' \(35"):
        INFO.require(KITTI360, (64, 128), "store 'a'")
    renamed = replace(CITYSCAPES.labels[7], name="street")
    table = (*CITYSCAPES.labels[:7], renamed, *CITYSCAPES.labels[8:])
    with pytest.raises(CheckpointError):
        INFO.require(LabelSet("cityscapes", table), (64, 128), "store 'a'")


def test_data_of_another_aspect_ratio_is_refused_with_both_sizes():
    with pytest.raises(CheckpointError, match=r"256x64.*128x64"):
        INFO.require(CITYSCAPES, (64, 256), "store 'a'")
    with pytest.raises(CheckpointError, match="crop_rows=320, which makes 640x320 of frames of 64"):
        INFO.require(CITYSCAPES, (360, 640), "store 'a'")


def test_foreign_weights_are_read_from_safetensors_and_plain_state_dicts(tmp_path):
    state = {"w": torch.arange(3.0)}
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "a.pt")
    for name in ("a.safetensors", "a.pt"):
        assert torch.equal(read_state_dict(tmp_path / name)["w"], state["w"])


def test_weights_that_would_run_code_are_refused(tmp_path):
    torch.save({"w": torch.nn.Linear(1, 1)}, tmp_path / "code.pt")
    with pytest.raises(WeightsError, match=r"code\.pt"):
        read_state_dict(tmp_path / "code.pt")
    with pytest.raises(WeightsError, match="missing"):
        read_state_dict(tmp_path / "missing.pt")


def test_torchscript_is_refused_as_what_it_is(tmp_path, recwarn):
    torch.jit.trace(torch.nn.Linear(2, 1), torch.zeros(1, 2)).save(tmp_path / "i3d.pt")
    recwarn.clear()  # of torch.jit itself
    with pytest.raises(WeightsError, match=r"i3d\.pt' are a TorchScript program"):
        read_state_dict(tmp_path / "i3d.pt")
    assert not recwarn


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    try:
        read_state_dict(path)
    except WeightsError as error:
        return str(error)
    return ""


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_damaged_weights_are_told_in_one_line(tmp_path):
    torch.save({"w": torch.arange(3.0)}, tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    draws = np.random.default_rng(0)
    contents = [b"", b"text\n", b"\x80\x02e.", whole[:-30], whole[: len(whole) // 2]]
    for _ in range(100):
        spoilt = np.frombuffer(whole, np.uint8).copy()
        spoilt[draws.integers(0, len(whole), 8)] = draws.integers(0, 256, 8)
        contents.append(spoilt.tobytes())
    told = [refusal(tmp_path / "spoilt.pt", content) for content in contents]
    assert sum(map(bool, told)) >= 50
    assert not any("\n" in one for one in told)
    torch.save([torch.zeros(1)], tmp_path / "list.pt")
    with pytest.raises(WeightsError, match=r"list\.pt': no state dict, but a list"):
        read_state_dict(tmp_path / "list.pt")
