import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from svsdata.checkpoints.weights import CheckpointInfo, load_generator, save_generator
from svsdata.editing.edit_text import load_preset
from svsdata.editing.plan_table import read_plan
from svsdata.errors import CheckpointError, ConfigError, EditPlanError, StoreError
from svsdata.images import resize_map
from svsdata.labels import CITYSCAPES, CITYSCAPES_TRAIN
from svsdata.nets.svsgan.config import GeneratorConfig, MotionConfig, WarpUse
from svsdata.nets.svsgan.generator import Generator
from svsdata.nets.svsgan.rollout import LabelMaps, begin, inference_copy
from svsdata.pipelines.configs.edit import EditConfig
from svsdata.pipelines.configs.synthesize import SynthesizeConfig
from svsdata.pipelines.edit_choice import chosen_edits
from svsdata.pipelines.edit_delta import run_edit_delta, run_edit_restore
from svsdata.pipelines.edit_diff import run_edit_diff
from svsdata.pipelines.edit_plan import run_edit_plan
from svsdata.pipelines.edited_videos import plans_of
from svsdata.pipelines.synthesis_estimate import estimate_synthesize
from svsdata.pipelines.synthesis_plan import prepare
from svsdata.pipelines.synthesize import SynthesizeResult, run_synthesize
from svsdata.progress import Silent
from svsdata.records import Frame
from svsdata.store.format import StoreInfo
from svsdata.store.reader import StoreReader
from svsdata.store.writer import StoreWriter
from svsdata.street_world.scene import StreetWorld
from svsdata.tensors import edges, tensor_to_image
from tests.pipelines.interfering import Beside, StopAfter, StoppedError

STORE_HW, NETWORK_HW = (64, 128), (32, 64)
STREET = "street:seed=7,frames={},fps=10,size=128x64"


def street_frames(num_frames: int) -> Iterator[Frame]:
    world = StreetWorld(7, size_hw=STORE_HW, fps=10.0)
    for index in range(num_frames):
        street = world.render(index)
        yield Frame(
            index,
            index * 100_000,
            image=street.image,
            semantic=street.semantic,
            instance=street.instance,
            flow=street.flow if index else None,
            occlusion=street.occlusion if index else None,
            camera=world.camera,
            ego=street.ego,
            source="street",
            source_frame=index,
            is_synthetic=True,
        )


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A street of 56 frames that goes on, and the first 12 of them as a recording that ends."""
    path = tmp_path_factory.mktemp("base") / "store"
    layers = ("image", "semantic", "instance", "flow", "occlusion")
    info = StoreInfo(CITYSCAPES, STORE_HW, 10.0, layers, {"own": "CC0"})
    writer = StoreWriter(path, info)
    frames = list(street_frames(56))
    for sequence_id, source, kept in (
        ("street-7", STREET.format(56), frames),
        ("recorded", "a folder", frames[:12]),
    ):
        with writer.sequence(sequence_id, source=source, fps=10.0) as rows:
            for frame in kept:
                rows.append(frame)
            rows.commit(instance_scope="sequence")
    return path


TINY = GeneratorConfig(
    CITYSCAPES.num_classes,
    edges=True,
    label_embedding=4,
    motion=MotionConfig(widths=(4, 8), up_widths=(4,), num_residual=1, head_kernel=3),
    image_widths=(4, 8, 8),
    semantic_stem=(4, 4),
    decoder_widths=(8, 4, 4),
    modulation_kernels=(3, 1, 1),
)


def write_checkpoint(path: Path, **changes: object) -> Path:
    torch.manual_seed(3)
    return save(path, Generator(TINY), "tiny", changes)


def save(path: Path, generator: Generator, model: str, changes: Mapping[str, object]) -> Path:
    info = CheckpointInfo(
        model=model,
        label_set=CITYSCAPES,
        size_hw=NETWORK_HW,
        fps=10.0,
        pixel_counts={label.name: 100 for label in CITYSCAPES.labels},
        step=0,
        reference_free=False,
        uses_instances=True,
        store_id="made in this test",
    )
    save_generator(path, generator, replace(info, **changes))  # type: ignore[arg-type]
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "generator.safetensors")


def write_carrier(
    path: Path, *, warp_use: WarpUse = "correct", forgetting: float = 0.0, **changes: object
) -> Path:
    """A generator that draws nothing: what it does not carry over stays grey."""
    torch.manual_seed(3)
    shape = replace(TINY, edges=False, label_embedding=0, warp_use=warp_use, forgetting=forgetting)
    generator = Generator(shape)
    generator.motion.head.bias.data[2] = -30.0
    for head in generator.heads:
        torch.nn.init.zeros_(head.weight)
    told = {"size_hw": STORE_HW, "uses_instances": False, "given_motion": True}
    return save(path, generator, "carrier", told | changes)


SHIFT_PX = 3
"""Of the sliding store, a frame."""


@pytest.fixture(scope="module")
def sliding(tmp_path_factory: pytest.TempPathFactory, sliding_store: Callable[..., Path]) -> Path:
    return sliding_store(tmp_path_factory.mktemp("sliding") / "store", size_hw=STORE_HW)


class Notes(Silent):
    """Keeps what a person would have been told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        self.lines.append(message)


def configured(base: Path, checkpoint: Path, out: Path, **settings: object) -> SynthesizeConfig:
    given = {"store": base, "checkpoint": checkpoint, "out": out, "device": "cpu"}
    return SynthesizeConfig.model_validate(given | settings)


def synthesize(
    base: Path, checkpoint: Path, out: Path, **settings: object
) -> tuple[SynthesizeResult, StoreReader]:
    result = run_synthesize(configured(base, checkpoint, out, **settings), Silent())
    return result, StoreReader(out)


def rows(reader: StoreReader, sequence_id: str) -> list[Frame]:
    layers = reader.info.modalities
    return list(reader.read(sequence_id, layers=layers))


def shards(out: Path) -> dict[str, bytes]:
    return {path.parent.name + path.name: path.read_bytes() for path in out.rglob("*.parquet")}


def test_every_sequence_is_drawn_with_its_labels_as_long_as_it_is(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    result, made = synthesize(base, checkpoint, tmp_path / "out")
    assert result.sequences == ("recorded", "street-7")
    assert result.num_frames == 68
    assert made.info.licences == {"own": "CC0"}
    source = StoreReader(base)
    for sequence_id in result.sequences:
        drawn = rows(made, sequence_id)
        truth = list(
            source.read(sequence_id, layers=("image", "semantic", "instance"), size_hw=NETWORK_HW)
        )
        assert len(drawn) == len(truth)
        for mine, theirs in zip(drawn, truth, strict=True):
            np.testing.assert_array_equal(mine.semantic, theirs.semantic)
            np.testing.assert_array_equal(mine.instance, theirs.instance)
            assert mine.camera is not None
            assert theirs.camera is not None
            np.testing.assert_allclose(mine.camera.intrinsics, theirs.camera.intrinsics)
            assert mine.ego is not None
            assert theirs.ego is not None
            assert mine.ego.speed_mps == theirs.ego.speed_mps
            assert mine.timestamp_us == theirs.timestamp_us
        np.testing.assert_array_equal(drawn[0].image, truth[0].image)
        assert "image" not in drawn[0].models
        assert all(one.models["image"].startswith("svsgan tiny sha256:") for one in drawn[1:])
        assert (drawn[5].image != truth[5].image).any()


def test_a_size_that_is_not_the_stores_is_told(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    few = {"sequences": ("recorded",), "frames": 2}
    notes = Notes()
    run_synthesize(configured(base, checkpoint, tmp_path / "small", **few), notes)
    assert notes.lines == [
        f"drawn at 64x32, the checkpoint's size; the frames of '{base}' are 128x64"
    ]
    alike = Notes()
    carrier = write_carrier(tmp_path / "carrier")
    run_synthesize(configured(base, carrier, tmp_path / "alike", **few), alike)
    assert alike.lines == []


@pytest.mark.parametrize(("fps", "is_told"), [(10.0, False), (9.9, False), (5.0, True), (17, True)])
def test_a_frame_rate_that_was_not_trained_with_is_told(
    base: Path, tmp_path: Path, fps: float, is_told: bool
) -> None:
    carrier = write_carrier(tmp_path / "carrier", fps=fps)
    notes = prepare(configured(base, carrier, tmp_path / "out", frames=2)).notes
    told = f"'{base}' has 10 frames/s, the checkpoint was trained at {fps:g}: the steps"
    assert [note.startswith(told) for note in notes] == [True] * is_told


def test_a_street_is_rendered_on_beyond_the_end_of_the_store(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    _, made = synthesize(
        base, checkpoint, tmp_path / "out", sequences=("street-7",), frames=60, chunk_length=4
    )
    drawn = rows(made, "street-7")
    assert [frame.frame_index for frame in drawn] == list(range(60))
    world = StreetWorld(7, size_hw=STORE_HW, fps=10.0)
    beyond = resize_map(world.render(59, image=False).semantic, NETWORK_HW)
    np.testing.assert_array_equal(drawn[59].semantic, beyond)
    assert drawn[59].ego is not None
    assert drawn[59].timestamp_us == 5_900_000
    sequence = made.sequence("street-7")
    assert sequence.source == "synthesized:street-7"
    seen = {int(one) for frame in drawn for one in np.unique(frame.instance) if one >= 1000}
    assert {track.instance_id for track in sequence.tracks} == seen


def test_a_recording_that_is_too_short_names_those_that_are_not(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match=r"'recorded' has 12 frames, 13 were asked for.*street-7"):
        synthesize(base, checkpoint, tmp_path / "out", frames=13)
    assert not (tmp_path / "out").exists()


def test_a_recording_goes_on_with_predicted_labels_if_told_to(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    told = {
        "sequences": ("recorded",), "frames": 22, "predict": True, "drive_on_mps": 9.0,
        "chunk_length": 2, "part_frames": 4,
    }  # fmt: skip
    whole = tmp_path / "whole"
    _, made = synthesize(base, checkpoint, whole, **told)
    drawn = rows(made, "recorded")
    assert [frame.frame_index for frame in drawn] == list(range(22))
    foretold = [frame.models["semantic"] == "geometry from frame 11" for frame in drawn[12:]]
    assert all(foretold)
    assert all(frame.flow is not None and frame.ego is not None for frame in drawn[12:])
    assert drawn[21].ego is not None
    assert drawn[21].ego.speed_mps == 9.0
    stopped = configured(base, checkpoint, tmp_path / "stopped", **told)
    check_stopped(stopped, whole, stops=(9, 15))
    with pytest.raises(StoreError, match=r"drive_on_mps 9\.0 → 3\.0"):
        run_synthesize(configured(base, checkpoint, whole, **told | {"drive_on_mps": 3}), Silent())


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"predict": True, "presets": ("add_truck",)}, "edits are made on recorded frames alone"),
        ({"drive_on_mps": 9.0}, "drive_on_mps: tells how predicted frames go on; add predict=true"),
        ({"drive_on_rps": 0.1}, "drive_on_rps: tells how"),
        ({"predict": True, "drive_on_mps": -1.0}, "drive_on_mps"),
    ],
)
def test_contradictory_predictions_are_refused(
    base: Path, checkpoint: Path, tmp_path: Path, told: dict[str, object], why: str
) -> None:
    with pytest.raises((ConfigError, ValidationError), match=re.escape(why)):
        synthesize(base, checkpoint, tmp_path / "out", frames=13, **told)
    assert not (tmp_path / "out").exists()


def test_a_sequence_named_twice_is_refused(base: Path, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="'recorded' is named twice; name it once"):
        configured(base, checkpoint, tmp_path, sequences=("recorded", "street-7", "recorded"))


TRUCKS = {
    "sequences": ("street-7",),
    "frames": 60,
    "presets": ("add_truck",),
    "chunk_length": 4,
    "part_frames": 8,
}
AS_WRITTEN = {"edits": {edit.id: {"otherwise": []} for edit in load_preset("add_truck").edits}}


@pytest.fixture(scope="module")
def trucks(base: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trucks") / "out"
    synthesize(base, checkpoint, out, **TRUCKS)
    return out


def check_stopped(config: SynthesizeConfig, whole: Path, *, stops: tuple[int, ...]) -> None:
    """Stop a run again and again, and compare what it ends with."""
    for frames in stops:
        with pytest.raises(StoppedError):
            run_synthesize(config, StopAfter(frames))
        assert not StoreReader(config.out).sequence_ids
    result = run_synthesize(config, Silent())
    assert 0 < result.num_frames < config.frames - config.part_frames  # type: ignore[operator]
    assert shards(config.out) == shards(whole)
    (record,), (expected,) = (
        [path.read_bytes() for path in (folder / "sequences").glob("*.json")]
        for folder in (config.out, whole)
    )
    assert record == expected
    again = run_synthesize(config, Silent())
    assert (again.sequences, again.num_frames, len(again.already_done)) == ((), 0, 1)


def test_a_stopped_run_goes_on_and_leaves_the_bytes_of_an_undisturbed_one(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    settings = {"sequences": ("street-7",), "frames": 22, "chunk_length": 2, "part_frames": 4}
    synthesize(base, checkpoint, tmp_path / "whole", **settings)
    stopped = configured(base, checkpoint, tmp_path / "stopped", **settings)
    check_stopped(stopped, tmp_path / "whole", stops=(1, 7, 15))


def test_so_does_a_stopped_run_with_edits(
    base: Path, checkpoint: Path, trucks: Path, tmp_path: Path
) -> None:
    stopped = configured(base, checkpoint, tmp_path / "stopped", **TRUCKS)
    check_stopped(stopped, trucks, stops=(29, 50))


@pytest.mark.parametrize("motion", ["labels", "store"])
def test_so_does_a_stopped_run_of_key_frames(
    base: Path, checkpoint: Path, tmp_path: Path, motion: str
) -> None:
    if motion == "store":
        checkpoint = write_carrier(tmp_path / "carrier.safetensors")
    settings = {"sequences": ("street-7",), "frames": 20, "motion": motion, "part_frames": 4}
    settings |= {"chunk_length": 2, "keyframe_interval": 3, "unseen_share": 0.2}
    _, made = synthesize(base, checkpoint, tmp_path / "whole", **settings)
    stopped = configured(base, checkpoint, tmp_path / "stopped", **settings)
    check_stopped(stopped, tmp_path / "whole", stops=(1, 7, 15))
    drawn = rows(made, "street-7")
    kinds = ["filled" in frame.models.get("image", "") for frame in drawn]
    assert kinds[:6] == [False, True, False, True, True, False]
    recipe = json.loads(made.sequence("street-7").details["recipe"])
    assert (recipe["keyframe_interval"], recipe["unseen_share"]) == (3, 0.2)


def test_without_key_frames_recipes_stay_as_they_were(trucks: Path) -> None:
    recipe = json.loads(StoreReader(trucks).sequence("street-7.add_truck").details["recipe"])
    assert not {"keyframe_interval", "unseen_share"} & recipe.keys()


def test_key_frames_are_refused_where_motion_is_read_off_pictures(
    base: Path, tmp_path: Path
) -> None:
    config = replace(TINY, motion=replace(TINY.motion, sees_image=True))
    sighted = save(tmp_path / "sighted.safetensors", Generator(config), "tiny", {})
    with pytest.raises(CheckpointError, match="keyframe_interval=4, but this tiny tells motion"):
        synthesize(base, sighted, tmp_path / "out", keyframe_interval=4)


def test_videos_drawn_in_one_batch_are_those_drawn_one_by_one(
    sliding: Path, tmp_path: Path
) -> None:
    carrier = write_carrier(tmp_path / "carrier.safetensors")
    settings = {"chunk_length": 2, "part_frames": 4, "motion": "store"}
    _, alone = synthesize(sliding, carrier, tmp_path / "alone", **settings)
    result, made = synthesize(sliding, carrier, tmp_path / "made", parallel_videos=9, **settings)
    assert (result.sequences, result.num_frames) == (("s0", "s1"), 18)
    for sequence_id in made.sequence_ids:
        for mine, theirs in zip(rows(made, sequence_id), rows(alone, sequence_id), strict=True):
            assert np.abs(mine.image.astype(int) - theirs.image).max() <= 1  # type: ignore[union-attr, operator]
            assert mine.models == theirs.models
            np.testing.assert_array_equal(mine.semantic, theirs.semantic)
    recipes = [
        json.loads(reader.sequence("s0").details["recipe"]).get("parallel_videos")
        for reader in (made, alone)
    ]
    assert recipes == [2, None]  # no more than there are; stores of one by one stay as they were


def test_a_stopped_batch_of_edited_videos_goes_on_to_the_same_bytes(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    settings = {**TRUCKS, "frames": 14, "variants": 3, "parallel_videos": 2, "part_frames": 4}
    result, _ = synthesize(base, checkpoint, tmp_path / "whole", **settings)
    drawn = result.num_frames
    assert len(result.sequences) > 1
    stopped = configured(base, checkpoint, tmp_path / "stopped", **settings)
    for frames in (11, 19):
        with pytest.raises(StoppedError):
            run_synthesize(stopped, StopAfter(frames))
    again = run_synthesize(stopped, Silent())
    assert 0 < again.num_frames < drawn
    assert shards(stopped.out) == shards(tmp_path / "whole")
    ids = StoreReader(stopped.out).sequence_ids
    assert ids == StoreReader(tmp_path / "whole").sequence_ids == sorted(result.sequences)


def test_a_video_that_was_stopped_before_its_commit_is_committed(
    sliding: Path, tmp_path: Path
) -> None:
    carrier = write_carrier(tmp_path / "carrier.safetensors")
    settings = {"chunk_length": 3, "part_frames": 3, "frames": 9}
    config = configured(sliding, carrier, tmp_path / "out", **settings)
    with pytest.raises(StoppedError):
        run_synthesize(config, StopAfter(8))  # the ninth frame is written, and its part closed
    result = run_synthesize(config, Silent())
    assert (result.sequences, result.num_frames) == (("s0", "s1"), 9)
    assert StoreReader(config.out).sequence("s0").num_frames == 9


def test_an_added_truck_is_marked_and_known_in_every_row(trucks: Path) -> None:
    made = StoreReader(trucks)
    drawn = rows(made, "street-7.add_truck")
    assert len(drawn) == 60
    ids = set()
    for frame in drawn:
        assert frame.provenance is not None
        assert frame.instance is not None
        ids |= set(np.unique(frame.instance[frame.provenance > 0]).tolist())
    assert ids
    assert {one // 1000 for one in ids} == {CITYSCAPES.label("truck").id}
    assert ids <= {track.instance_id for track in made.sequence("street-7.add_truck").tracks}
    (plan_hash,) = {frame.plan_hash for frame in drawn}
    plan = read_plan(trucks / "edits/street-7.add_truck/plan.parquet")
    assert plan.hash == plan_hash
    assert {row.class_name for row in plan.rows} == {"truck"}
    assert drawn[0].seed == plan.seed
    assert {row.first_frame for row in plan.rows if "by otherwise.0" in row.note} == {0}
    assert set(np.unique(drawn[0].provenance)) == {0, 252}


def test_flow_is_that_of_the_labels_with_the_edits_own(base: Path, trucks: Path) -> None:
    theirs = StoreReader(base).read("street-7", layers=("flow",), size_hw=NETWORK_HW)
    moved = 0
    for mine, base_frame in zip(
        rows(StoreReader(trucks), "street-7.add_truck"), theirs, strict=False
    ):
        if base_frame.flow is None:
            assert mine.flow is None
            continue
        assert mine.flow is not None
        assert mine.provenance is not None
        far = np.abs(mine.flow - base_frame.flow).max(axis=2) > 1 / 64
        assert not far[mine.provenance == 0].any()
        moved += int(far[mine.provenance > 0].sum())
    assert moved > 20


def test_flow_is_left_out_when_told_to(base: Path, checkpoint: Path, tmp_path: Path) -> None:
    settings = {"sequences": ("recorded",), "flow": False}
    _, made = synthesize(base, checkpoint, tmp_path / "out", **settings)
    assert made.info.modalities == ("image", "semantic", "instance")


def test_a_sequence_whose_edits_are_all_rejected_is_left_out_every_time(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    settings = TRUCKS | AS_WRITTEN | {"sequences": (), "frames": None}
    first, _ = synthesize(base, checkpoint, tmp_path / "out", **settings)
    assert first.sequences == ("street-7.add_truck",)
    assert {one.status for one in first.edits if one.sequence_id.startswith("recorded")} == {
        "rejected"
    }
    again, _ = synthesize(base, checkpoint, tmp_path / "out", **settings)
    assert (again.sequences, again.already_done) == ((), first.sequences)
    assert {one.sequence_id for one in again.edits} == {"recorded.add_truck"}


def test_two_runs_at_once_divide_the_videos_and_plan_them_as_one_would(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    settings = TRUCKS | {"variants": 2, "frames": 40}
    alone, _ = synthesize(base, checkpoint, tmp_path / "alone", **settings)
    config = configured(base, checkpoint, tmp_path / "shared", **settings)
    results: list[SynthesizeResult] = []
    # The other passes over the first variant, draws the second, and waits for the first.
    other = Thread(target=lambda: results.append(run_synthesize(config, Silent())))

    def wait_for_the_second() -> None:
        other.start()
        record = config.out / "sequences" / f"{alone.sequences[1]}.json"
        until = time.monotonic() + 60
        while not record.exists():
            assert time.monotonic() < until
            time.sleep(0.01)

    here = run_synthesize(config, Beside(wait_for_the_second))
    other.join()
    (there,) = results
    assert (here.sequences, here.elsewhere) == (alone.sequences[:1], alone.sequences[1:])
    assert (there.sequences, there.elsewhere) == (alone.sequences[1:], alone.sequences[:1])
    assert [one.edit for one in (*here.edits, *there.edits)] == [one.edit for one in alone.edits]
    assert shards(config.out) == shards(tmp_path / "alone")


def test_a_video_that_another_run_made_otherwise_meanwhile_is_refused(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    otherwise = {"sequences": ("street-7",), "frames": 9, "part_frames": 8}
    beside = Beside(lambda: synthesize(base, checkpoint, out, **otherwise))
    with pytest.raises(StoreError, match="holds a 'street-7'"):
        run_synthesize(configured(base, checkpoint, out), beside)


def test_every_variant_has_a_name_and_a_plan_of_its_own(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    settings = TRUCKS | {"variants": 2}
    videos = prepare(configured(base, checkpoint, tmp_path / "out", **settings)).videos
    assert [one.sequence_id for one in videos] == ["street-7.add_truck.0", "street-7.add_truck.1"]
    first, second = (plan for _, plan in plans_of(videos))
    assert first is not None
    assert second is not None
    assert first.hash != second.hash


@pytest.fixture(scope="module")
def carless(base: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("carless") / "out"
    synthesize(
        base, checkpoint, out, sequences=("recorded",), presets=("remove_cars",), part_frames=8
    )
    return out


def test_cars_that_are_removed_leave_the_reference_frame_too(base: Path, carless: Path) -> None:
    made = StoreReader(carless)
    car = CITYSCAPES.label("car").id
    truth = next(
        StoreReader(base).read("recorded", layers=("image", "semantic"), size_hw=NETWORK_HW)
    )
    assert truth.semantic is not None
    assert (truth.semantic == car).any()
    drawn = rows(made, "recorded.remove_cars")
    assert not any((frame.semantic == car).any() for frame in drawn)  # type: ignore[union-attr]
    first = drawn[0]
    assert first.provenance is not None
    assert set(np.unique(first.provenance)) == {0, 252}
    assert (first.provenance[truth.semantic == car] == 252).all()
    untouched = first.provenance == 0
    np.testing.assert_array_equal(first.image[untouched], truth.image[untouched])  # type: ignore[index]
    assert first.is_synthetic


def test_synthesized_labels_are_what_plan_and_base_give(trucks: Path, carless: Path) -> None:
    for store in (trucks, carless):
        assert run_edit_diff(store, Silent()).differences == ()


def test_a_delta_restores_a_synthesized_store_to_the_byte(
    base: Path, carless: Path, tmp_path: Path
) -> None:
    delta = run_edit_delta(carless, tmp_path / "delta", Silent())
    assert delta.num_frames == 12
    restored = run_edit_restore(base, tmp_path / "delta", tmp_path / "back", Silent())
    assert restored.byte_identical
    assert shards(tmp_path / "back") == shards(carless)


def test_a_reviewed_plan_is_drawn_as_the_edits_themselves_would_be(
    base: Path, checkpoint: Path, carless: Path, tmp_path: Path
) -> None:
    choices = {"store": base, "sequences": ("recorded",), "presets": ("remove_cars",)}
    for folder, size_hw in (("plans", NETWORK_HW), ("large", None)):
        config = EditConfig(out=tmp_path / folder, size_hw=size_hw, **choices)
        run_edit_plan(config, Silent())
    synthesize(base, checkpoint, tmp_path / "out", plans=(tmp_path / "plans",), part_frames=8)
    assert shards(tmp_path / "out") == shards(carless)
    with pytest.raises(EditPlanError, match=r"frames of 128x64, the checkpoint draws 64x32; plan"):
        synthesize(base, checkpoint, tmp_path / "no", plans=(tmp_path / "large",))
    twice = (tmp_path / "plans", tmp_path / "large")
    with pytest.raises(EditPlanError, match=r"plans '.*plans/.*' and '.*large/.*' .* of one name"):
        synthesize(base, checkpoint, tmp_path / "no", plans=twice)
    with pytest.raises(ValidationError, match="a plan says it all: leave out frames, presets"):
        configured(base, checkpoint, tmp_path, plans=("p",), presets=("add_bus",), frames=3)
    # Of the colours that objects get, of which a plan says nothing.
    assert configured(base, checkpoint, tmp_path, plans=("p",), seed=7).seed == 7


def test_an_edit_that_fits_nowhere_is_an_error_that_says_why(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    settings = AS_WRITTEN | {"sequences": ("recorded",), "frames": 3, "presets": ("add_truck",)}
    with pytest.raises(
        EditPlanError,
        match=r"no edit can be .*add_truck: edit '\w+' rejected: [A-Z_]+,",
    ):
        synthesize(base, checkpoint, tmp_path / "out", **settings)
    assert not StoreReader(tmp_path / "out").sequence_ids


def test_variants_without_an_edit_are_refused(base: Path, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="would be the same video 3 times"):
        synthesize(base, checkpoint, tmp_path / "out", variants=3)


def test_cuda_graphs_need_a_gpu(base: Path, checkpoint: Path, tmp_path: Path) -> None:
    asked = configured(base, checkpoint, tmp_path / "out", cuda_graphs=True, device="cpu")
    with pytest.raises(ConfigError, match="cuda_graphs=true, but device is 'cpu'"):
        prepare(asked)


def test_a_class_that_the_checkpoint_never_saw_is_refused_unless_asked_for(
    base: Path, tmp_path: Path
) -> None:
    counts = {label.name: int(label.name != "truck") for label in CITYSCAPES.labels}
    carless = write_checkpoint(tmp_path / "generator.safetensors", pixel_counts=counts)
    with pytest.raises(CheckpointError, match=r"truck, which the .* never saw.*knows: .*car"):
        synthesize(base, carless, tmp_path / "out", **TRUCKS)
    assert prepare(configured(base, carless, tmp_path / "out", allow_unseen=True, **TRUCKS)).videos


def test_an_unknown_edit_is_refused_with_the_name_that_was_meant(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(EditPlanError, match="did you mean 'add_truck'"):
        synthesize(base, checkpoint, tmp_path / "out", presets=("add_trukc",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_set": CITYSCAPES_TRAIN}, "label set"),
        ({"size_hw": (32, 48)}, "aspect ratio"),
    ],
)
def test_a_checkpoint_for_other_data_is_refused(
    base: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    other = write_checkpoint(tmp_path / "generator.safetensors", **changes)
    with pytest.raises(CheckpointError, match=message):
        synthesize(base, other, tmp_path / "out")


def test_an_output_made_otherwise_is_refused(base: Path, checkpoint: Path, tmp_path: Path) -> None:
    synthesize(base, checkpoint, tmp_path / "out", sequences=("recorded",))
    told = r"holds a 'recorded' made with other settings \(cut_below 0\.0 → 0\.2, frames 12 → 5\);"
    with pytest.raises(StoreError, match=told):
        synthesize(
            base, checkpoint, tmp_path / "out", sequences=("recorded",), frames=5, cut_below=0.2
        )


def test_an_output_begun_otherwise_is_refused_or_set_aside(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    settings = {"sequences": ("recorded",), "chunk_length": 2, "part_frames": 2}
    with pytest.raises(StoppedError):
        run_synthesize(configured(base, checkpoint, out, **settings), StopAfter(5))
    other = configured(base, checkpoint, out, **settings, cut_below=0.2)
    with pytest.raises(StoreError, match=r"other settings \(cut_below 0\.0 → 0\.2\).*--overwrite"):
        run_synthesize(other, Silent())
    assert run_synthesize(other, Silent(), overwrite=True).num_frames == 12
    assert list((tmp_path / "out.old-1" / "staging").iterdir())


def test_a_changed_field_of_an_edit_is_named(base: Path, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    planned = prepare(configured(base, checkpoint, out, **TRUCKS))
    (video,) = planned.videos
    with StoreWriter(out, planned.info).sequence(
        video.sequence_id, source="frames/", fps=10.0, recipe=video.recipe
    ):
        pass
    edit = video.edits[0].id
    changed = TRUCKS | {"seed": 3, "edits": {edit: {"size_m": {"height": 2.5}}}}
    told = rf"\(edits\.{edit}\.size_m\.height null → \[2\.5,2\.5\], seed 0 → 3\)"
    with pytest.raises(StoreError, match=told):
        synthesize(base, checkpoint, out, **changed)


def test_an_output_of_another_command_is_refused(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    writer = StoreWriter(out, prepare(configured(base, checkpoint, out)).info)
    with writer.sequence("recorded", source="frames/", fps=10.0, recipe="exact; dis"):
        pass
    with pytest.raises(StoreError, match=r"'recorded' made by another command.*--overwrite"):
        synthesize(base, checkpoint, out)


def test_an_output_made_otherwise_is_set_aside_when_told_to(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    synthesize(base, checkpoint, tmp_path / "out", sequences=("recorded",))
    config = configured(base, checkpoint, tmp_path / "out", sequences=("recorded",), frames=5)
    result = run_synthesize(config, Silent(), overwrite=True)
    assert result.num_frames == 5
    assert StoreReader(tmp_path / "out.old-1").sequence("recorded").num_frames == 12


def test_single_fields_of_an_edit_can_be_changed(tmp_path: Path) -> None:
    preset = configured(tmp_path, tmp_path, tmp_path, presets=("add_truck",))
    plain, *others = chosen_edits(preset)
    changes = {plain.id: {"size_m": {"height": 3.9}}}
    changed, *unchanged = chosen_edits(preset.model_copy(update={"edits": changes}))
    assert changed.size_m["height"] == (3.9, 3.9)
    assert changed.motion == plain.motion
    assert unchanged == others
    with pytest.raises(EditPlanError, match=r"'edits\.van' changes an edit that is not asked for"):
        chosen_edits(preset.model_copy(update={"edits": {"van": {}}}))
    with pytest.raises(EditPlanError, match="did you mean 'size_m'"):
        chosen_edits(preset.model_copy(update={"edits": {plain.id: {"size": 3}}}))


def test_an_estimate_writes_nothing(base: Path, checkpoint: Path, tmp_path: Path) -> None:
    estimate = estimate_synthesize(
        configured(base, checkpoint, tmp_path / "out", chunk_length=4, frames=12)
    )
    assert not (tmp_path / "out").exists()
    assert estimate.num_frames == 24
    assert estimate.sequences == ("recorded", "street-7")
    drawn = synthesize(base, checkpoint, tmp_path / "real", frames=12)[0]
    assert drawn.num_frames == estimate.num_frames
    written = sum(len(data) for data in shards(tmp_path / "real").values())
    assert 0.5 * written < estimate.disk_bytes < 1.5 * written


def test_an_estimate_tells_what_is_left_and_stops_where_the_run_would(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    asked = configured(base, checkpoint, out, chunk_length=2, part_frames=4, frames=12)
    with pytest.raises(StoppedError):
        run_synthesize(asked, StopAfter(12 + 9))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    estimate = estimate_synthesize(asked)
    assert (estimate.sequences, estimate.already_done) == (("street-7",), ("recorded",))
    assert 0 < estimate.num_frames < 12
    other = asked.model_copy(update={"frames": 11})
    with pytest.raises(StoreError, match="made with other settings"):
        estimate_synthesize(other)
    assert estimate_synthesize(other, overwrite=True).num_frames == 22
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    result = run_synthesize(asked, Silent())
    assert (result.sequences, result.num_frames) == (estimate.sequences, estimate.num_frames)
    done = estimate_synthesize(asked)
    assert (done.sequences, done.num_frames, done.seconds, done.disk_bytes) == ((), 0, 0, 0)


@pytest.mark.parametrize("redraw", [True, False])
def test_what_lies_outside_is_redrawn_unless_the_config_says_otherwise(
    base: Path, checkpoint: Path, tmp_path: Path, redraw: bool
):
    config = configured(base, checkpoint, tmp_path / "out", redraw_outside=redraw)
    generator = prepare(config).video_maker.generator
    assert generator.config.motion.occlude_outside == redraw


@pytest.mark.parametrize(("told", "share"), [(None, 0.08), (0.02, 0.02), (0.0, 0.0)])
def test_as_little_is_forgotten_as_the_config_says(
    base: Path, checkpoint: Path, sliding: Path, tmp_path: Path, told: float | None, share: float
) -> None:
    carrier = write_carrier(tmp_path / "carrier.safetensors", warp_use="keep", forgetting=0.08)
    _, made = synthesize(sliding, carrier, tmp_path / "out", forgetting=told)
    recorded = StoreReader(sliding).read("s0", layers=("image",))
    for t, (mine, theirs) in enumerate(zip(rows(made, "s0"), recorded, strict=True)):
        assert mine.image is not None
        assert theirs.image is not None
        shown = STORE_HW[1] - SHIFT_PX * t
        fading = 127.5 + (theirs.image[:, :shown] - 127.5) * (1 - share) ** t  # to grey
        np.testing.assert_allclose(mine.image[:, :shown], fading, atol=1.01)
    with pytest.raises(
        ConfigError, match=r"forgetting=0\.02, but this generator draws whole frames"
    ):
        prepare(configured(base, checkpoint, tmp_path / "none", forgetting=0.02))


def test_the_flow_of_the_store_carries_the_picture_to_where_its_pixels_went(
    sliding: Path, tmp_path: Path
) -> None:
    carrier = write_carrier(tmp_path / "carrier.safetensors")
    _, made = synthesize(sliding, carrier, tmp_path / "out", chunk_length=3)
    recorded = list(StoreReader(sliding).read("s0", layers=("image",)))
    drawn = rows(made, "s0")
    for t, (mine, theirs) in enumerate(zip(drawn, recorded, strict=True)):
        shown = STORE_HW[1] - SHIFT_PX * t
        assert mine.image is not None
        assert theirs.image is not None
        np.testing.assert_array_equal(mine.image[:, :shown], theirs.image[:, :shown])
        assert (mine.image[:, shown:] == 128).all()  # what comes into view is drawn: grey
    assert drawn[3].models["motion"] == "store"
    assert "motion" not in drawn[0].models


def test_by_labels_alone_the_same_network_stands_still(sliding: Path, tmp_path: Path) -> None:
    carrier = write_carrier(tmp_path / "carrier.safetensors")
    result, made = synthesize(sliding, carrier, tmp_path / "out", motion="labels")
    drawn = rows(made, "s0")
    np.testing.assert_array_equal(drawn[5].image, drawn[0].image)
    assert drawn[5].models["motion"] == drawn[5].models["image"]
    assert result.num_frames == 18


def test_auto_follows_the_store_only_if_the_checkpoint_learned_to(
    sliding: Path, tmp_path: Path
) -> None:
    learned = write_carrier(tmp_path / "learned.safetensors")
    untaught = write_carrier(tmp_path / "untaught.safetensors", given_motion=False)
    for checkpoint, settings, follows in (
        (learned, {}, True),
        (untaught, {}, False),
        (learned, {"flow": False}, False),
    ):
        config = configured(sliding, checkpoint, tmp_path / "out", **settings)
        assert prepare(config).video_maker.follows_flow == follows


def test_following_the_store_needs_its_flow_and_a_checkpoint_that_learned_it(
    sliding: Path, tmp_path: Path
) -> None:
    learned = write_carrier(tmp_path / "learned.safetensors")
    untaught = write_carrier(tmp_path / "untaught.safetensors", given_motion=False)
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match=r"motion=store, but .* has no flow, or flow=false"):
        synthesize(sliding, learned, out, motion="store", flow=False)
    with pytest.raises(CheckpointError, match="this carrier was not trained to follow"):
        synthesize(sliding, untaught, out, motion="store")
    assert not out.exists()


def test_another_motion_is_another_synthesis(sliding: Path, tmp_path: Path) -> None:
    carrier = write_carrier(tmp_path / "carrier.safetensors")
    synthesize(sliding, carrier, tmp_path / "out")
    with pytest.raises(StoreError):
        synthesize(sliding, carrier, tmp_path / "out", motion="labels")


def test_a_stopped_video_that_follows_the_store_goes_on_bit_for_bit(
    sliding: Path, tmp_path: Path
) -> None:
    carrier = write_carrier(tmp_path / "carrier.safetensors")
    settings = {"chunk_length": 2, "part_frames": 4}
    synthesize(sliding, carrier, tmp_path / "whole", **settings)
    config = configured(sliding, carrier, tmp_path / "stopped", **settings)
    with pytest.raises(StoppedError):
        run_synthesize(config, StopAfter(7))
    run_synthesize(config, Silent())
    assert shards(tmp_path / "stopped") == shards(tmp_path / "whole")


def test_objects_get_colours_of_the_training_frames_by_the_seed(
    tmp_path: Path, sliding_store: Callable[..., Path]
) -> None:
    torch.manual_seed(3)
    seeing = Generator(replace(TINY, object_colours=True))
    colours = {"car": ((255, 0, 0), (0, 255, 0), (0, 0, 255)), "bus": ((9, 9, 9),)}
    told = {"reference_free": True, "object_colours": colours}
    checkpoint = save(tmp_path / "seeing.safetensors", seeing, "seeing", told)
    store = sliding_store(tmp_path / "store", size_hw=STORE_HW)
    drawn = {}
    for number, seed in enumerate((1, 1, 2, 3, 4)):
        out = tmp_path / f"out{number}"
        # its first frame is drawn too, so that no picture tells a colour
        _, made = synthesize(store, checkpoint, out, reference="labels", seed=seed)
        drawn[number] = np.stack([frame.image for frame in rows(made, "s0")])
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert any((drawn[0] != drawn[number]).any() for number in (2, 3, 4))


def test_variants_without_an_edit_differ_in_their_objects_colours(
    tmp_path: Path, sliding_store: Callable[..., Path]
) -> None:
    torch.manual_seed(3)
    colours = {"car": ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))}
    told = {"reference_free": True, "object_colours": colours}
    seeing = Generator(replace(TINY, object_colours=True))
    checkpoint = save(tmp_path / "seeing.safetensors", seeing, "seeing", told)
    store = sliding_store(tmp_path / "store", size_hw=STORE_HW)
    asked = {"reference": "labels", "motion": "labels", "sequences": ("s0",)}
    result, made = synthesize(store, checkpoint, tmp_path / "out", variants=6, **asked)
    assert result.sequences == tuple(f"s0.{number}" for number in range(6))
    drawn = [np.stack([frame.image for frame in rows(made, name)]) for name in result.sequences]
    maps = [np.stack([frame.semantic for frame in rows(made, name)]) for name in result.sequences]
    assert 2 <= len({one.tobytes() for one in drawn}) <= 4  # as many as there are colours
    assert len({one.tobytes() for one in maps}) == 1
    stopped = configured(store, checkpoint, tmp_path / "again", variants=6, part_frames=4, **asked)
    whole = configured(store, checkpoint, tmp_path / "whole", variants=6, part_frames=4, **asked)
    run_synthesize(whole, Silent())
    with pytest.raises(StoppedError):
        run_synthesize(stopped, StopAfter(15))
    run_synthesize(stopped, Silent())
    assert shards(tmp_path / "again") == shards(tmp_path / "whole")


def test_variants_of_a_store_without_objects_are_refused(
    tmp_path: Path, sliding_store: Callable[..., Path]
) -> None:
    torch.manual_seed(3)
    seeing = Generator(replace(TINY, object_colours=True, edges=False))
    told = {"object_colours": {"car": ((9, 9, 9),)}, "uses_instances": False}
    checkpoint = save(tmp_path / "seeing.safetensors", seeing, "seeing", told)
    layers = ("image", "semantic")
    store = sliding_store(tmp_path / "store", size_hw=STORE_HW, modalities=layers)
    with pytest.raises(ConfigError, match="would be the same video 2 times"):
        prepare(configured(store, checkpoint, tmp_path / "out", variants=2))


def test_an_edit_says_what_colour_its_objects_have_drawn_at_once_or_later(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    seeing = Generator(replace(TINY, object_colours=True))
    told = {"object_colours": {"car": ((9, 9, 9),)}, "given_motion": True}
    sighted = save(tmp_path / "seeing.safetensors", seeing, "seeing", told)
    trucks = [edit.id for edit in load_preset("add_truck").edits]
    red, blue = ({"edits": {one: {"colour": name} for one in trucks}} for name in ("red", "blue"))
    with pytest.raises(CheckpointError, match="asks for a colour, and this tiny is not told"):
        synthesize(base, checkpoint, tmp_path / "out", **(TRUCKS | red))
    made = {}
    for name, colour in (("red", red), ("again", red), ("blue", blue)):
        _, reader = synthesize(base, sighted, tmp_path / name, **(TRUCKS | colour))
        made[name] = rows(reader, "street-7.add_truck")
    images = {name: np.stack([frame.image for frame in one]) for name, one in made.items()}
    np.testing.assert_array_equal(images["red"], images["again"])
    assert (images["red"] != images["blue"]).any()
    for one, other in zip(made["red"], made["blue"], strict=True):
        np.testing.assert_array_equal(one.instance, other.instance)

    # drawn anew from the edited store, its objects have the colours of its plan
    later = [
        np.stack([frame.image for frame in rows(reader, "street-7.add_truck")])
        for name in ("red", "blue")
        for _, reader in [synthesize(tmp_path / name, sighted, tmp_path / f"{name} later")]
    ]
    assert (later[0] != later[1]).any()


def test_a_video_begins_with_labels_alone_and_needs_no_picture(
    tmp_path: Path, sliding_store: Callable[..., Path]
) -> None:
    layers = ("semantic", "instance")
    labels = sliding_store(tmp_path / "labels", size_hw=STORE_HW, modalities=layers)
    pictured = sliding_store(tmp_path / "store", size_hw=STORE_HW)
    free = write_checkpoint(tmp_path / "free.safetensors", reference_free=True)
    made = [
        synthesize(
            base,
            free,
            tmp_path / f"out{number}",
            reference="labels",
            motion="labels",
            precision="float32",
        )[1]
        for number, base in enumerate((labels, pictured))
    ]
    alone, beside = (rows(one, "s0") for one in made)
    np.testing.assert_array_equal([f.image for f in alone], [f.image for f in beside])
    (first,) = StoreReader(labels).pick("s0", [0], layers=layers, size_hw=NETWORK_HW)
    assert first.semantic is not None
    assert first.instance is not None
    maps = LabelMaps(
        torch.from_numpy(first.semantic)[None],
        edges(torch.from_numpy(first.instance.astype(np.int32))[None]),
    )
    drawn = begin(inference_copy(load_generator(free)[0]), maps)
    np.testing.assert_array_equal(alone[0].image, tensor_to_image(drawn.image[0]))
    assert alone[0].is_synthetic
    assert alone[0].models["image"] == alone[1].models["image"]
    with pytest.raises(StoreError, match=r"has no pictures .* --set reference=labels"):
        prepare(configured(labels, free, tmp_path / "none"))


def test_only_a_checkpoint_that_learned_to_begins_with_labels(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=r"never learned to begin .* reference_free=0\.1"):
        prepare(configured(base, checkpoint, tmp_path / "out", reference="labels"))
