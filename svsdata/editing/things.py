"""Where things lie in an instance map: found at the ends of their runs, not pixel by pixel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svsdata.editing.runs import Runs
from svsdata.records import INSTANCE_BASE, InstanceMap

RIM_SHARE = 1 / 128
"""Of a frame's width: where ids come from another source than labels, they end so far inside an
object, and its rim has its class and no id."""


@dataclass(frozen=True)
class Things:
    """The things of one frame in ascending order of their ids."""

    instance_id: NDArray[np.int64]
    """(N,)."""
    foot: NDArray[np.float64]
    """(N, 2) middle column of their lowest pixels, and their lowest row."""
    box: NDArray[np.int64]
    """(N, 4) columns and rows around them: x0, y0, x1, y1, ends excluded."""
    present: NDArray[np.int64]
    """(M,) all ids of the frame, also of what is no thing."""


def things_in(instance: InstanceMap) -> Things:
    """Find all things of a (H, W) instance map."""
    height, width = instance.shape
    ids = instance.ravel()
    # The last pixel before another id begins, column by column, and the last row.
    cuts = np.flatnonzero(instance[:-1] != instance[1:])
    ends = np.concatenate([cuts, np.arange((height - 1) * width, height * width)])
    starts = np.concatenate([np.arange(width), cuts + width])
    present = np.unique(ids[ends])
    things = present[present >= INSTANCE_BASE]
    ends, starts = (places[ids[places] >= INSTANCE_BASE] for places in (ends, starts))
    which = np.searchsorted(things, ids[ends])
    rows, columns = np.divmod(ends, width)
    box = np.empty((len(things), 4), np.int64)
    box[:, :2], box[:, 2:] = max(height, width), 0
    np.minimum.at(box[:, 0], which, columns)
    np.minimum.at(box[:, 1], np.searchsorted(things, ids[starts]), starts // width)
    np.maximum.at(box[:, 2], which, columns + 1)
    foot = feet_of(which, columns, rows, len(things))
    box[:, 3] = foot[:, 1] + 1
    return Things(things.astype(np.int64), foot, box, present.astype(np.int64))


def feet_of(
    which: NDArray[np.intp], columns: NDArray[np.intp], rows: NDArray[np.intp], count: int
) -> NDArray[np.float64]:
    """Return (N, 2) middle column of the lowest pixels of things, and their lowest row.

    Args:
        which: (E,) thing that ends downwards at a pixel.
        columns: (E,) of these pixels.
        rows: (E,) of these pixels.
        count: N, of the things.
    """
    lowest = np.zeros(count, np.intp)
    np.maximum.at(lowest, which, rows)
    is_lowest = rows == lowest[which]
    which, columns = which[is_lowest], columns[is_lowest]
    middle = np.bincount(which, columns, minlength=count) / np.bincount(which, minlength=count)
    return np.stack([middle, lowest], axis=1)


def rim_owners(instance: InstanceMap, loose: Runs) -> NDArray[np.int64]:
    """Tell whose rim pixels of a class of things are that have no id.

    Args:
        instance: (H, W) whole frame.
        loose: Runs of such pixels; their keys are their classes.

    Returns:
        (R,) id of the nearest thing of the same class above, below or beside a run's middle, no
        farther than rims are broad; 0 where none is.
    """
    height, width = instance.shape
    reach = np.arange(1, round(width * RIM_SHARE) + 1)
    across = np.stack([reach, -reach], axis=1).ravel()
    columns = np.minimum(np.maximum(loose.column[:, None] + across, 0), width - 1)
    beside = instance[(loose.top + loose.foot)[:, None] // 2, columns]
    above = instance[np.maximum(loose.top - 1, 0), loose.column]
    below = instance[np.minimum(loose.foot + 1, height - 1), loose.column]
    found = np.column_stack([above, below, beside])
    is_same = found // INSTANCE_BASE == loose.key[:, None]
    nearest = found[np.arange(len(found)), is_same.argmax(axis=1)]
    return np.where(is_same.any(axis=1), nearest, 0).astype(np.int64)
