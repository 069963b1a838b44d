"""Checkpoints as their authors publish them have exactly the tensors that the networks take."""

import hashlib

import pytest
import torch

from svsdata.nets.features.drn import Drn105
from svsdata.nets.features.i3d import I3d
from svsdata.nets.features.inception import Inception
from svsdata.nets.features.videomae import VideoMae, VideoMaeConfig


@pytest.mark.parametrize(
    ("build", "count", "published"),
    [
        (lambda: VideoMae(VideoMaeConfig()), 526,
         "a25a632bb27d81d789d7dd15fd9bbc6988ab18df94238e2bc541e8b49b5a8f7b"),
        (Drn105, 651, "afb00973c3e955658005ab553c56a2392f7266769a931f06b79e96bb7a5d1ea6"),
        (I3d, 344, "e478222be240be6354fb52106c552bf25393919a93ac3ff472c670e1b8a2724e"),
        # without the classifier, which takes no part in FID
        (Inception, 564, "32eb9fa4b64108fb1da18e5ea957d25f57c51f7d430bcb56169e530ec4ab2188"),
    ],
    ids=["vit_g_hybrid_pt_1200e_ssv2_ft", "drn-d-105_ms_cityscapes", "i3d_pretrained_400",
         "pt_inception-2015-12-05"],
)  # fmt: skip
def test_names_and_shapes_are_those_of_the_published_file(build, count, published):
    with torch.device("meta"):
        state = build().state_dict()
    told = sorted(f"{name} {list(value.shape)}" for name, value in state.items())
    assert len(told) == count
    assert hashlib.sha256("\n".join(told).encode()).hexdigest() == published
