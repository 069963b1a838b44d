"""What is measured and shown of the synthetic store: in one go, or of parts that are joined."""

import json
from collections.abc import Sequence

import numpy as np
from pydantic import TypeAdapter

from svsdata.evaluation.clip_figures import Judges, StoreFigures
from svsdata.evaluation.kept_figures import Arrays, arrays_of, take_up
from svsdata.evaluation.showcase import Showcase
from svsdata.pipelines.configs.evaluate import EvaluateConfig
from svsdata.pipelines.evaluation_clips import base_sequence, clips
from svsdata.pipelines.evaluation_gallery import Gallery, edit_names
from svsdata.pipelines.evaluation_kept import Kept, KeptFigures, shared_basis
from svsdata.progress import Progress
from svsdata.store.files import sha256_of
from svsdata.store.format import STORE_FILE
from svsdata.store.reader import StoreReader

_SHOWCASE = "showcase"
_SHOWCASES = TypeAdapter(Showcase)


def measure_synthetic(
    synthetic: StoreReader,
    real: StoreReader,
    sequence_ids: Sequence[str],
    judges: Judges,
    config: EvaluateConfig,
    progress: Progress,
) -> tuple[StoreFigures, Showcase]:
    """Measure sequences of the synthetic store, as far as no part of it was measured and kept.

    Returns:
        Their figures, without distances to usual colours, and what is worth showing.

    Raises:
        ConfigError: If no frame of the store counts.
    """
    files = _files(synthetic, real, judges, config)
    contents = {name: _content(synthetic, real, name) for name in sequence_ids}
    taken = files.take(contents.values(), progress)
    known = frozenset().union(*(part.sequences for part in taken))
    missing = [name for name, content in contents.items() if content not in known]
    if taken:
        progress.note(
            f"taken up from '{config.kept_figures}': {len(contents) - len(missing)} of "
            f"{len(contents)} sequences of '{synthetic.path}'"
        )
    figures = StoreFigures(synthetic.info.label_set, judges, config.curve_frames)
    showcase = Showcase(config.gallery_clips)
    for part in taken:
        of_part = StoreFigures(figures.label_set, judges, figures.bin_frames)
        for metric in judges.measures():
            take_up(of_part, metric, _of_metric(part.arrays, metric))
        figures.merge(of_part)
        showcase = showcase.joined(_SHOWCASES.validate_json(part.arrays[_SHOWCASE].tobytes()))
    if missing:
        gallery = Gallery(config.gallery_clips, figures.label_set, edit_names(synthetic))
        measured = StoreFigures(figures.label_set, judges, figures.bin_frames)
        size_hw = synthetic.info.size_hw
        for clip in clips(synthetic, real, missing, size_hw, config, progress):
            gallery.add(measured.add(clip))
        figures.merge(measured)
        showcase = showcase.joined(gallery.showcase(synthetic.info.fps))
    if missing and config.part is not None:
        arrays = {_SHOWCASE: np.frombuffer(_SHOWCASES.dump_json(showcase), np.uint8).copy()}
        for metric in judges.measures():
            arrays |= {f"{metric}/{key}": it for key, it in arrays_of(figures, metric).items()}
        files.keep(Kept(frozenset(contents.values()), arrays), progress)
    return figures, showcase


def _files(
    synthetic: StoreReader, real: StoreReader, judges: Judges, config: EvaluateConfig
) -> KeptFigures:
    """Return where parts are kept, and all that their figures depend on."""
    basis = {
        "stores": [sha256_of(store.path / STORE_FILE) for store in (synthetic, real)],
        "judges": judges.told(),
        "measures": judges.measures(),
        "gallery_clips": config.gallery_clips,
        **shared_basis(synthetic.info.size_hw, config),
    }
    told = f"a part of '{synthetic.path}'"
    return KeptFigures(config.kept_figures, "synthetic", json.dumps(basis), told)


def _content(synthetic: StoreReader, real: StoreReader, name: str) -> str:
    """Return what identifies a sequence and the recording that it is compared with."""
    base = base_sequence(synthetic, real, name)
    recorded = "" if base is None else real.content_hash(base)
    return f"{name} {synthetic.content_hash(name)} {recorded}"


def _of_metric(arrays: Arrays, metric: str) -> Arrays:
    prefix = f"{metric}/"
    return {key.removeprefix(prefix): it for key, it in arrays.items() if key.startswith(prefix)}
