"""Random networks of transformers, a few hundred thousand weights, saved as users have them."""

import json
from pathlib import Path

import pytest
import torch
import transformers
from tokenizers.pre_tokenizers import ByteLevel

from svsdata.labels import CITYSCAPES_TRAIN

CLASSES = [label.name for label in CITYSCAPES_TRAIN.labels]
NAMES = {
    "id2label": dict(enumerate(CLASSES)),
    "label2id": {name: index for index, name in enumerate(CLASSES)},
}
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def backbone() -> transformers.SwinConfig:
    return transformers.SwinConfig(
        embed_dim=12,
        depths=[1, 1, 1, 1],
        num_heads=[1, 2, 3, 4],
        window_size=4,
        image_size=64,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )


def save(folder: Path, model: transformers.PreTrainedModel) -> Path:
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    settings = {"image_mean": MEAN, "image_std": STD}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def save_tokenizer(folder: Path) -> None:
    """Write a tokenizer of single bytes, as CLIP's vocabulary begins."""
    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")


@pytest.fixture(scope="session")
def oneformer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("oneformer")
    config = transformers.OneFormerConfig(
        backbone_config=backbone(),
        num_queries=8,
        hidden_dim=32,
        mask_dim=32,
        conv_dim=32,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        encoder_layers=1,
        decoder_layers=2,
        query_dec_layers=1,
        num_attention_heads=2,
        text_encoder_width=32,
        text_encoder_num_layers=1,
        text_encoder_vocab_size=514,
        text_encoder_n_ctx=4,
        use_auxiliary_loss=False,
        **NAMES,
    )
    torch.manual_seed(0)
    save(folder, transformers.OneFormerForUniversalSegmentation(config))
    save_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def mask2former_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = transformers.Mask2FormerConfig(
        backbone_config=backbone(),
        num_queries=8,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        **NAMES,
    )
    torch.manual_seed(0)
    model = transformers.Mask2FormerForUniversalSegmentation(config)
    return save(tmp_path_factory.mktemp("mask2former-panoptic"), model)


@pytest.fixture(scope="session")
def segformer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = transformers.SegformerConfig(
        hidden_sizes=[8, 8, 8, 8],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 1, 1],
        decoder_hidden_size=8,
        **NAMES,
    )
    torch.manual_seed(0)
    model = transformers.SegformerForSemanticSegmentation(config)
    return save(tmp_path_factory.mktemp("segformer"), model)
