import json
from pathlib import Path

import numpy as np
import pytest
import torch

from svsdata.errors import WeightsError
from svsdata.pipelines.configs.label import LabelConfig
from svsdata.pipelines.label import run_label
from svsdata.progress import Silent
from svsdata.store.reader import StoreReader

KEYS = Path(__file__).parents[1] / "golden" / "flownet2_keys.json"


def test_rows_hold_the_networks_flow_and_say_whose_it_is(tmp_path):
    weights = tmp_path / "FlowNet2_checkpoint.pth.tar"
    shapes = json.loads(KEYS.read_text())["order"]
    state = {key: torch.zeros(1).expand(shape) for key, shape in shapes}
    state["flownetfusion.predict_flow0.bias"] = torch.tensor([3.0, -2.0])
    torch.save({"epoch": 0, "state_dict": state}, weights)
    config = LabelConfig(
        source="street:seed=1,frames=3,size=96x48",
        store=str(tmp_path / "store"),
        flow="flownet2",
        flow_weights=str(weights),
        flow_check=False,  # both directions say the same, which cannot be
    )
    run_label(config, Silent())
    store = StoreReader(tmp_path / "store")
    (sequence_id,) = store.sequence_ids
    layers = ("image", "semantic", "flow")
    first, *others = store.read(sequence_id, 0, 3, layers=layers)
    assert first.flow is None
    for frame in others:
        np.testing.assert_allclose(frame.flow, np.full((48, 96, 2), [3, -2]), atol=1 / 64)
        assert frame.models["flow"].startswith("flownet2 FlowNet2_checkpoint.pth.tar sha256=")


def test_flownet2_without_weights_says_how_to_get_them(tmp_path):
    config = LabelConfig(
        source="street:seed=1,frames=2,size=64x64", store=str(tmp_path), flow="flownet2",
        weights_folder=tmp_path / "none",
    )  # fmt: skip
    with pytest.raises(
        WeightsError, match=r"'svsdata weights fetch flownet2 --file FILE --folder .*none'"
    ):
        run_label(config, Silent())
