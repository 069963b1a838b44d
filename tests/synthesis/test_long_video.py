from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from svsdata.flow import leaves_frame
from svsdata.nets.svsgan.config import GeneratorConfig, MotionConfig
from svsdata.nets.svsgan.generator import Generator
from svsdata.nets.svsgan.rollout import LabelMaps, RolloutState, inference_copy, step
from svsdata.records import Frame
from svsdata.synthesis.advancing import Take
from svsdata.synthesis.entering import entering
from svsdata.synthesis.long_video import LongVideo, Rendered
from svsdata.synthesis.object_paint import Palette
from svsdata.synthesis.rims import look_past_rims
from svsdata.synthesis.video_state import VideoState
from svsdata.tensors import image_to_tensor, tensor_to_image
from tests.synthesis.memory import peak_bytes

SIZE_HW = (30, 44)  # no multiple of the net's stride
NUM_CLASSES = 5


def tiny_generator(*, edges: bool = False, object_colours: bool = False) -> Generator:
    torch.manual_seed(5)
    config = GeneratorConfig(
        NUM_CLASSES,
        edges=edges,
        object_colours=object_colours,
        motion=MotionConfig(widths=(4, 8), up_widths=(4,), num_residual=1, head_kernel=3),
        image_widths=(4, 8, 8),
        semantic_stem=(4, 4),
        decoder_widths=(8, 4, 4),
        modulation_kernels=(3, 1, 1),
    )
    return inference_copy(Generator(config))


def labelled(index: int, *, seed: int = 1) -> Frame:
    """A scene of blocks that moves to the right."""
    blocks = np.random.default_rng(seed).integers(0, NUM_CLASSES, (5, 30), dtype=np.uint8)
    semantic = np.roll(blocks.repeat(6, axis=0).repeat(4, axis=1), index, axis=1)[:, : SIZE_HW[1]]
    image = None
    if index == 0:
        colours = np.random.default_rng(9).integers(0, 256, (NUM_CLASSES, 3), dtype=np.uint8)
        image = colours[semantic]
    instance = np.where(semantic == 3, np.uint16(3_000 + index % 2), semantic)
    return Frame(
        index, index, image=image, semantic=np.ascontiguousarray(semantic), instance=instance
    )


def frames(start: int, stop: int) -> Iterator[Frame]:
    return (labelled(index) for index in range(start, stop))


def pictures(rendered: list[Rendered]) -> np.ndarray:
    return np.stack([one.frame.image for one in rendered])  # type: ignore[arg-type]


def test_the_first_frame_is_the_reference_and_the_rest_is_generated() -> None:
    rendered = list(LongVideo(tiny_generator(), "tiny", chunk_length=4).render(frames(0, 6), None))
    assert [one.is_reference for one in rendered] == [True] + [False] * 5
    np.testing.assert_array_equal(pictures(rendered)[0], labelled(0).image)
    assert [one.state is not None for one in rendered] == [False, False, False, True, False, True]


def test_frames_equal_those_of_the_network_stepped_one_by_one() -> None:
    generator = calm_generator()
    rendered = list(LongVideo(generator, "tiny", chunk_length=4).render(frames(0, 11), None))
    reference = labelled(0)
    assert reference.image is not None
    state = RolloutState(image_to_tensor(reference.image)[None], maps(reference))
    for one in rendered[1:]:
        state, output = step(generator, state, maps(one.frame))
        difference = tensor_to_image(output.image[0]).astype(int) - one.frame.image
        assert np.abs(difference).max() <= 1  # batches round otherwise


def maps(frame: Frame) -> LabelMaps:
    assert frame.semantic is not None
    return LabelMaps(torch.from_numpy(frame.semantic)[None])


@pytest.mark.parametrize("edges", [False, True])
def test_a_video_stopped_at_a_border_goes_on_with_the_same_bytes(*, edges: bool) -> None:
    video = LongVideo(tiny_generator(edges=edges), "tiny", chunk_length=4, colour_pull=0.1)
    whole = list(video.render(frames(0, 19), None))
    state = whole[11].state
    assert state is not None
    kept = {name: array.copy() for name, array in state.arrays().items()}
    rest = list(video.render(frames(12, 19), VideoState.from_arrays(kept)))
    np.testing.assert_array_equal(pictures(rest), pictures(whole)[12:])


def flowing(start: int, stop: int) -> Iterator[Frame]:
    """The same scene with its flow, and a block that stands still before it."""
    flow = np.broadcast_to(np.float32([-1, 0]), (*SIZE_HW, 2)).copy()
    flow[8:22, 14:30] = 0
    for frame in frames(start, stop):
        semantic, instance = frame.semantic, frame.instance
        assert semantic is not None
        assert instance is not None
        semantic[8:22, 14:30] = 4
        instance[8:22, 14:30] = 4_001
        yield replace(frame, flow=flow, occlusion=np.zeros(SIZE_HW, np.uint8))


def test_what_comes_out_of_rims_is_drawn_by_half_and_nothing_else_changes() -> None:
    generator = tiny_generator()
    generator.config = replace(generator.config, warp_use="keep")
    carrying = LongVideo(generator, "tiny", chunk_length=4, follows_flow=True)
    past_rims = replace(carrying, rim_px=1)
    plain, clear = (pictures(list(it.render(flowing(0, 2), None))) for it in (carrying, past_rims))
    before, now = flowing(0, 2)
    assert now.flow is not None
    assert before.instance is not None
    assert now.instance is not None
    _, came_out = look_past_rims(now.flow, now.occlusion, before.instance, now.instance, width=1)
    changed = (plain[1] != clear[1]).any(axis=-1)
    assert changed[came_out != 0].mean() > 0.9
    assert not changed[(came_out == 0) & (leaves_frame(now.flow) == 0)].any()


def test_a_video_that_follows_flow_past_rims_goes_on_with_the_same_bytes() -> None:
    video = LongVideo(tiny_generator(), "tiny", chunk_length=4, follows_flow=True, rim_px=1)
    whole = list(video.render(flowing(0, 11), None))
    state = whole[3].state
    assert state is not None
    rest = list(video.render(flowing(4, 11), VideoState.from_arrays(state.arrays())))
    np.testing.assert_array_equal(pictures(rest), pictures(whole)[4:])


def test_an_object_that_enters_is_drawn_whole_and_nothing_else_changes() -> None:
    generator = tiny_generator()
    generator.config = replace(generator.config, warp_use="keep")
    carrying = LongVideo(generator, "tiny", chunk_length=4, follows_flow=True)
    before, now = flowing(0, 2)
    assert now.instance is not None
    assert now.flow is not None
    now.instance[8:22, :14] = 4_002  # its first column comes into view
    marked = entering(now.instance, now.flow, now.occlusion, share=0.01) != 0
    assert marked[now.instance == 4_002].all()
    assert not marked.all()
    plain, strict, lax = (
        pictures(list(replace(carrying, entering_share=share).render([before, now], None)))
        for share in (1.0, 0.01, 0.5)
    )
    np.testing.assert_array_equal(plain, lax)
    np.testing.assert_array_equal(plain[0], strict[0])
    changed = (plain[1] != strict[1]).any(axis=-1)
    assert changed[marked].mean() > 0.9
    assert not changed[~marked & (leaves_frame(now.flow) == 0)].any()


def test_the_length_of_the_stream_changes_no_earlier_chunk() -> None:
    video = LongVideo(tiny_generator(), "tiny", chunk_length=4)
    short, long = (pictures(list(video.render(frames(0, n), None))) for n in (8, 16))
    np.testing.assert_array_equal(short, long[:8])


def test_a_cut_begins_anew_from_the_frame_that_the_recording_has_there() -> None:
    video = LongVideo(tiny_generator(), "tiny", chunk_length=4, cut_below=0.2)
    other_scene = [replace(labelled(i, seed=2), image=labelled(0, seed=2).image) for i in (6, 7, 8)]
    rendered = list(video.render([*frames(0, 6), *other_scene], None))
    assert [i for i, one in enumerate(rendered) if one.is_reference] == [0, 6]
    np.testing.assert_array_equal(pictures(rendered)[6], other_scene[0].image)
    assert len(rendered) == 9
    unwatched = list(replace(video, cut_below=0.0).render([*frames(0, 6), *other_scene], None))
    assert [i for i, one in enumerate(unwatched) if one.is_reference] == [0]


def test_a_cut_at_a_chunk_border_is_found_too() -> None:
    video = LongVideo(tiny_generator(), "tiny", chunk_length=4, cut_below=0.2)
    other_scene = [replace(labelled(i, seed=2), image=labelled(0, seed=2).image) for i in (4, 5)]
    rendered = list(video.render([*frames(0, 4), *other_scene], None))
    assert [one.is_reference for one in rendered] == [True, False, False, False, True, False]


def test_a_reference_without_an_image_is_refused() -> None:
    video = LongVideo(tiny_generator(), "tiny", chunk_length=4)
    with pytest.raises(ValueError, match="frame 1 begins a scene and has no image"):
        list(video.render(frames(1, 3), None))


def test_instance_borders_are_wanted_where_the_network_takes_them() -> None:
    stream = (replace(frame, instance=None) for frame in frames(0, 3))
    with pytest.raises(ValueError, match="instance borders"):
        list(LongVideo(tiny_generator(edges=True), "tiny").render(stream, None))


def calm_generator(*, edges: bool = False) -> Generator:
    """Lets rounding fade instead of growing from frame to frame."""
    generator = tiny_generator(edges=edges)
    for head in generator.heads:
        head.weight.data.mul_(0.2)
    return generator


def scene(stop: int, *, seed: int) -> Iterator[Frame]:
    return (labelled(index, seed=seed) for index in range(stop))


def with_a_cut() -> Iterator[Frame]:
    image = labelled(0, seed=2).image
    yield from scene(6, seed=1)
    yield from (replace(labelled(index, seed=2), image=image) for index in range(6, 10))


@pytest.mark.parametrize("edges", [False, True])
def test_videos_drawn_together_are_those_drawn_one_by_one(*, edges: bool) -> None:
    """Of different lengths, one with a cut, one with flow; the fourth waits for room."""
    video = LongVideo(
        calm_generator(edges=edges), "tiny", cut_below=0.2, follows_flow=True, colour_pull=0.1
    )

    def streams() -> list[Iterator[Frame]]:
        return [scene(5, seed=3), with_a_cut(), flowing(0, 7), scene(9, seed=4), scene(1, seed=5)]

    together: dict[int, list[Rendered]] = {}
    for number, one in video.render_together((Take(each) for each in streams()), rows=3):
        together.setdefault(number, []).append(one)
    assert [len(together[number]) for number in range(5)] == [5, 10, 7, 9, 1]
    assert [one.frame.frame_index for one in together[1] if one.is_reference] == [0, 6]
    for number, stream in enumerate(streams()):
        alone = list(video.render(stream, None))
        difference = pictures(together[number]).astype(int) - pictures(alone)
        assert np.abs(difference).max() <= 1  # batches round otherwise
        for mine, theirs in zip(together[number], alone, strict=True):
            assert (mine.state is None) == (theirs.state is None)
            if mine.state is not None and theirs.state is not None:
                np.testing.assert_allclose(mine.state.image, theirs.state.image, atol=2e-3)


def test_a_video_has_the_same_bytes_beside_others_and_beside_none() -> None:
    video = LongVideo(tiny_generator(), "tiny", colour_pull=0.1)
    streams = [Take(scene(stop, seed=seed)) for seed, stop in ((3, 4), (4, 15), (5, 11))]
    beside = [one for number, one in video.render_together(streams, rows=2) if number == 1]
    state = beside[7].state
    assert state is not None
    kept = VideoState.from_arrays(state.arrays())
    rest = (frame for frame in scene(15, seed=4) if frame.frame_index >= 8)
    gone_on = [one for _, one in video.render_together([Take(rest, kept)], rows=2)]
    np.testing.assert_array_equal(pictures(gone_on), pictures(beside)[8:])


def test_no_more_videos_are_begun_than_a_batch_has_rows() -> None:
    video = LongVideo(tiny_generator(), "tiny")
    begun: list[int] = []

    def streams() -> Iterator[Take]:
        for number, stop in enumerate((4, 12, 4, 4)):
            begun.append(number)
            yield Take(scene(stop, seed=number))

    together = video.render_together(streams(), rows=2)
    order = [(number, one.frame.frame_index, len(begun)) for number, one in together]
    assert [taken for *_, taken in order] == [2] * 8 + [3] * 8 + [4] * 8
    assert [number for number, index, _ in order if index == 0] == [0, 1, 2, 3]


def test_videos_of_different_sizes_are_refused_in_one_line() -> None:
    smaller = (replace(frame, semantic=frame.semantic[:, :40]) for frame in frames(0, 3))  # type: ignore[index]
    together = LongVideo(tiny_generator(), "tiny").render_together(
        [Take(frames(0, 3)), Take(smaller)], rows=2
    )
    told = r"must be of one size, got 44x30 \(video 0\), 40x30 \(video 1\)"
    with pytest.raises(ValueError, match=told):
        list(together)


def test_no_more_than_a_chunk_of_labels_is_drawn_ahead() -> None:
    drawn = []

    def watched() -> Iterator[Frame]:
        for frame in frames(0, 12):
            drawn.append(frame.frame_index)
            yield frame

    for one in LongVideo(tiny_generator(), "tiny", chunk_length=4).render(watched(), None):
        assert drawn[-1] // 4 == one.frame.frame_index // 4


def test_what_was_drawn_says_so() -> None:
    rendered = list(LongVideo(tiny_generator(), "tiny", chunk_length=4).render(frames(0, 3), None))
    drawn_by = [one.frame.models.get("image") for one in rendered]
    assert drawn_by == [None, "tiny", "tiny"]
    assert [one.frame.is_synthetic for one in rendered] == [False, True, True]


def test_a_reference_whose_labels_were_edited_is_repaired_there_and_nowhere_else() -> None:
    reference = labelled(0)
    provenance = np.zeros(SIZE_HW, np.uint8)
    provenance[5:20, 8:30] = 1
    edited = replace(reference, provenance=provenance)
    video = LongVideo(tiny_generator(edges=True), "tiny", chunk_length=4)
    first = next(video.render([edited, labelled(1)], None))
    assert first.is_reference
    image, before = first.frame.image, reference.image
    assert image is not None
    assert before is not None
    np.testing.assert_array_equal(image[provenance == 0], before[provenance == 0])
    assert (image[provenance == 1] != before[provenance == 1]).any(axis=-1).mean() > 0.9
    assert first.frame.provenance is not None
    assert np.unique(first.frame.provenance[provenance == 1]).tolist() == [252]
    assert first.frame.models["image"] == "tiny"


def test_a_video_whose_objects_have_colours_is_gone_on_with_to_the_byte() -> None:
    palette = Palette({3: np.array([[-1.0, 0, 1], [1, 0, -1], [1, 1, 1]], np.float32)}, 0)
    generator = tiny_generator(object_colours=True)
    generator.motion.head.bias.data[2] = 30.0  # everything is drawn anew
    video = LongVideo(generator, "tiny", 4, palette=palette)
    whole = list(video.render(frames(0, 11), None))
    stopped = whole[7].state
    assert stopped is not None
    kept = VideoState.from_arrays(stopped.arrays())
    np.testing.assert_array_equal(
        pictures(list(video.render(frames(8, 11), kept))), pictures(whole[8:])
    )
    other = replace(video, palette=Palette({3: -palette.colours[3]}, 0))
    assert (pictures(list(other.render(frames(0, 11), None))) != pictures(whole)).any()


def test_a_take_may_choose_its_objects_colours_and_its_neighbour_keeps_its_own() -> None:
    palette = Palette({3: np.array([[-1.0, 0, 1], [1, 0, -1], [1, 1, 1]], np.float32)}, 0)
    generator = tiny_generator(object_colours=True)
    generator.motion.head.bias.data[2] = 30.0  # everything is drawn anew
    # labels alone: no picture tells a colour
    video = LongVideo(generator, "tiny", 4, palette=palette, begins_with_labels=True)

    def drawn(*seeds: int | None) -> list[np.ndarray]:
        takes = [Take(frames(0, 9), colour_seed=seed) for seed in seeds]
        made: dict[int, list[Rendered]] = {}
        for number, one in video.render_together(takes, rows=6):
            made.setdefault(number, []).append(one)
        return [pictures(made[number]) for number in range(len(seeds))]

    own, same, *others = drawn(None, 0, 1, 2, 3, 4)
    np.testing.assert_array_equal(own, same)  # the palette's seed
    assert any((one != own).any() for one in others)
    np.testing.assert_array_equal(drawn(2)[0], others[1])


def test_where_no_instances_are_no_colours_are_told() -> None:
    without = [replace(frame, instance=None) for frame in frames(0, 3)]
    seeing = LongVideo(tiny_generator(object_colours=True), "tiny", 4)
    told = list(seeing.render(without, None))
    assert told[-1].state is not None
    assert told[-1].state.paint is None


def test_memory_does_not_grow_with_the_length_of_the_video() -> None:
    video = LongVideo(tiny_generator(), "tiny", chunk_length=4)

    peak_bytes(video.render(frames(0, 8), None))  # what is loaded once
    short, long = (peak_bytes(video.render(frames(0, count), None)) for count in (20, 120))
    picture_bytes = 3 * SIZE_HW[0] * SIZE_HW[1]
    assert long - short < 10 * picture_bytes
