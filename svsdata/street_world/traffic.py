"""What moves: streams of vehicles and people whose places are closed forms of time.

An object is a stream and a serial number; everything about it follows from those and the seed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from svsdata.randomness import generator
from svsdata.street_world.mesh import Color, Mesh, placed
from svsdata.street_world.models import CAR_SHAPES, KIND_LENGTH_M, model
from svsdata.street_world.road import CHUNK_M, CROSSING_EVERY, Road, is_crossing

VIEW_BEHIND_M, VIEW_AHEAD_M = 12.0, 180.0
CAR_COLORS: tuple[Color, ...] = (
    (0.9, 0.9, 0.9), (0.16, 0.17, 0.19), (0.55, 0.57, 0.6), (0.7, 0.1, 0.1), (0.12, 0.22, 0.45),
    (0.36, 0.4, 0.44), (0.78, 0.76, 0.7), (0.16, 0.32, 0.26),
)  # fmt: skip
CLOTHES: tuple[Color, ...] = (
    (0.7, 0.2, 0.2), (0.2, 0.3, 0.55), (0.24, 0.24, 0.26), (0.85, 0.8, 0.7), (0.25, 0.45, 0.35),
    (0.82, 0.6, 0.2), (0.5, 0.35, 0.5),
)  # fmt: skip
FOOTPRINT_M = {  # length and width of the contact shadow
    **{kind: (shape[0] + 0.2, shape[1] + 0.2) for kind, shape in CAR_SHAPES.items()},
    "truck": (8.8, 2.6), "bus": (12.0, 2.7), "motorcycle": (2.1, 0.6), "bicycle": (1.9, 0.4),
    "person": (0.55, 0.5),
}  # fmt: skip
_CARS = dict.fromkeys(CAR_SHAPES, 1.0)


@dataclass(frozen=True)
class Stream:
    """Objects in a row that share a lane and a speed along the road."""

    name: str
    lane_m: float
    speed_mps: float
    """Along u; negative comes towards the ego car. 0 = parked."""
    spacing_m: float
    share: float
    """How many of the places are taken."""
    kinds: dict[str, float]
    first_index: int
    ring: int
    """Instance indices first_index .. first_index + ring - 1 are dealt in turn; the ring is longer
    than the road in view by more than a kilometre."""


# Indices of streams do not overlap, so that no class has one twice.
STREAMS = (
    Stream("parked right", -4.5, 0.0, 6.6, 0.55,
           {**_CARS, "van": 1.5, "motorcycle": 0.3, "truck": 0.0}, 1, 220),
    Stream("parked left", 4.5, 0.0, 6.6, 0.55, {**_CARS, "motorcycle": 0.3}, 221, 220),
    Stream("oncoming", 1.75, -8.5, 27.0, 0.62,
           {**_CARS, "truck": 0.9, "bus": 0.7, "motorcycle": 0.6}, 441, 80),
    Stream("cyclists", -3.0, 4.2, 58.0, 0.75, {"bicycle": 1.0}, 521, 40),
    Stream("cyclists back", 3.0, -4.6, 74.0, 0.7, {"bicycle": 1.0}, 561, 40),
    Stream("walkers right", -7.4, 1.3, 11.0, 0.55, {"person": 1.0}, 601, 90),
    Stream("walkers right back", -8.0, -1.4, 16.0, 0.5, {"person": 1.0}, 691, 70),
    Stream("walkers left", 7.4, -1.3, 11.0, 0.55, {"person": 1.0}, 761, 90),
    Stream("walkers left back", 8.0, 1.4, 16.0, 0.5, {"person": 1.0}, 851, 70),
)  # fmt: skip
FIRST_DRIVEN_INDEX = 441
LEADER_FIRST, LEADER_RING = 921, 39
CROSSER_FIRST, CROSSER_RING = 960, 40
LEADER_PERIOD_S = 64.0


@dataclass(frozen=True)
class Part:
    """A rigid piece of an actor; limbs hang from a joint and swing about the y axis."""

    model: str
    color: Color
    joint: tuple[float, float] = (0.0, 0.0)
    """y and z of the joint in the actor's frame."""
    swing: float = 0.0
    """Share of the actor's stride."""


@dataclass(frozen=True)
class Actor:
    """One object of the traffic, with its place as a function of time."""

    kind: str
    index: int
    parts: tuple[Part, ...]
    phase: float
    turned: float
    place: Callable[[float], tuple[float, float]]
    """Seconds -> u, n."""
    gait: float = 0.0
    """Speed of walking, m/s."""

    def stride(self, time_s: float) -> float:
        """Return the swing of the limbs, radians."""
        if self.place(time_s - 0.01) == self.place(time_s + 0.01):
            return 0.0
        return float(0.45 * np.sin(self.phase + 2 * np.pi * 0.62 * self.gait * time_s))


class Traffic:
    """All actors of one world."""

    def __init__(
        self, road: Road, ego_u: Callable[[float], float], arrival_s: Callable[[float], float]
    ) -> None:
        """Keep the ego car's motion: its u at a time, and its time at a u."""
        self._road = road
        self._ego_u = ego_u
        self._arrival_s = arrival_s
        self._member = lru_cache(maxsize=2048)(self._draw_member)

    def actors(self, time_s: float) -> Iterator[Actor]:
        """Yield what is in view at a time, in a fixed order."""
        ego = self._ego_u(time_s)
        low, high = ego - VIEW_BEHIND_M, ego + VIEW_AHEAD_M
        for number, stream in enumerate(STREAMS):
            drift = stream.speed_mps * time_s
            first = int((low - drift) // stream.spacing_m)
            for serial in range(first, int((high - drift) // stream.spacing_m) + 2):
                actor = self._member(number, serial)
                if actor is not None and low < actor.place(time_s)[0] < high:
                    yield actor
        leader = self._leader(int(time_s // LEADER_PERIOD_S))
        if leader.place(time_s)[0] < high:
            yield leader
        step = CHUNK_M * CROSSING_EVERY
        for serial in range(int(low // step), int(high // step) + 1):
            crosser = self._crosser(serial)
            if low < crosser.place(time_s)[0] < high:
                yield crosser

    def _draw_member(self, number: int, serial: int) -> Actor | None:
        stream = STREAMS[number]
        rng = generator(self._road.seed, "traffic", stream.name, serial)
        if rng.random() > stream.share:
            return None
        weights = np.array(list(stream.kinds.values()))
        kind = str(rng.choice(list(stream.kinds), p=weights / weights.sum()))
        jitter = 0.0 if stream.speed_mps == 0 else rng.uniform(-0.16, 0.16)
        start = stream.spacing_m * (serial + jitter)
        lane = stream.lane_m + rng.uniform(-0.12, 0.12)
        if stream.speed_mps == 0 and any(
            is_crossing(int((start + margin) // CHUNK_M)) for margin in (-3, 0, 3)
        ):
            return None
        backwards = stream.speed_mps < 0 or (stream.speed_mps == 0 and lane > 0)
        index = stream.first_index + serial % stream.ring
        gait = abs(stream.speed_mps) if kind == "person" else 0.0
        return _dressed(
            rng, kind, index, lambda t: (start + stream.speed_mps * t, lane),
            turned=np.pi if backwards else 0.0, gait=gait,
        )  # fmt: skip

    def _leader(self, episode: int) -> Actor:
        """Return the vehicle ahead in the ego lane; it is fallen back on, then pulls away."""
        rng = generator(self._road.seed, "leader", episode)
        kind = str(rng.choice(["hatch", "sedan", "suv", "van", "truck", "bus", "motorcycle"],
                              p=[0.14, 0.14, 0.12, 0.12, 0.22, 0.16, 0.1]))  # fmt: skip
        closest = 11.5 + KIND_LENGTH_M[kind] / 2 + rng.uniform(0, 8)

        def place(time_s: float) -> tuple[float, float]:
            turn = 2 * np.pi * (time_s / LEADER_PERIOD_S - episode)
            return self._ego_u(time_s) + closest + 90 * (0.5 + 0.5 * np.cos(turn)) ** 2 * 2, -1.75

        return _dressed(rng, kind, LEADER_FIRST + episode % LEADER_RING, place)

    def _crosser(self, serial: int) -> Actor:
        """Return the person who crosses at a zebra before the ego car arrives."""
        rng = generator(self._road.seed, "crosser", serial)
        u = CHUNK_M * (serial * CROSSING_EVERY + CROSSING_EVERY // 2) + 2.0
        side = 1 if rng.random() < 0.5 else -1
        begin = self._arrival_s(u) - rng.uniform(7.5, 10.0)

        def place(time_s: float) -> tuple[float, float]:
            return u, side * (6.6 - 1.75 * float(np.clip(time_s - begin, 0, 7.55)))

        index = CROSSER_FIRST + serial % CROSSER_RING
        return _dressed(rng, "person", index, place, turned=-side * np.pi / 2, gait=1.75)

    def place_actors(
        self, time_s: float, before_s: float
    ) -> tuple[Mesh, NDArray[np.float64], NDArray[np.float64]]:
        """Place all actors in view.

        Returns:
            Their mesh in the world; (B, 4, 4) motions before_T_now of its bodies, row 0 standing;
            footprints (N, 4, 2) on the ground that lie in shade.
        """
        actors = list(self.actors(time_s))
        row = np.array([k for k, actor in enumerate(actors) for _ in actor.parts])
        parts = [part for actor in actors for part in actor.parts]
        base = self._poses(actors, time_s)
        now = base[row] @ _joints(actors, row, time_s)
        before = self._poses(actors, before_s)[row] @ _joints(actors, row, before_s)
        motions = np.concatenate([np.eye(4)[None], before @ np.linalg.inv(now)])
        moves = (now != before).any(axis=(1, 2))
        mesh = placed(
            [model(part.model) for part in parts], now,
            colors=np.array([part.color for part in parts], np.float32),
            indices=np.array([actor.index for actor in actors], np.uint16)[row],
            bodies=np.where(moves, np.arange(len(parts)) + 1, 0),
            ranks=np.array([actor.place(time_s)[0] for actor in actors])[row],
        )  # fmt: skip
        half = np.array([FOOTPRINT_M[actor.kind] for actor in actors]) / 2
        corners = half[:, None] * np.array([(-1, 1), (1, 1), (1, -1), (-1, -1)])
        footprints = corners @ base[:, :2, :2].transpose(0, 2, 1) + base[:, None, :2, 3]
        return mesh, motions, footprints

    def _poses(self, actors: list[Actor], time_s: float) -> NDArray[np.float64]:
        places = np.array([actor.place(time_s) for actor in actors])
        turned = np.array([actor.turned for actor in actors])
        return self._road.poses(places[:, 0], places[:, 1], turned)


def _joints(actors: list[Actor], row: NDArray[np.int64], time_s: float) -> NDArray[np.float64]:
    """Return actor_T_part of all parts, (P, 4, 4)."""
    strides = np.array([actor.stride(time_s) if actor.gait else 0.0 for actor in actors])
    parts = [part for actor in actors for part in actor.parts]
    angle = strides[row] * np.array([part.swing for part in parts])
    joints = np.tile(np.eye(4), (len(parts), 1, 1))
    joints[:, 0, 0] = joints[:, 2, 2] = np.cos(angle)
    joints[:, 0, 2], joints[:, 2, 0] = np.sin(angle), -np.sin(angle)
    joints[:, 1:3, 3] = [part.joint for part in parts]
    return joints


def _dressed(
    rng: np.random.Generator,
    kind: str,
    index: int,
    place: Callable[[float], tuple[float, float]],
    *,
    turned: float = 0.0,
    gait: float = 0.0,
) -> Actor:
    """Give an actor its colours and parts."""
    coat, trousers = (CLOTHES[k] for k in rng.integers(len(CLOTHES), size=2))
    paint = CAR_COLORS[int(rng.integers(len(CAR_COLORS)))]
    dark = (0.55 * trousers[0], 0.55 * trousers[1], 0.6 * trousers[2])
    parts: tuple[Part, ...] = (Part(kind, paint),)
    if kind == "person":
        parts = (
            Part("torso", coat),
            Part("arm", coat, (-0.24, 1.38), 0.7), Part("arm", coat, (0.24, 1.38), -0.7),
            Part("leg", dark, (-0.1, 0.86), -1.0), Part("leg", dark, (0.1, 0.86), 1.0),
        )  # fmt: skip
    elif kind == "bicycle" or (kind == "motorcycle" and index >= FIRST_DRIVEN_INDEX):
        parts = (Part(kind, paint), Part("rider", coat))
    return Actor(kind, index, parts, float(rng.uniform(0, 6.28)), turned, place, gait)
