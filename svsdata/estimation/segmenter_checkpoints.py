"""Segmentation checkpoints of transformers, from a folder or the hub's cache.

Nothing is downloaded unless asked for, and no class is mapped but by its name.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import transformers
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError
from torch import Tensor, nn

from svsdata.errors import LabelSetError, WeightsError
from svsdata.labels import LabelSet

_MODELS = {
    "oneformer": transformers.OneFormerForUniversalSegmentation,
    "mask2former": transformers.Mask2FormerForUniversalSegmentation,
    "segformer": transformers.SegformerForSemanticSegmentation,
}

_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class Network:
    """A checkpoint ready to run."""

    model: nn.Module
    family: str
    description: str
    to_label_id: Tensor
    """(K,) uint8: the label id of each class of the checkpoint."""
    things: tuple[int, ...]
    """Classes with instances; empty where the checkpoint tells none apart."""
    mean: Tensor
    """(3, 1, 1) of RGB in 0..1, as is ``std``."""
    std: Tensor
    task_tokens: Mapping[str, Tensor]
    """OneFormer's (1, 77) int64 task inputs; empty for the others."""


def load_network(
    name: str, label_set: LabelSet, *, device: str = "cpu", download: bool = False
) -> Network:
    """Load a checkpoint from a folder, or by its hub name from the local cache.

    Args:
        name: A folder, or a name such as ``shi-labs/oneformer_cityscapes_swin_large``.
        label_set: What its classes are mapped to, by name.
        device: Where it runs.
        download: Fetch it from the hub where the cache lacks it.

    Raises:
        WeightsError: If it is not there, incomplete, or of a family that is not supported.
        LabelSetError: If classes have no counterpart in the label set; lists them.
    """
    folder = _folder(name, download=download)
    config = _config(folder)
    to_label_id = class_ids(config.id2label, label_set, name)
    model = _model(folder, config)
    settings = _image_settings(folder)
    tells_instances = config.model_type != "segformer" and "semantic" not in Path(name).name
    things = [i for i, label in enumerate(to_label_id) if label in label_set.thing_ids]
    return Network(
        model=model.to(device),
        family=config.model_type,
        description=f"{name} sha256={_weights_hash(folder)}",
        to_label_id=torch.tensor(to_label_id, dtype=torch.uint8, device=device),
        things=tuple(things) if tells_instances else (),
        mean=_per_channel(settings["image_mean"], device),
        std=_per_channel(settings["image_std"], device),
        task_tokens=(
            {task: _task_tokens(folder, task).to(device) for task in ("semantic", "instance")}
            if config.model_type == "oneformer"
            else {}
        ),
    )


def class_ids(id2label: Mapping[int, str], label_set: LabelSet, name: str) -> list[int]:
    """Map a checkpoint's classes to a label set by their names; case and ``_`` do not matter.

    Raises:
        LabelSetError: Listing the classes without a counterpart.
    """
    by_name = {label.name: label.id for label in label_set.labels}
    plain = {int(i): text.lower().replace("_", " ") for i, text in id2label.items()}
    unmapped = sorted(text for text in plain.values() if text not in by_name)
    if unmapped:
        raise LabelSetError(
            f"{name}: {len(unmapped)} of its {len(plain)} classes are not in label set "
            f"'{label_set.name}': {', '.join(unmapped)}; take a checkpoint trained on Cityscapes"
        )
    return [by_name[plain[i]] for i in range(len(plain))]


def _folder(name: str, *, download: bool) -> Path:
    if Path(name).is_dir():
        return Path(name)
    try:
        return Path(
            snapshot_download(
                name,
                local_files_only=not download,
                allow_patterns=["*.json", "*.txt", "*.safetensors", "pytorch_model*.bin"],
            )
        )
    except HFValidationError as error:
        raise WeightsError(
            f"segmenter '{name}': no such folder, and no name of the Hugging Face hub either, such "
            "as nvidia/segformer-b5-finetuned-cityscapes-1024-1024"
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError) as error:
        raise WeightsError(
            f"segmenter '{name}': neither a folder nor in the local cache of the Hugging Face hub; "
            f"fetch it once with 'hf download {name}' (label also takes --set download=true)"
        ) from error


def _config(folder: Path) -> Any:
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder}: no config.json of transformers ({error})") from error
    if config.model_type not in _MODELS:
        raise WeightsError(
            f"{folder}: a '{config.model_type}' network; supported are {', '.join(_MODELS)}"
        )
    backbone = getattr(config, "backbone_config", None)
    if backbone is not None and backbone.model_type == "dinat":
        raise WeightsError(
            f"{folder}: its DiNAT backbone needs NATTEN 0.17 or older, a compiled CUDA package "
            "that is not supported; take the Swin checkpoint, such as "
            "shi-labs/oneformer_cityscapes_swin_large"
        )
    return config


def _model(folder: Path, config: Any) -> nn.Module:
    config.output_hidden_states = config.output_attentions = False
    transformers.utils.logging.disable_progress_bar()  # the library's bars ignore --quiet
    try:
        model, loaded = _MODELS[config.model_type].from_pretrained(
            folder, config=config, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError, UnpicklingError) as error:
        raise WeightsError(
            f"{folder}: weights cannot be loaded ({error}); fetch them again, whole"
        ) from error
    missing = sorted(loaded["missing_keys"])
    if missing:
        raise WeightsError(
            f"{folder}: {len(missing)} weights are missing, such as {missing[0]}; "
            "the file is incomplete or of another network"
        )
    return model.eval()


def _image_settings(folder: Path) -> Mapping[str, Any]:
    """Return the image processor's settings, of the old layout or nested in the new one."""
    for file in ("preprocessor_config.json", "processor_config.json"):
        if (folder / file).is_file():
            content = json.loads((folder / file).read_text("utf-8"))
            settings = content.get("image_processor", content)
            if "image_mean" in settings and "image_std" in settings:
                return settings
    raise WeightsError(f"{folder}: preprocessor_config.json with image_mean and image_std missing")


def _per_channel(values: Sequence[float], device: str) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device).reshape(3, 1, 1)


def _task_tokens(folder: Path, task: str) -> Tensor:
    """Tokenize the sentence OneFormer was trained with; padding counts as token 0."""
    try:
        tokenizer = transformers.CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{folder}: OneFormer's tokenizer is missing, vocab.json and merges.txt ({error})"
        ) from error
    tokens = tokenizer(
        [f"the task is {task}"],
        padding="max_length",
        max_length=77,
        truncation=True,
        return_tensors="pt",
    )
    return tokens["input_ids"] * tokens["attention_mask"]


def _weights_hash(folder: Path) -> str:
    """Return the first 12 digits of the sha256 over the weight files."""
    digest = hashlib.sha256()
    files = [folder / name for name in _WEIGHT_FILES if (folder / name).is_file()]
    for file in files or sorted(folder.glob("*.safetensors")):
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()[:12]
