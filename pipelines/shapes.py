"""Harvest a shape library: outlines of real objects out of labelled stores."""

from collections import Counter
from dataclasses import replace

import numpy as np
from pydantic import BaseModel, ConfigDict

from svsdata.editing.placement import ego_poses
from svsdata.editing.shape_harvest import DONOR_CLASSES, Harvest, Origin
from svsdata.editing.shape_library import (
    DonorTrack,
    ShapeLibrary,
    read_library,
    write_library,
)
from svsdata.errors import ConfigError, StoreError
from svsdata.geometry.ego_motion import clean_ego_motions
from svsdata.pipelines.configs.shapes import ShapesConfig
from svsdata.progress import Progress
from svsdata.records import EgoMotion
from svsdata.store.files import writing
from svsdata.store.reader import StoreReader


class LibraryResult(BaseModel):
    """What a shape library holds."""

    model_config = ConfigDict(frozen=True)

    library: str
    objects: dict[str, int]
    """Donors by class."""
    silhouettes: dict[str, int]
    """Moments of them by class."""
    licences: dict[str, str]
    """Terms by dataset."""
    added: int = 0
    """Donors taken by this run."""


def run_harvest(config: ShapesConfig, progress: Progress) -> LibraryResult:
    """Take every object that is seen whole and moves, and write the library.

    Raises:
        ConfigError: If a class has no donors, or the library is a folder.
        StoreError: If a sequence is unknown, or has no camera or lasting ids, or the library cannot
            be written.
        SourceError: If the library exists and cannot be read.
    """
    unknown = [name for name in config.classes if name not in DONOR_CLASSES]
    if unknown:
        raise ConfigError(
            f"classes: no donors are taken of {', '.join(unknown)}; "
            f"they can be of: {', '.join(DONOR_CLASSES)}"
        )
    if config.library.is_dir():
        raise ConfigError(
            f"'{config.library}' is a folder; name the file of the library, such as "
            f"{config.library / 'shapes.parquet'}"
        )
    library = read_library(config.library) if config.library.exists() else ShapeLibrary(())
    reader = StoreReader(config.store)
    sequences = config.sequences or reader.sequence_ids
    progress.start("harvest", sum(reader.sequence(one).num_frames for one in sequences))
    found: list[DonorTrack] = []
    for sequence_id in sequences:
        donors = _donors_of(reader, sequence_id, config, progress)
        progress.note(f"{sequence_id}: {len(donors)} objects")
        found += donors
    merged = library.merged(found)
    with writing(config.library):
        write_library(config.library, merged)
    return summary(merged, str(config.library), added=len(found))


def summary(library: ShapeLibrary, path: str, *, added: int = 0) -> LibraryResult:
    """Count what a library holds."""
    moments: Counter[str] = Counter()
    for track in library.tracks:
        moments[track.class_name] += len(track.masks)
    return LibraryResult(
        library=path,
        objects=dict(sorted(Counter(track.class_name for track in library.tracks).items())),
        silhouettes=dict(sorted(moments.items())),
        licences={track.dataset: track.licence for track in library.tracks},
        added=added,
    )


def _donors_of(
    reader: StoreReader, sequence_id: str, config: ShapesConfig, progress: Progress
) -> list[DonorTrack]:
    sequence = reader.sequence(sequence_id)
    where = f"store '{reader.path}', sequence '{sequence_id}'"
    if sequence.instance_scope != "sequence":
        raise StoreError(
            f"{where}: instance ids must last over the sequence to follow objects, they hold for "
            f"'{sequence.instance_scope}'; label it with instances and flow"
        )
    harvest: Harvest | None = None
    motions: list[EgoMotion] = []
    for frame in reader.read(sequence_id, layers=("semantic", "instance")):
        if frame.camera is None:
            raise StoreError(f"{where}: frame {frame.frame_index} has no camera; label it again")
        if harvest is None:
            harvest = Harvest(frame.camera, reader.info.label_set, config.classes)
        harvest.add(frame)
        motions.append(frame.ego or EgoMotion(0.0, 0.0, "assumed"))
        progress.advance()
    assert harvest is not None
    ego = ego_poses(clean_ego_motions(motions), sequence.fps)
    dataset = sequence.details.get("source_kind", "unknown")
    licence = "; ".join(reader.info.licences.values()) or "unknown"
    origin = Origin(dataset, sequence_id, licence)
    donors = harvest.tracks(ego, sequence.fps, origin)
    return [_thinned(donor, config.most_moments) for donor in donors]


def _thinned(track: DonorTrack, most: int) -> DonorTrack:
    """Keep at most so many moments, evenly spread."""
    count = len(track.masks)
    kept = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
    return replace(
        track,
        frame_index=track.frame_index[kept],
        view_rad=track.view_rad[kept],
        depth_m=track.depth_m[kept],
        masks=tuple(track.masks[k] for k in kept),
    )
