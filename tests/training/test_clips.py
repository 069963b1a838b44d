import numpy as np
import pytest
import torch

from svsdata.progress import Silent
from svsdata.store.reader import StoreReader
from svsdata.tensors import leaves_frame, warp
from svsdata.training.clips import count_pixels, load_clips, prefetched, told_colours
from svsdata.training.sampler import Clip, ClipSampler, Recording
from tests.conftest import SHIFT_PX


def test_a_mirrored_clip_mirrors_every_layer_and_turns_dx(tmp_path, sliding_store):
    reader = StoreReader(sliding_store(tmp_path / "store", lengths=(5,)))
    plain = load_clips(reader, [Clip("s0", 1, 3, flip=False)], size_hw=(64, 128))
    mirrored = load_clips(reader, [Clip("s0", 1, 3, flip=True)], size_hw=(64, 128))
    for name in ("image", "semantic", "instance", "flow_validity", "occlusion"):
        assert torch.equal(getattr(mirrored, name), getattr(plain, name).flip(-1)), name
    assert torch.equal(mirrored.flow[:, :, 0], -plain.flow[:, :, 0].flip(-1))
    assert torch.equal(mirrored.flow[:, :, 1], plain.flow[:, :, 1].flip(-1))


@pytest.mark.parametrize("flip", [False, True])
def test_the_flow_of_a_clip_explains_its_images(tmp_path, sliding_store, flip):
    reader = StoreReader(sliding_store(tmp_path / "store", lengths=(5,)))
    batch = load_clips(reader, [Clip("s0", 0, 3, flip=flip)] * 2, size_hw=(64, 128))
    warped = warp(batch.image[:, 1].float(), batch.flow[:, 2])
    visible = batch.occlusion[:, 2] == 0
    difference = (warped - batch.image[:, 2].float()).abs() * visible
    assert difference.max() < 1e-2
    assert (batch.flow_validity[:, 0] == 0).all()  # frame 0 of a sequence has no flow


@pytest.mark.parametrize("flip", [False, True])
def test_what_is_cut_is_cut_at_one_place_from_all_frames_and_layers(tmp_path, sliding_store, flip):
    reader = StoreReader(sliding_store(tmp_path / "store", lengths=(5,)))
    size_hw, crop_hw, (top, left) = (64, 128), (32, 48), (9, 17)
    whole = load_clips(reader, [Clip("s0", 0, 3, flip=False)], size_hw=size_hw)
    clip = Clip("s0", 0, 3, flip, corner=(top, left))
    cut = load_clips(reader, [clip], size_hw=size_hw, crop_hw=crop_hw)
    assert whole.guidance is whole.colours is None
    for name, layer in list(vars(whole).items())[:-2]:
        expected = layer[..., top : top + 32, left : left + 48]
        if name == "occlusion":  # what comes from outside the cut is hidden now
            flow = whole.flow[0, :, :, top : top + 32, left : left + 48]
            expected = expected | leaves_frame(flow).bool()[None]
        if name == "flow" and flip:
            expected = expected * torch.tensor([-1.0, 1.0]).view(2, 1, 1)
        assert torch.equal(getattr(cut, name), expected.flip(-1) if flip else expected), name
    warped = warp(cut.image[:, 1].float(), cut.flow[:, 2])
    visible = cut.occlusion[:, 2] == 0
    assert ((warped - cut.image[:, 2].float()).abs() * visible).max() < 1e-2
    assert 0.5 < visible.float().mean() < 1


def test_clips_are_resized_and_missing_layers_are_none(tmp_path, sliding_store):
    store = sliding_store(tmp_path / "store", lengths=(4,), modalities=("image", "semantic"))
    batch = load_clips(StoreReader(store), [Clip("s0", 0, 4, flip=False)], size_hw=(32, 64))
    assert batch.image.shape == (1, 4, 3, 32, 64)
    assert batch.semantic.shape == (1, 4, 32, 64)
    assert batch.flow is batch.instance is batch.occlusion is None


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("flip", [False, True])
def test_the_flow_of_a_strided_clip_explains_its_images(tmp_path, sliding_store, stride, flip):
    reader = StoreReader(sliding_store(tmp_path / "store", lengths=(9,)))
    clip = Clip("s0", 1, 3, flip, frame_stride=stride)
    batch = load_clips(reader, [clip], size_hw=(64, 128))
    every = load_clips(reader, [Clip("s0", 1, 8, flip)], size_hw=(64, 128))
    assert torch.equal(batch.image, every.image[:, : clip.stop - 1 : stride])
    assert torch.equal(batch.semantic, every.semantic[:, : clip.stop - 1 : stride])
    assert (batch.flow[:, 1:, 0].abs() == stride * SHIFT_PX).all()
    for t in (1, 2):
        warped = warp(batch.image[:, t - 1].float(), batch.flow[:, t])
        visible = batch.occlusion[:, t] == 0
        assert ((warped - batch.image[:, t].float()).abs() * visible).max() < 1e-2
        assert visible.float().mean() == 1 - stride * SHIFT_PX / 128
        assert (batch.flow_validity[:, t] | batch.occlusion[:, t]).all()


def test_pixels_are_counted_over_whole_recordings(tmp_path, sliding_store):
    reader = StoreReader(sliding_store(tmp_path / "store", lengths=(2, 3)))
    recordings = [Recording("s0", 2), Recording("s1", 3)]
    counts = count_pixels(reader, recordings, Silent())
    frames = [frame.semantic for r in recordings for frame in reader.read(r.sequence_id)]
    assert counts.tolist() == np.bincount(np.concatenate(frames).ravel(), minlength=35).tolist()
    assert counts.sum() == 5 * 64 * 128


@pytest.mark.parametrize("count", [0, 1, 5])
def test_prefetching_keeps_the_order(count):
    assert list(prefetched(lambda n: n * n, range(count))) == [(n, n * n) for n in range(count)]


def test_an_error_while_loading_ahead_reaches_the_reader():
    loaded = prefetched(lambda n: 1 // (1 - n), range(3))
    assert next(loaded) == (0, 1)
    with pytest.raises(ZeroDivisionError):
        next(loaded)


def test_the_colours_of_a_clips_objects_are_measured_on_what_it_shows(tmp_path, sliding_store):
    reader = StoreReader(sliding_store(tmp_path / "store", lengths=(5,)))
    clip = Clip("s0", 1, 3, flip=True, corner=(9, 17))
    batch = load_clips(reader, [clip], size_hw=(64, 128), crop_hw=(32, 48), coloured=True)
    shown = batch.instance[0] == 26001
    expected = batch.image[0].movedim(1, -1)[shown].float().mean(dim=0) / 127.5 - 1
    torch.testing.assert_close(batch.colours[0, 26001, :3], expected)
    assert torch.nonzero(batch.colours[0, :, 3]).tolist() == [[26001]]


def test_some_objects_colours_are_not_told_and_of_some_clips_none_is():
    ids = np.arange(26_000, 26_100).reshape(10, 10).repeat(4, axis=0).repeat(4, axis=1)
    column = {"instance": ids[None], "image": np.full((1, 3, 40, 40), 255, np.uint8)}
    numbers = range(200)
    sampler = ClipSampler([Recording("a", 30)], longest=30, seed=0)
    clips = [sampler.clip(number, 1, flips=False) for number in numbers]
    told = told_colours(clips, [column] * len(clips))[:, 26_000:26_100, 3].mean(dim=1)
    assert 0.04 < (told == 0).float().mean() < 0.18
    assert 0.83 < told[told > 0].mean() < 0.87
    again = sampler.clip(3, 1, flips=False)
    assert torch.equal(told_colours([again], [column])[:, 26_000:26_100, 3].mean(dim=1), told[3:4])


def test_a_store_without_instances_tells_no_colours(tmp_path, sliding_store):
    store = sliding_store(tmp_path / "store", lengths=(4,), modalities=("image", "semantic"))
    clip = Clip("s0", 0, 4, flip=False)
    assert load_clips(StoreReader(store), [clip], size_hw=(32, 64), coloured=True).colours is None
