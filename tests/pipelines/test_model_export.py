import json
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from typer.testing import CliRunner

from svsdata.checkpoints.weights import CheckpointInfo, save_generator
from svsdata.cli.model import app
from svsdata.errors import CheckpointError, ConfigError, ExportError, StoreError
from svsdata.labels import CITYSCAPES
from svsdata.nets.models import build_generator
from svsdata.nets.svsgan.config import GeneratorConfig, MotionConfig
from svsdata.nets.svsgan.rollout import LabelMaps, RolloutState, inference_copy, rollout
from svsdata.nets.vid2vid.config import Vid2VidConfig
from svsdata.nets.video_generator import Motion
from svsdata.pipelines.model_export import run_model_export
from svsdata.progress import Silent
from svsdata.synthesis.provenance import file_hash
from svsdata.tensors import edges

SIZE_HW = (36, 58)
"""No multiple of what the network takes, so frames are padded and cropped."""

INFO = CheckpointInfo(
    model="demo", label_set=CITYSCAPES, size_hw=SIZE_HW, fps=10.0, pixel_counts={"road": 5000},
    step=120, reference_free=True, uses_instances=False, store_id="abc",
)  # fmt: skip


def tiny_generator(
    *,
    borders: bool = False,
    sees_image: bool = False,
    object_colours: bool = False,
    guided: bool = False,
):
    torch.manual_seed(0)
    motion = MotionConfig(widths=(4, 8), up_widths=(4,), num_residual=1, sees_image=sees_image)
    config = GeneratorConfig(
        35, edges=borders, object_colours=object_colours, motion=motion, image_widths=(8, 16),
        semantic_stem=(4, 4), decoder_widths=(8, 8), modulation_kernels=(3, 1),
        guidance_width=4 * guided,
    )  # fmt: skip
    generator = build_generator(config).eval()
    for modulator in generator.guidance_modulators:
        torch.nn.init.normal_(modulator.head.conv.weight)
    torch.nn.init.normal_(generator.motion.head.weight, std=0.05)
    return generator


@pytest.fixture
def written(tmp_path):
    """Write a tiny checkpoint; returns it and the generator."""

    def write(*, given_motion: bool = False, **changes):
        generator = tiny_generator(**changes)
        uses_instances = generator.config.edges
        info = replace(INFO, given_motion=given_motion, uses_instances=uses_instances)
        path = tmp_path / "generator.safetensors"
        save_generator(path, generator, info)
        return path, generator

    return write


def frames(length: int):
    """Random maps of each frame; the validity of the first is 0 everywhere."""
    draws = torch.Generator().manual_seed(3)

    def ids(dtype):
        coarse = torch.randint(0, 35, (1, 6, 10), generator=draws)
        fine = coarse.repeat_interleave(6, 1).repeat_interleave(6, 2)
        return fine[:, : SIZE_HW[0], : SIZE_HW[1]].to(dtype)

    return [
        {
            "semantic": ids(torch.uint8),
            "instance": ids(torch.int32),
            "backward_flow": torch.randn(1, 2, *SIZE_HW, generator=draws) * 3,
            "occlusion": torch.rand(1, 1, *SIZE_HW, generator=draws).round(),
            "validity": torch.rand(1, 1, *SIZE_HW, generator=draws).round() * (number > 1),
            "object_colours": torch.rand(1, 4, *SIZE_HW, generator=draws),
            "guidance": torch.rand(1, 4, *SIZE_HW, generator=draws),
        }
        for number in range(length)
    ]


def run_as_a_user_does(path, image, maps):
    """Draw every frame but the first in a loop, with torch alone."""
    program = torch.export.load(path)
    signature = program.example_inputs[1]
    draw, drawn = program.module(), []
    for before, now in pairwise(maps):
        known = {**now, "previous_image": image}
        known |= {f"previous_{name}": before[name] for name in ("semantic", "instance")}
        image = draw(**{name: known[name] for name in signature})
        drawn.append(image)
    return torch.cat(drawn)


@pytest.mark.parametrize(
    ("borders", "follows", "guided"),
    [(False, False, False), (True, True, False), (False, True, True)],
)
def test_the_program_draws_what_a_rollout_draws(written, tmp_path, borders, follows, guided):
    checkpoint, generator = written(
        given_motion=follows, borders=borders, object_colours=borders, guided=guided
    )
    out = tmp_path / "next.pt2"
    result = run_model_export(checkpoint, out, Silent())
    assert result.follows_flow == follows
    maps = frames(4)
    image = torch.rand(1, 3, *SIZE_HW, generator=torch.Generator().manual_seed(1)) * 2 - 1
    labels = [
        LabelMaps(
            one["semantic"],
            edges(one["instance"]) if borders else None,
            one["object_colours"] if borders else None,
            # nothing known is the labels' own motion, and no motion at all says the same
            Motion.recorded(one["backward_flow"], one["validity"], one["occlusion"])
            if follows and one["validity"].any()
            else None,
            (lambda _, seen=one["guidance"]: seen) if guided else None,
        )
        for one in maps
    ]
    with torch.no_grad():
        start = RolloutState(image, replace(labels[0], motion=None))
        outputs = rollout(inference_copy(generator), start, labels[1:], chunk=1)
        expected = torch.cat([output.image for output in outputs])
    drawn = run_as_a_user_does(out, image, maps)
    assert drawn.shape == (3, 3, *SIZE_HW)
    torch.testing.assert_close(drawn, expected, rtol=0, atol=1e-5)
    assert (expected[1] - expected[0]).abs().max() > 1e-3  # or the loop would prove nothing


def test_the_file_says_what_it_was_made_for(written, tmp_path):
    checkpoint, _ = written(given_motion=True, borders=True)
    result = run_model_export(checkpoint, tmp_path / "a.pt2", Silent(), size_hw=(32, 64))
    files = {"svsdata.json": ""}
    torch.export.load(tmp_path / "a.pt2", extra_files=files)
    told = json.loads(files["svsdata.json"])
    assert told["label_set"]["name"] == "cityscapes"
    assert [label["id"] for label in told["label_set"]["labels"]] == list(range(35))
    assert told["size_hw"] == [32, 64]
    assert told["follows_flow"]
    assert told["checkpoint_hash"] == file_hash(checkpoint)
    assert told["inputs"]["semantic"]["shape"] == [1, 32, 64]
    assert told["inputs"]["semantic"]["dtype"] == "uint8"
    assert tuple(told["inputs"]) == result.inputs
    assert result.size == "64x32"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt2", "generator.safetensors"]


def test_a_network_that_reads_motion_off_the_image_takes_no_flow(written, tmp_path):
    checkpoint, _ = written(given_motion=True, sees_image=True)
    result = run_model_export(checkpoint, tmp_path / "a.pt2", Silent())
    assert result.inputs == ("previous_image", "previous_semantic", "semantic")


def test_what_cannot_be_exported_is_refused_in_one_line(written, tmp_path):
    checkpoint, _ = written()
    out = tmp_path / "a.pt2"
    with pytest.raises(ExportError, match=r"'.*a\.pt' must end in \.pt2"):
        run_model_export(checkpoint, tmp_path / "a.pt", Silent())
    with pytest.raises(ExportError, match="no folder"):
        run_model_export(checkpoint, tmp_path / "none" / "a.pt2", Silent())
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        run_model_export(tmp_path / "typo", out, Silent())
    least = 2 * tiny_generator().config.size_multiple
    with pytest.raises(CheckpointError, match=f"64x{least - 1}: both sides .* least {least};"):
        run_model_export(checkpoint, out, Silent(), size_hw=(least - 1, 64))
    assert not out.exists()
    out.write_bytes(b"mine")
    with pytest.raises(ExportError, match="exists already"):
        run_model_export(checkpoint, out, Silent())
    assert out.read_bytes() == b"mine"


def test_a_program_without_room_is_an_error_of_one_line(written, tmp_path, room_for):
    path, _ = written()
    out = tmp_path / "program.pt2"
    with room_for(10_000), pytest.raises(StoreError, match=r"program.pt2: cannot write: .*: free"):
        run_model_export(path, out, Silent(), size_hw=SIZE_HW)
    assert not out.exists()


def test_a_generator_of_vid2vid_is_refused(tmp_path):
    generator = build_generator(Vid2VidConfig(35, edges=False, width=2, foreground_width=2))
    checkpoint = tmp_path / "generator.safetensors"
    save_generator(checkpoint, generator, replace(INFO, model="A"))
    with pytest.raises(CheckpointError, match="model A cannot be exported"):
        run_model_export(checkpoint, tmp_path / "a.pt2", Silent())


def test_the_command_line_exports_the_smallest_size_that_can_be_drawn(written, tmp_path):
    checkpoint, generator = written()
    least = 2 * generator.config.size_multiple
    out = tmp_path / "a.pt2"
    words = ["export", str(checkpoint), str(out), "--size", f"{least + 1}x{least}", "--json", "-q"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    told = json.loads(done.stdout)
    assert (told["out"], told["size"]) == (str(out), f"{least + 1}x{least}")
    assert told["written_bytes"] == out.stat().st_size
    labels = torch.zeros(1, least, least + 1, dtype=torch.uint8)
    image = torch.zeros(1, 3, least, least + 1)
    draw = torch.export.load(out).module()
    drawn = draw(previous_image=image, previous_semantic=labels, semantic=labels)
    assert drawn.shape == image.shape
    with pytest.raises(ConfigError, match="size '64': expected width x height"):
        CliRunner().invoke(app, [*words[:3], "--size", "64"], catch_exceptions=False)
