"""Which segmenter judges pictures, by the name that a config gives."""

from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from svsdata.checkpoints.feature_weights import load_weights
from svsdata.checkpoints.weights import BUNDLED
from svsdata.estimation.drn_segmenter import DrnSegmenter
from svsdata.estimation.segmenter_checkpoints import load_network
from svsdata.estimation.transformers_segmenter import TransformersSegmenter
from svsdata.labels import LabelSet
from svsdata.nets.features.drn import Drn105

NO_JUDGE = (
    "no judge was named; add --judge demo for the built-in street, --judge FOLDER of a "
    "transformers segmenter, or --judge drn with its weights"
)
"""What is told where one is needed."""

JudgingSegmenter: TypeAlias = DrnSegmenter | TransformersSegmenter


def chosen_judge(
    name: str,
    label_set: LabelSet,
    *,
    height: int | None,
    drn_weights: str,
    weights_folder: Path,
    device: str,
) -> JudgingSegmenter:
    """Load a segmenter.

    Args:
        name: ``drn``; ``demo``, which was trained on the street world; else a folder or hub name
            of a transformers segmenter.
        label_set: The ids to speak.
        height: That the network sees; None: the frames' own.
        drn_weights: Name or path.
        weights_folder: Of weights that go by name.
        device: Where it runs.

    Raises:
        WeightsError: If its weights are missing or do not fit; says what to do.
        LabelSetError: If its classes are not in the label set.
    """
    if name == "drn":
        network, weights = load_weights(Drn105(), drn_weights, weights_folder)
        return DrnSegmenter(network.to(device), weights, label_set, input_height=height)
    if name == "demo":
        folder = str(BUNDLED / "demo-segmenter")
        found = load_network(folder, label_set, device=device)
        described = found.description.replace(folder, "demo-segmenter")
        return TransformersSegmenter(
            replace(found, description=described), label_set, input_height=height
        )
    return TransformersSegmenter(
        load_network(name, label_set, device=device), label_set, input_height=height
    )
