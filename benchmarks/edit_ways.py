"""Which recorded vehicles are taken to drive, and where: python benchmarks/edit_ways.py

Of the street world, in clips as short as Cityscapes' and in longer ones, with the true camera and
with wrong ones. A vehicle counts where its foot is seen in five frames or more.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from svsdata.editing.base_tracks import base_track
from svsdata.editing.placement import RoadPath, ego_poses
from svsdata.editing.scene import scan_scene
from svsdata.editing.smooth_ways import is_cut
from svsdata.labels import CITYSCAPES
from svsdata.records import INSTANCE_BASE, Camera, Frame
from svsdata.street_world.scene import StreetWorld
from svsdata.street_world.traffic import FIRST_DRIVEN_INDEX

SIZE_HW = (256, 512)
CLIPS = [(seed, start, 30, 8.0) for seed in range(1, 7) for start in (40, 160)]
CLIPS += [(seed, 20, 120, 10.0) for seed in (11, 12)]
"""Seed, first frame, frames, frames per second."""
PITCHES_DEG = (0.0, 0.25, -0.25, 0.5)
NEAR_M = 25.0
LEAST_SEEN = 5
VEHICLES = [CITYSCAPES.by_name[name].id for name in ("car", "truck", "bus")]


@dataclass(frozen=True)
class Clip:
    """Labels, and where the traffic really is."""

    frames: Sequence[Frame]
    fps: float
    places: dict[tuple[int, int], NDArray[np.float64]]
    """By frame and index of the instance, (2,) metres ahead and left of the vehicle."""


def rendered(seed: int, start: int, count: int, fps: float) -> Clip:
    """Render a clip of a street."""
    world = StreetWorld(seed, size_hw=SIZE_HW, fps=fps)
    frames, places = [], {}
    for index in range(count):
        frame = world.frame(start + index, image=False)
        assert frame.ego is not None
        assert frame.ego.world_T_vehicle is not None
        from_world = np.linalg.inv(frame.ego.world_T_vehicle)
        time_s = (start + index) / fps
        for actor in world._traffic.actors(time_s):
            pose = world._road.pose(*actor.place(time_s))
            places[index, actor.index] = (from_world @ pose)[:2, 3]
        frames.append(replace(frame, frame_index=index, flow=None, flow_validity=None))
    return Clip(frames, fps, places)


def pitched(camera: Camera, degrees: float) -> Camera:
    """Return a camera that looks lower from the same place."""
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("x", degrees, degrees=True).as_matrix()
    return replace(camera, cam_T_vehicle=turn @ camera.cam_T_vehicle)


def judged(clip: Clip, degrees: float) -> list[tuple[bool, bool, float, float]]:
    """Return of every vehicle: it drives, it is taken to, metres ahead when nearest, metres off."""
    camera = clip.frames[0].camera
    assert camera is not None
    frames = [replace(frame, camera=pitched(camera, degrees)) for frame in clip.frames]
    scene = scan_scene(frames, sequence_id="s", label_set=CITYSCAPES, fps=clip.fps)
    ego = ego_poses(scene.motions, clip.fps)
    found = []
    for one in sorted(scene.used_ids):
        class_id, index = divmod(one, INSTANCE_BASE)
        seen = scene.sightings.at(scene.sightings.instance_id == one)
        seen = seen.at(~is_cut(seen.box, SIZE_HW))
        if class_id not in VEHICLES or len(seen) < LEAST_SEEN:
            continue
        track = base_track(one, scene, ego, RoadPath.of(ego))
        nearest = int(seen.frame[seen.box[:, 3].argmax()])
        if track is None or (nearest, index) not in clip.places:
            continue
        away = track.at(np.array([float(nearest)]), clip.fps)[0, :2] - ego[nearest, :2]
        cosine, sine = np.cos(ego[nearest, 2]), np.sin(ego[nearest, 2])
        place = np.array([[cosine, sine], [-sine, cosine]]) @ away
        true = clip.places[nearest, index]
        off = float(np.linalg.norm(place - true))
        found.append((index >= FIRST_DRIVEN_INDEX, not track.stands, float(true[0]), off))
    return found


def main() -> None:
    """Print a row for every camera, of vehicles that stand and that drive."""
    clips = [rendered(*clip) for clip in CLIPS]
    print("camera wrong by | vehicles | taken to drive | near | off when nearest, median, p90")
    for degrees in PITCHES_DEG:
        by_truth = defaultdict(list)
        for drives, *rest in (one for clip in clips for one in judged(clip, degrees)):
            by_truth[drives].append(rest)
        for drives, rows in sorted(by_truth.items()):
            taken, ahead, off = np.array(rows, np.float64).T
            near = ahead < NEAR_M
            print(
                f"{degrees:+.2f} degrees | {len(rows)} {'driven' if drives else 'parked'} | "
                f"{taken.mean():.0%} | {taken[near].mean():.0%} of {near.sum()} | "
                f"{np.median(off[near]):.2f} m, {np.percentile(off[near], 90):.2f} m"
            )


if __name__ == "__main__":
    main()
