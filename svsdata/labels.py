"""Label sets: the one table of class ids, names and colours, and the conversions between them.

The rows are those of cityscapesscripts and kitti360scripts (a test compares them). Licence plates,
-1 there, get the first free id, so that every id fits an unsigned byte and a network's channel.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.errors import LabelSetError, did_you_mean

NO_LABEL = 255
"""Value of "no class" in conversion tables, train ids and classless instance maps."""


@dataclass(frozen=True)
class Label:
    """One class of a label set."""

    name: str
    id: int
    """Id in maps of the label set."""
    train_id: int
    """Cityscapes train id 0..18, or 255 where the benchmark ignores the class."""
    category: str
    color: tuple[int, int, int]
    """RGB, for pictures only; maps are never stored as colours."""
    has_instances: bool = False
    """A thing: its instance ids are ``id * 1000 + index``; else the instance id is ``id``."""
    evaluated: bool = False


@dataclass(frozen=True)
class LabelSet:
    """A named table of labels whose ids are 0..num_classes-1 in order."""

    name: str
    labels: tuple[Label, ...]

    def __hash__(self) -> int:
        # Hashing every label takes longer than what is looked up by label set.
        return hash(self.name)

    @property
    def num_classes(self) -> int:
        """Number of ids, and of channels of a one-hot map."""
        return len(self.labels)

    @cached_property
    def by_name(self) -> Mapping[str, Label]:
        """Labels by name."""
        return {label.name: label for label in self.labels}

    @cached_property
    def palette(self) -> NDArray[np.uint8]:
        """(256, 3) uint8 RGB by id; ids outside the set are black."""
        palette = np.zeros((256, 3), np.uint8)
        palette[: self.num_classes] = [label.color for label in self.labels]
        return palette

    @cached_property
    def thing_ids(self) -> frozenset[int]:
        """Ids of the classes with instances."""
        return frozenset(label.id for label in self.labels if label.has_instances)

    @cached_property
    def void_ids(self) -> frozenset[int]:
        """Ids that name no class of things: unlabeled, the ego vehicle, borders, all the rest."""
        return frozenset(label.id for label in self.labels if label.category == "void")

    @cached_property
    def flat_ids(self) -> frozenset[int]:
        """Ids of roads, sidewalks, parking and rails."""
        return frozenset(label.id for label in self.labels if label.category == "flat")

    @cached_property
    def ground_ids(self) -> frozenset[int]:
        """Ids of what things stand on: all that is flat, and terrain."""
        terrain = (label.id for label in self.labels if label.name == "terrain")
        return self.flat_ids.union(terrain)

    def label(self, name: str) -> Label:
        """Return the label of that name.

        Raises:
            LabelSetError: If the set has no such label; names those it has.
        """
        if name not in self.by_name:
            known = ", ".join(self.by_name)
            raise LabelSetError(
                f"label set '{self.name}' has no class '{name}'{did_you_mean(name, self.by_name)}; "
                f"it has: {known}"
            )
        return self.by_name[name]

    def colorize(self, semantic_map: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Paint a (H, W) map of this set as (H, W, 3) uint8 RGB, for people to look at."""
        ids = np.ascontiguousarray(semantic_map, np.uint8)
        return np.asarray(cv2.applyColorMap(ids, self.palette[:, None]), np.uint8)

    def check(self, semantic_map: NDArray[np.uint8], where: str) -> None:
        """Refuse ids outside the set.

        Args:
            semantic_map: (H, W) uint8.
            where: What the message calls the map, such as a path.

        Raises:
            LabelSetError: Naming the ids that do not belong.
        """
        if semantic_map.max(initial=0) < self.num_classes:
            return
        counts = np.bincount(semantic_map.ravel(), minlength=256)
        foreign = np.flatnonzero(counts[self.num_classes :]) + self.num_classes
        if foreign.size:
            raise LabelSetError(
                f"{where}: ids {foreign.tolist()} are outside label set '{self.name}' "
                f"(0..{self.num_classes - 1}); check which ids the maps use, label ids or train ids"
            )


_CITYSCAPES_LABELS = (
    Label("unlabeled", 0, 255, "void", (0, 0, 0)),
    Label("ego vehicle", 1, 255, "void", (0, 0, 0)),
    Label("rectification border", 2, 255, "void", (0, 0, 0)),
    Label("out of roi", 3, 255, "void", (0, 0, 0)),
    Label("static", 4, 255, "void", (0, 0, 0)),
    Label("dynamic", 5, 255, "void", (111, 74, 0)),
    Label("ground", 6, 255, "void", (81, 0, 81)),
    Label("road", 7, 0, "flat", (128, 64, 128), evaluated=True),
    Label("sidewalk", 8, 1, "flat", (244, 35, 232), evaluated=True),
    Label("parking", 9, 255, "flat", (250, 170, 160)),
    Label("rail track", 10, 255, "flat", (230, 150, 140)),
    Label("building", 11, 2, "construction", (70, 70, 70), evaluated=True),
    Label("wall", 12, 3, "construction", (102, 102, 156), evaluated=True),
    Label("fence", 13, 4, "construction", (190, 153, 153), evaluated=True),
    Label("guard rail", 14, 255, "construction", (180, 165, 180)),
    Label("bridge", 15, 255, "construction", (150, 100, 100)),
    Label("tunnel", 16, 255, "construction", (150, 120, 90)),
    Label("pole", 17, 5, "object", (153, 153, 153), evaluated=True),
    Label("polegroup", 18, 255, "object", (153, 153, 153)),
    Label("traffic light", 19, 6, "object", (250, 170, 30), evaluated=True),
    Label("traffic sign", 20, 7, "object", (220, 220, 0), evaluated=True),
    Label("vegetation", 21, 8, "nature", (107, 142, 35), evaluated=True),
    Label("terrain", 22, 9, "nature", (152, 251, 152), evaluated=True),
    Label("sky", 23, 10, "sky", (70, 130, 180), evaluated=True),
    Label("person", 24, 11, "human", (220, 20, 60), has_instances=True, evaluated=True),
    Label("rider", 25, 12, "human", (255, 0, 0), has_instances=True, evaluated=True),
    Label("car", 26, 13, "vehicle", (0, 0, 142), has_instances=True, evaluated=True),
    Label("truck", 27, 14, "vehicle", (0, 0, 70), has_instances=True, evaluated=True),
    Label("bus", 28, 15, "vehicle", (0, 60, 100), has_instances=True, evaluated=True),
    Label("caravan", 29, 255, "vehicle", (0, 0, 90), has_instances=True),
    Label("trailer", 30, 255, "vehicle", (0, 0, 110), has_instances=True),
    Label("train", 31, 16, "vehicle", (0, 80, 100), has_instances=True, evaluated=True),
    Label("motorcycle", 32, 17, "vehicle", (0, 0, 230), has_instances=True, evaluated=True),
    Label("bicycle", 33, 18, "vehicle", (119, 11, 32), has_instances=True, evaluated=True),
    Label("license plate", 34, 255, "vehicle", (0, 0, 142)),
)

_KITTI360_ONLY_LABELS = (
    Label("garage", 34, 2, "construction", (64, 128, 128), has_instances=True),
    Label("gate", 35, 4, "construction", (190, 153, 153)),
    Label("stop", 36, 255, "construction", (150, 120, 90), has_instances=True),
    Label("smallpole", 37, 5, "object", (153, 153, 153), has_instances=True),
    Label("lamp", 38, 255, "object", (0, 64, 64), has_instances=True),
    Label("trash bin", 39, 255, "object", (0, 128, 192), has_instances=True),
    Label("vending machine", 40, 255, "object", (128, 64, 0), has_instances=True),
    Label("box", 41, 255, "object", (64, 64, 128), has_instances=True),
    Label("unknown construction", 42, 255, "void", (102, 0, 0)),
    Label("unknown vehicle", 43, 255, "void", (51, 0, 51)),
    Label("unknown object", 44, 255, "void", (32, 32, 32)),
)

_KITTI360_THINGS_BESIDES = {"building", "pole", "traffic light", "traffic sign"}


def _train_labels() -> tuple[Label, ...]:
    evaluated = sorted(
        (la for la in _CITYSCAPES_LABELS if la.evaluated), key=lambda la: la.train_id
    )
    return tuple(replace(label, id=label.train_id) for label in evaluated)


def _kitti360_labels() -> tuple[Label, ...]:
    shared = tuple(
        replace(la, has_instances=la.has_instances or la.name in _KITTI360_THINGS_BESIDES)
        for la in _CITYSCAPES_LABELS[:-1]
    )
    plate = replace(_CITYSCAPES_LABELS[-1], id=len(shared) + len(_KITTI360_ONLY_LABELS))
    return (*shared, *_KITTI360_ONLY_LABELS, plate)


CITYSCAPES = LabelSet("cityscapes", _CITYSCAPES_LABELS)
"""35 ids: label ids 0..33, and the licence plate (-1 in the files) as 34."""

CITYSCAPES_TRAIN = LabelSet("cityscapes_train", _train_labels())
"""The 19 evaluated classes by train id: what segmenters speak."""

KITTI360 = LabelSet("kitti360", _kitti360_labels())
"""46 ids: 0..44, and the licence plate (-1 in the files) as 45."""

LABEL_SETS: Mapping[str, LabelSet] = {
    label_set.name: label_set for label_set in (CITYSCAPES, CITYSCAPES_TRAIN, KITTI360)
}


def label_set_by_name(name: str) -> LabelSet:
    """Return a built-in label set.

    Raises:
        LabelSetError: If there is none of that name.
    """
    if name not in LABEL_SETS:
        raise LabelSetError(f"unknown label set '{name}'; known: {', '.join(LABEL_SETS)}")
    return LABEL_SETS[name]


def conversion_table(source: LabelSet, target: LabelSet) -> NDArray[np.uint8]:
    """Return the lookup from ids of one set to ids of another, by class name.

    A class that the target lacks goes to the target's class with the same train id where the
    source evaluates or groups it so (KITTI-360's garage is a building), and else to
    "unlabeled", or to 255 in a set without that class.

    Returns:
        (256,) uint8; ``table[source_map]`` is the map in the target set.
    """
    fallback = target.by_name["unlabeled"].id if "unlabeled" in target.by_name else NO_LABEL
    by_train_id = {label.train_id: label.id for label in target.labels if label.evaluated}
    table = np.full(256, fallback, np.uint8)
    for label in source.labels:
        if label.name in target.by_name:
            table[label.id] = target.by_name[label.name].id
        else:
            table[label.id] = by_train_id.get(label.train_id, fallback)
    return table
