from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from svsdata.nets.svsgan.rollout import (
    LabelMaps,
    RolloutState,
    begin,
    inference_copy,
    is_cut,
    motions,
    redrawn,
    rollout,
    step,
)
from svsdata.nets.video_generator import Motion, without_previous
from svsdata.tensors import leaves_frame


def sequence(make_labels, length: int, size_hw=(64, 96)) -> tuple[RolloutState, list[LabelMaps]]:
    maps = [LabelMaps(make_labels(1, size_hw, seed)) for seed in range(length + 1)]
    coarse = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(9)) * 2 - 1
    image = F.interpolate(coarse, size_hw, mode="bilinear")
    return RolloutState(image, maps[0]), maps[1:]


@pytest.mark.parametrize("chunk", [1, 8, 64])
def test_a_rollout_of_twenty_frames_equals_the_loop_by_hand(make_generator, make_labels, chunk):
    generator = make_generator("demo").eval()
    for head in generator.heads:
        head.weight.data.mul_(0.2)  # an untrained correction of full strength lets rounding grow
    state, labels = sequence(make_labels, 20)
    with torch.no_grad():
        image, previous = state.image, state.labels.semantic
        expected = []
        for maps in labels:
            image = generator(image, previous, maps.semantic).image
            previous = maps.semantic
            expected.append(image)
        actual = [output.image for output in rollout(generator, state, labels, chunk=chunk)]
    assert len(actual) == 20
    # another batch size rounds otherwise, and each frame feeds the next
    differences = (torch.cat(actual) - torch.cat(expected)).abs()
    assert differences[0].max() < 1e-4
    assert differences.mean() < (1e-6 if chunk == 1 else 1e-3)


def test_steps_equal_the_rollout_and_leave_their_state_alone(make_generator, make_labels):
    generator = make_generator("C").eval()
    state, labels = sequence(make_labels, 3)
    first = state.image.clone()
    with torch.no_grad():
        expected = [output.image for output in rollout(generator, state, labels, chunk=1)]
        later = state
        for maps, image in zip(labels, expected, strict=True):
            later, output = step(generator, later, maps)
            assert torch.equal(output.image, image)
            assert later.image is output.image
    assert torch.equal(state.image, first)


@pytest.mark.parametrize("size_hw", [(64, 96), (50, 70)])
def test_colours_of_objects_are_drawn_where_they_are_and_do_not_depend_on_batches(
    make_generator, make_labels, size_hw
):
    generator = make_generator("demo", object_colours=True, warp_use="guide").eval()
    generator.motion.head.bias.data[2] = 30.0
    torch.nn.init.zeros_(generator.motion.head.weight)  # everything is drawn anew
    state, labels = sequence(make_labels, 3, size_hw=size_hw)
    untold = torch.zeros(1, 4, *size_hw)
    red = untold.clone()
    red[..., :20, :20] = torch.tensor([1.0, -1.0, -1.0, 1.0]).view(4, 1, 1)

    def drawn(colours, chunk=8):
        given = [replace(maps, colours=colours) for maps in labels]
        with torch.no_grad():
            return torch.cat([it.image for it in rollout(generator, state, given, chunk=chunk)])

    shown = []
    generator.image_pyramid.register_forward_pre_hook(lambda _, args: shown.append(args[0][0]))
    plain, coloured = drawn(None), drawn(red)
    torch.testing.assert_close(drawn(untold), plain)
    assert (coloured - plain).abs().mean() > 0.01
    first = F.pixel_shuffle(shown[3], generator.config.patch)
    torch.testing.assert_close(first[..., :20, :20], red[:, :3, :20, :20], atol=1e-5, rtol=0)
    before = F.pixel_shuffle(shown[0], generator.config.patch)
    assert torch.equal(first[..., 20:, :], before[..., 20:, :])
    torch.testing.assert_close(drawn(red, chunk=1), coloured, atol=1e-3, rtol=0)
    pair = LabelMaps.side_by_side([replace(labels[0], colours=one) for one in (untold, red)])
    assert torch.equal(pair.colours, torch.cat([untold, red]))


def test_colours_are_refused_by_generators_that_see_none(make_generator, make_labels):
    labels = make_labels(1, (64, 96))
    colours = torch.zeros(1, 4, 64, 96)
    with pytest.raises(ValueError, match="sees no colours"):
        begin(make_generator("demo"), LabelMaps(labels, colours=colours))


def test_what_is_drawn_anew_is_drawn_as_if_hidden_and_the_rest_is_kept(make_generator, make_labels):
    generator = make_generator("demo", warp_use="keep").eval()
    generator.motion.head.bias.data[2] = -30.0
    torch.nn.init.zeros_(generator.motion.head.weight)  # nothing moves, nothing is hidden
    state, (maps, *_) = sequence(make_labels, 1, size_hw=(50, 70))
    where = torch.zeros(1, 1, 50, 70, dtype=torch.bool)
    where[..., 10:30, 20:40] = True
    with torch.no_grad():
        image = redrawn(generator, state.image, maps, where)
    torch.testing.assert_close(image[:, :, 35:], state.image[:, :, 35:], atol=1e-4, rtol=0)
    inside = (image - state.image)[..., 12:28, 22:38]
    assert inside.abs().mean() > 0.05


@pytest.mark.parametrize("chunk", [1, 4])
def test_a_frame_whose_motion_is_known_follows_it_and_the_others_their_labels(
    make_generator, make_labels, chunk
):
    generator = make_generator("demo").eval()
    for head in generator.heads:
        torch.nn.init.zeros_(head.weight), torch.nn.init.zeros_(head.bias)  # only warps
    generator.motion.head.bias.data[2] = -30.0
    torch.nn.init.zeros_(generator.motion.head.weight)  # labels say: nothing moves
    state, labels = sequence(make_labels, 3, size_hw=(50, 70))  # no multiple of the net's stride
    flow = torch.zeros(1, 2, 50, 70)
    flow[:, 0] = 2.0
    hidden = leaves_frame(flow)
    labels[1] = replace(labels[1], motion=Motion(flow, hidden))
    nowhere = torch.zeros_like(hidden)  # the network decides, and lets the picture stand still
    labels[2] = replace(labels[2], motion=Motion(flow, hidden, nowhere))
    first, second, third = (it.image for it in rollout(generator, state, labels, chunk=chunk))
    torch.testing.assert_close(first, state.image)
    torch.testing.assert_close(second[..., :68], state.image[..., 2:], atol=1e-5, rtol=0)
    assert (second[..., 68:] == 0).all()  # occluded, and nothing is drawn
    torch.testing.assert_close(third, second)
    later, _ = step(generator, state, labels[1])
    torch.testing.assert_close(later.image, second)


def test_an_empty_rollout_yields_nothing(make_generator, make_labels):
    state, _ = sequence(make_labels, 0)
    assert list(rollout(make_generator("C"), state, [])) == []


def test_labels_are_read_only_as_they_are_needed(make_generator, make_labels):
    state, labels = sequence(make_labels, 6)
    read = []
    source = (read.append(index) or maps for index, maps in enumerate(labels))
    with torch.no_grad():
        frames = rollout(make_generator("demo").eval(), state, source, chunk=2)
        next(frames)
    assert read == [0, 1]


@pytest.mark.parametrize("size_hw", [(45, 70), (64, 65)])
@pytest.mark.parametrize("edges", [False, True])
def test_any_size_is_padded_and_cropped(make_generator, make_labels, size_hw, edges):
    generator = make_generator("demo", edges=edges).eval()
    state, labels = sequence(make_labels, 2, size_hw)
    if edges:
        border = torch.zeros(1, 1, *size_hw)
        labels = [LabelMaps(maps.semantic, border) for maps in labels]
        state = RolloutState(state.image, LabelMaps(state.labels.semantic, border))
    with torch.no_grad():
        outputs = list(rollout(generator, state, labels))
    for output in outputs:
        assert output.image.shape == output.warped.shape == (1, 3, *size_hw)
        assert output.backward_flow.shape == (1, 2, *size_hw)
        assert output.occlusion_mask.shape == (1, 1, *size_hw)


def test_a_padded_rollout_equals_that_of_the_padded_frames(make_generator, make_labels):
    generator = make_generator("C").eval()
    state, labels = sequence(make_labels, 1, (64, 72))
    semantic = [
        torch.cat([m.semantic, m.semantic[:, :, -1:].expand(1, 64, 24)], dim=2)
        for m in (state.labels, labels[0])
    ]
    mirrored = torch.cat([state.image, state.image[..., 47:71].flip(-1)], dim=3)
    with torch.no_grad():
        expected = generator(mirrored, *semantic).image[..., :72]
        torch.testing.assert_close(step(generator, state, labels[0])[1].image, expected)


def test_parallel_sequences_do_not_mix(make_generator, make_labels):
    generator = make_generator("demo").eval()
    pairs = [sequence(lambda b, s, seed, k=k: make_labels(b, s, seed + k), 3) for k in (0, 50)]
    with torch.no_grad():
        alone = [
            torch.cat([output.image for output in rollout(generator, state, labels)])
            for state, labels in pairs
        ]
        joint_state = RolloutState(
            torch.cat([state.image for state, _ in pairs]),
            LabelMaps(torch.cat([state.labels.semantic for state, _ in pairs])),
        )
        joint_labels = [
            LabelMaps(torch.cat([a.semantic, b.semantic]))
            for a, b in zip(pairs[0][1], pairs[1][1], strict=True)
        ]
        outputs = list(rollout(generator, joint_state, joint_labels, chunk=2))
    for index in (0, 1):
        row = torch.cat([output.image[index : index + 1] for output in outputs])
        torch.testing.assert_close(row, alone[index], atol=1e-4, rtol=1e-4)


def test_states_are_joined_frame_by_frame_and_the_oldest_known_stands_in(make_labels):
    young, _ = sequence(make_labels, 0)
    old = young.then(young.image + 1, LabelMaps(make_labels(1, (64, 96), 8)), num_frames=2)
    joined = RolloutState.side_by_side([young, old], 2)
    assert [frame.image.shape[0] for frame in joined.context(2)] == [2, 2]
    for row, state in enumerate((young, old)):
        for mine, theirs in zip(joined.context(2), state.context(2), strict=True):
            assert torch.equal(mine.image[row], theirs.image[0])
            assert torch.equal(mine.labels.semantic[row], theirs.labels.semantic[0])
    assert RolloutState.side_by_side([young, old], 1).earlier is None


def test_motion_that_is_known_everywhere_stays_so_beside_motion_that_is_not():
    flow, mask = torch.ones(1, 2, 4, 6), torch.zeros(1, 1, 4, 6)
    whole, part = Motion(flow, mask), Motion(2 * flow, mask + 0.5, mask)
    joined = Motion.joined([whole, part])
    assert joined.known is not None
    assert joined.known.mean(dim=(1, 2, 3)).tolist() == [1, 0]
    completed = joined.completed(Motion(0.1 * flow.repeat(2, 1, 1, 1), mask.repeat(2, 1, 1, 1)))
    assert torch.equal(completed.backward_flow[:1], flow)
    assert torch.equal(completed.backward_flow[1:], 0.1 * flow)
    assert Motion.joined([whole, whole]).known is None


def test_beginning_from_labels_equals_a_frame_without_previous(make_generator, make_labels):
    generator = make_generator("demo").eval()
    labels = make_labels(2, (64, 64))
    with torch.no_grad():
        features = generator.label_features(labels, labels)
        black, features = without_previous(
            torch.rand(2, 3, 64, 64), features, torch.tensor([True, True])
        )
        expected = generator.render(black, features).image
        assert torch.equal(begin(generator, LabelMaps(labels)).image, expected)


@pytest.mark.parametrize("model", ["C", "E", "demo"])
def test_the_inference_copy_is_the_same_function(make_generator, make_labels, model):
    generator = make_generator(model)
    state, labels = sequence(make_labels, 1)
    copied = inference_copy(generator)
    assert not any("parametrizations" in name for name in copied.state_dict())
    assert not any(parameter.requires_grad for parameter in copied.parameters())
    with torch.no_grad():
        expected = step(generator.eval(), state, labels[0])[1].image
        torch.testing.assert_close(
            step(copied, state, labels[0])[1].image, expected, atol=1e-3, rtol=0
        )
    assert any("parametrizations" in name for name in generator.state_dict())


@pytest.mark.parametrize("model", ["C", "demo"])
def test_one_step_in_bf16_stays_within_a_grey_level_of_float32(make_generator, make_labels, model):
    generator = make_generator(model).eval()
    state, labels = sequence(make_labels, 1)
    with torch.no_grad():
        exact = step(generator, state, labels[0])[1]
        rounded = step(inference_copy(generator, torch.bfloat16), state, labels[0])[1]
        with torch.autocast("cpu", torch.bfloat16):
            autocast = step(generator, state, labels[0])[1]
    for output in (rounded, autocast):
        assert {value.dtype for value in vars(output).values() if value is not None} == {
            torch.float32
        }
        assert (output.image - exact.image).abs().mean() < 2 / 255
        assert (output.backward_flow - exact.backward_flow).abs().mean() < 0.05


@pytest.mark.parametrize("model", ["C", "E", "demo"])
def test_one_step_in_fp16_is_closer_to_float32_than_in_bf16(make_generator, make_labels, model):
    generator = make_generator(model).eval()
    state, labels = sequence(make_labels, 1)
    with torch.no_grad():
        exact, half, brain = (
            step(inference_copy(generator, dtype), state, labels[0])[1]
            for dtype in (torch.float32, torch.float16, torch.bfloat16)
        )
    assert half.image.dtype == torch.float32
    off, bound = ((it.image - exact.image).abs().mean() for it in (half, brain))
    assert 0 < off < min(bound / 2, 0.5 / 255)


def test_a_cut_is_where_the_maps_share_little():
    road = torch.full((1, 8, 8), 7, dtype=torch.uint8)
    road[:, :4] = 23
    moved = road.roll(1, dims=1)
    assert not is_cut(road, road)
    assert not is_cut(road, moved)
    assert is_cut(road, road.flip(1))


@pytest.mark.parametrize("chunk", [1, 2, 8])
def test_motion_is_told_as_a_rollout_follows_it_without_a_picture(
    make_generator, make_labels, chunk
):
    generator = make_generator("demo").eval()
    torch.nn.init.normal_(generator.motion.head.weight, std=0.1)
    size_hw = (50, 70)  # no multiple of the net's stride
    videos = [
        [LabelMaps(make_labels(1, size_hw, seed + index)) for index in range(4)] for seed in (0, 9)
    ]
    before, *labels = (LabelMaps.side_by_side(both) for both in zip(*videos, strict=True))
    known = Motion(torch.ones(2, 2, *size_hw), torch.zeros(2, 1, *size_hw))
    labels[1] = replace(labels[1], motion=known)
    state = RolloutState(torch.zeros(2, 3, *size_hw), before)
    with torch.no_grad():
        followed = list(rollout(generator, state, labels, chunk=chunk))
        told = list(motions(generator, before, labels, chunk=chunk))
    assert len(told) == 3
    for motion, output in zip(told, followed, strict=True):
        torch.testing.assert_close(motion.backward_flow, output.backward_flow)
        torch.testing.assert_close(motion.occlusion_mask, output.occlusion_mask)
    torch.testing.assert_close(told[1].backward_flow, known.backward_flow)
    assert told[0].backward_flow.abs().max() > 0.01
