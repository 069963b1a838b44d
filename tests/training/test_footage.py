import numpy as np
import torch

from svsdata.labels import CITYSCAPES, CITYSCAPES_TRAIN
from svsdata.store.format import StoreInfo
from svsdata.street_world.scene import StreetWorld
from svsdata.tensors import warp
from svsdata.training.clips import load_clips
from svsdata.training.footage import StreetFootage
from svsdata.training.sampler import Clip

SIZE = (64, 128)
ALL = ("image", "semantic", "instance", "flow", "occlusion", "confidence")


def test_a_streets_clip_shows_that_street_with_the_layers_of_the_store():
    footage = StreetFootage(StoreInfo(CITYSCAPES_TRAIN, (128, 256), 17.0, ALL))
    assert footage.info.label_set == CITYSCAPES
    assert "confidence" not in footage.info.modalities
    batch = load_clips(footage, [Clip("5", 20, 2, flip=False)], size_hw=SIZE)
    world = StreetWorld(5, size_hw=SIZE)
    for t in range(2):
        frame = world.frame(20 + t)
        np.testing.assert_array_equal(batch.image[0, t].permute(1, 2, 0), frame.image)
        np.testing.assert_array_equal(batch.semantic[0, t], frame.semantic)
        np.testing.assert_array_equal(batch.instance[0, t], frame.instance)
        np.testing.assert_array_equal(batch.flow[0, t].permute(1, 2, 0), frame.flow)
        np.testing.assert_array_equal(batch.occlusion[0, t, 0], frame.occlusion)
    # Seen as what is learned from: along the flow the frame before is this one.
    warped = warp(batch.image[:, 0].float(), batch.flow[:, 1])
    off = (warped - batch.image[:, 1].float()).abs().mean(dim=1)[batch.occlusion[:, 1, 0] == 0]
    assert off.median() < 3

    plain = StreetFootage(StoreInfo(CITYSCAPES, SIZE, 10.0, ("image", "semantic")))
    bare = load_clips(plain, [Clip("5", 20, 2, flip=False)], size_hw=SIZE)
    assert torch.equal(bare.image, batch.image)
    assert bare.flow is None
    assert bare.instance is None
