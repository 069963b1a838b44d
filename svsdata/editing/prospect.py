"""A label map seen from farther along the way: what it shows, moved by geometry.

The ground lies in its plane, what stands is as far as where it touches the ground, a thing is a
flat outline at its foot, and what is endlessly far only turns.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from svsdata.editing.columns import continued_columns
from svsdata.editing.flat_things import NEAR_M, flat_things
from svsdata.editing.gaps import along_rows, close_gaps
from svsdata.editing.occlusion import GroundDepth, Layer, Rect, Standing, layers_of
from svsdata.editing.parallax import Parallax
from svsdata.editing.sight import Floats, Sight
from svsdata.geometry.camera import ground_homography
from svsdata.labels import NO_LABEL, LabelSet
from svsdata.records import (
    INSTANCE_BASE,
    Camera,
    Flow,
    Frame,
    InstanceMap,
    Mask,
    SemanticMap,
    Transform,
)

Depth = NDArray[np.float32]
"""(H, W) z-depth in metres; 0 what moves with the camera, infinite what only turns."""

_FAR_M = 150.0
"""Beyond, what stands only turns."""
_GROUND_WITHIN_M = 400.0
_ENDLESS_M = 1e7
_LARGEST_SPLAT = 8
"""Pixels that one grows to along each side at most."""
_RIM_SHARE = 1 / 128
"""Of the width: how far from a thing pixels of its class are its own."""
_HIDDEN_BY = 0.1
"""What was nearer by more than this share hid what is seen."""


@dataclass(frozen=True)
class View:
    """What is seen from one place."""

    semantic: SemanticMap
    instance: InstanceMap
    depth: Depth
    to_view: Transform
    """Takes places of the recorded frame's vehicle frame to those of this one's."""
    moves: Mapping[int, Floats]
    """By instance id: (2,) metres ahead and left that a thing moved since, in the recorded one's
    vehicle frame; what is not named stands."""


class Prospect:
    """Looks at a recorded frame once, and tells what is seen of it from elsewhere.

    Args:
        frame: With its semantic map, and its instances if there are any.
        camera: Of the frame and all views.
        label_set: Of its maps.
        parallax: What its flow tells, if it has any.
        moved_m: By instance id (2,) metres ahead and left that things moved since the frame before.

    Attributes:
        start: The recorded frame itself.
    """

    def __init__(
        self,
        frame: Frame,
        camera: Camera,
        label_set: LabelSet,
        parallax: Parallax | None = None,
        moved_m: Mapping[int, Floats] | None = None,
    ) -> None:
        if frame.semantic is None:
            raise ValueError(f"frame {frame.frame_index} has no semantic map")
        semantic = frame.semantic
        instance = semantic.astype(np.uint16) if frame.instance is None else frame.instance
        self._camera, self._label_set = camera, label_set
        self._layers = layers_of(label_set)
        sky = label_set.by_name.get("sky")
        self._sky = np.uint8(NO_LABEL if sky is None else sky.id)
        height, width = semantic.shape
        self._sight = Sight.of(camera)
        self._sees = np.asarray(camera.intrinsics @ camera.cam_T_vehicle[:3])
        self._pixels = np.mgrid[:height, :width][::-1].reshape(2, -1)
        depth = self._depth(semantic, instance)
        self.start = View(semantic, instance, depth, np.eye(4), {})
        is_thing = (instance >= INSTANCE_BASE) | self._rims(semantic, instance)
        self._street = semantic
        if is_thing.any():
            hidden = np.where(is_thing, np.uint8(NO_LABEL), semantic)
            whole = Rect(0, 0, width, height)
            self._street = np.where(
                is_thing, continued_columns(hidden, whole, label_set).labels, semantic
            )
        self._street_depth = self._depth(self._street, self._street.astype(np.uint16))
        stands = np.isin(self._layers, (int(Layer.THIN), int(Layer.UPRIGHT)))[self._street]
        if parallax is not None:
            told = parallax.run_depths(self._street, ~is_thing).astype(np.float32)
            told[~stands] = np.nan
            self._street_depth = np.where(np.isnan(told), self._street_depth, told)
            depth[:] = np.where(np.isnan(told) | is_thing, depth, told)
        self._things = flat_things(semantic, instance, depth, label_set, parallax, moved_m or {})
        for thing in self._things:
            own = instance[thing.box.slices] == thing.instance_id
            depth[thing.box.slices][own] = thing.depth[own]
        self._still = {it.instance_id for it in self._things if it.stands}
        self._ground_alone = along_rows(self._street, self._layers[self._street] == Layer.FLAT)

    def view(self, to_view: Transform, moves: Mapping[int, Floats]) -> View:
        """Return what is seen when the vehicle has driven and things have moved.

        Args:
            to_view: As of ``View``.
            moves: As of ``View``.
        """
        semantic = self._endless(to_view)
        depth = np.full(semantic.shape, np.inf, np.float32)
        self._lay_ground(semantic, depth, to_view)
        self._put_street(semantic, depth, to_view)
        close_gaps(semantic, depth, self._layers)
        moving = {one: moved for one, moved in moves.items() if one not in self._still}
        view = View(semantic, semantic.astype(np.uint16), depth, to_view, moving)
        self._put_things(view)
        own = self._layers[self.start.semantic] == Layer.BORDER
        semantic[own], view.instance[own] = self.start.semantic[own], self.start.instance[own]
        depth[own] = 0.0
        return view

    def flow(self, now: View, before: View) -> tuple[Flow, Mask, Mask]:
        """Return where what is seen now was in an earlier view.

        Returns:
            (H, W, 2) flow to it; where that is known; and what of it was not to be seen there.
        """
        depth = np.minimum(now.depth.ravel(), _ENDLESS_M)
        places = self._sight.places(self._sight.rays_at(*self._pixels), depth)
        there = np.linalg.inv(now.to_view) @ places
        ids = now.instance.ravel()
        for one, moved in now.moves.items():
            there[:2, ids == one] -= (moved - before.moves.get(one, np.zeros(2)))[:, None]
        seen = self._sees @ before.to_view @ there
        is_known = seen[2] > NEAR_M
        seen[:2] /= np.where(is_known, seen[2], 1.0)
        stays = depth == 0
        seen[:2, stays], seen[2, stays], is_known[stays] = self._pixels[:, stays], 0.0, True
        flow = np.where(is_known, seen[:2] - self._pixels, 0.0).astype(np.float32)
        hidden = ~is_known | self._was_hidden(seen, before)
        shape = now.depth.shape
        return (
            np.ascontiguousarray(flow.T).reshape(*shape, 2),
            is_known.reshape(shape).astype(np.uint8),
            hidden.reshape(shape).astype(np.uint8),
        )

    def _was_hidden(self, seen: Floats, before: View) -> NDArray[np.bool_]:
        """(P,) whether something nearer, or the end of the frame, hid (3, P) u, v and z-depth."""
        height, width = before.depth.shape
        u, v = np.rint(seen[:2]).clip(-1, max(width, height)).astype(np.intp)
        is_inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
        nearest = before.depth[np.where(is_inside, v, 0), np.where(is_inside, u, 0)]
        return ~is_inside | (nearest < seen[2] * (1 - _HIDDEN_BY) - NEAR_M)

    def _depth(self, semantic: SemanticMap, instance: InstanceMap) -> Depth:
        ground = GroundDepth(self._camera)
        standing = Standing(semantic, instance, ground=ground, label_set=self._label_set)
        height, width = semantic.shape
        runs = standing.depth(Rect(0, 0, width, height))
        depth = np.repeat(runs.metres, runs.num_rows).reshape(width, height).T
        flat = self._layers[semantic] == Layer.FLAT
        depth = np.where(flat, ground.at(*np.mgrid[:height, :width][::-1]), depth)
        return np.where(depth > _FAR_M, np.float32(np.inf), depth)

    def _rims(self, semantic: SemanticMap, instance: InstanceMap) -> NDArray[np.bool_]:
        """(H, W) pixels beside things that have their classes, and belong to none."""
        side = 2 * max(1, round(semantic.shape[1] * _RIM_SHARE)) + 1
        near = cv2.dilate((instance >= INSTANCE_BASE).astype(np.uint8), np.ones((side, side)))
        is_countable = np.isin(np.arange(256), list(self._label_set.thing_ids))
        return is_countable[semantic] & (near != 0)

    def _endless(self, to_view: Transform) -> SemanticMap:
        """Turn what is endlessly far; behind everything else lies the sky."""
        layers = self._layers[self._street]
        is_far = np.isinf(self._street_depth) & (layers != Layer.FLAT)
        # Behind what stands near all along a row more of the same is likelier than the sky.
        has_far = is_far.any(axis=1, keepdims=True)
        is_kept = np.where(has_far, is_far, layers == Layer.UPRIGHT)
        far = along_rows(np.where(is_kept, self._street, self._sky), is_kept)
        return _warped(far, self._sees[:, :3] @ to_view[:3, :3] @ self._sight.rays)

    def _lay_ground(self, semantic: SemanticMap, depth: Depth, to_view: Transform) -> None:
        """Draw the ground of the whole plane below the horizon."""
        to_pixels = ground_homography(self._camera)
        on_plane = to_view[np.ix_([0, 1, 3], [0, 1, 3])]
        moved = _warped(self._ground_alone, to_pixels @ on_plane @ np.linalg.inv(to_pixels))
        height, width = semantic.shape
        metres = GroundDepth(self._camera).at(*np.mgrid[:height, :width][::-1])
        is_ground = metres < _GROUND_WITHIN_M
        semantic[is_ground], depth[is_ground] = moved[is_ground], metres[is_ground]

    def _put_street(self, semantic: SemanticMap, depth: Depth, to_view: Transform) -> None:
        """Draw what stands and is no thing, pixel by pixel, each as large as it comes near."""
        old = self._street_depth.ravel()
        is_drawn = np.isfinite(old) & (old > 0)
        is_drawn &= (self._layers[self._street] != Layer.FLAT).ravel()
        chosen = np.flatnonzero(is_drawn)
        u, v, metres = self._moved(chosen, old[chosen], to_view)
        size = np.ceil(old[chosen] / np.maximum(metres, NEAR_M)).clip(1, _LARGEST_SPLAT)
        height, width = semantic.shape
        splats = []
        for side in range(1, _LARGEST_SPLAT + 1):
            of_size = np.flatnonzero((size == side) & (metres > NEAR_M))
            left = np.rint(u[of_size] - (side - 1) / 2).astype(np.intp)
            top = np.rint(v[of_size] - (side - 1) / 2).astype(np.intp)
            for down in range(side):
                for across in range(side):
                    columns, rows = left + across, top + down
                    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
                    place = rows[inside] * width + columns[inside]
                    splats.append(np.stack([place, of_size[inside]]))
        place, source = np.concatenate(splats, axis=1)
        order = np.argsort(-metres[source], kind="stable")
        place, source = place[order], source[order]
        is_nearer = metres[source] < depth.ravel()[place]
        place, source = place[is_nearer], source[is_nearer]
        # Of several at one place the last one stays, which is the nearest.
        semantic.ravel()[place] = self._street.ravel()[chosen[source]]
        depth.ravel()[place] = metres[source]

    def _put_things(self, view: View) -> None:
        """Draw things, the nearest over all others."""
        centre = np.append(self._sight.centre, 1.0)
        for thing in self._things:
            moved = np.eye(4)
            moved[:2, 3] = view.moves.get(thing.instance_id, 0.0)
            sees = self._sees @ view.to_view @ moved
            homography = sees[:, :3] @ self._sight.rays + np.outer(sees @ centre, thing.plane)
            thing.draw(homography, view.semantic, view.instance, view.depth)

    def _moved(
        self, chosen: NDArray[np.intp], depth: NDArray[np.floating], to_view: Transform
    ) -> tuple[Floats, Floats, Floats]:
        """Return u, v and z-depth in a view of (P,) pixels of the start at z-depths."""
        rays = self._sight.rays_at(*self._pixels[:, chosen])
        u, v, metres = self._sees @ to_view @ self._sight.places(rays, depth)
        ahead = np.where(metres > NEAR_M, metres, 1.0)
        return u / ahead, v / ahead, metres


def _warped(labels: SemanticMap, matrix: Floats) -> SemanticMap:
    """Move a (H, W) map by a homography of its pixels; its border goes on beyond it."""
    moved = cv2.warpPerspective(
        labels, matrix, labels.shape[::-1], flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)
