import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from svsdata.errors import LabelSetError, WeightsError
from svsdata.estimation.segmenter_checkpoints import class_ids, load_network
from svsdata.estimation.transformers_segmenter import TransformersSegmenter, task_outputs
from svsdata.labels import CITYSCAPES, CITYSCAPES_TRAIN, KITTI360

IMAGES = list(np.random.default_rng(0).integers(0, 255, (3, 64, 96, 3), dtype=np.uint8))


def segmenter(folder: Path, **settings) -> TransformersSegmenter:
    return TransformersSegmenter(load_network(str(folder), CITYSCAPES), CITYSCAPES, **settings)


def test_both_tasks_of_one_pixel_level_pass_equal_two_whole_passes_bit_for_bit(oneformer_folder):
    network = load_network(str(oneformer_folder), CITYSCAPES)
    pixels = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        shared = task_outputs(network, pixels)
        for task, tokens in network.task_tokens.items():
            whole = network.model(pixel_values=pixels, task_inputs=tokens.expand(2, -1))
            assert torch.equal(shared[task][0], whole.class_queries_logits)
            assert torch.equal(shared[task][1], whole.masks_queries_logits)
    assert not torch.equal(shared["semantic"][0], shared["instance"][0])


def test_task_tokens_are_those_of_the_checkpoints_own_processor(oneformer_folder):
    network = load_network(str(oneformer_folder), CITYSCAPES)
    tokenizer = transformers.CLIPTokenizer.from_pretrained(oneformer_folder)
    for task, tokens in network.task_tokens.items():
        words = tokenizer(f"the task is {task}", padding="max_length", max_length=77)
        expected = [i * m for i, m in zip(words["input_ids"], words["attention_mask"], strict=True)]
        assert tokens.tolist() == [expected]
        assert tokens.shape == (1, 77)


@pytest.mark.parametrize("name", ["oneformer", "mask2former", "segformer"])
def test_labels_are_ids_of_the_label_set_in_the_frames_size(name, request):
    found = segmenter(request.getfixturevalue(f"{name}_folder"))
    evaluated = [label.id for label in CITYSCAPES.labels if label.evaluated]
    for labels in found.segment(IMAGES):
        assert (labels.semantic.shape, labels.semantic.dtype) == ((64, 96), np.uint8)
        assert np.isin(labels.semantic, evaluated).all()
        assert (labels.confidence.shape, labels.confidence.dtype) == ((64, 96), np.uint8)
        assert labels.confidence.min() > 0
        assert (labels.instance is not None) == found.has_instances == (name != "segformer")


@pytest.mark.parametrize("name", ["oneformer", "mask2former", "segformer"])
def test_a_batch_gives_what_its_frames_give_alone(name, request):
    found = segmenter(request.getfixturevalue(f"{name}_folder"))
    batch = found.segment(IMAGES)
    for image, labels in zip(IMAGES, batch, strict=True):
        (alone,) = found.segment([image])
        # Sums of another order: a few pixels on class borders may flip.
        assert (alone.semantic != labels.semantic).mean() < 0.01


def test_the_network_sees_the_height_that_was_asked_for(oneformer_folder):
    found = segmenter(oneformer_folder, input_height=130)
    seen = []
    found._network.model.model.pixel_level_module.register_forward_pre_hook(
        lambda _, inputs: seen.append(tuple(inputs[0].shape))
    )
    (labels,) = found.segment(IMAGES[:1])
    assert seen == [(1, 3, 128, 192)]
    assert labels.semantic.shape == (64, 96)


def test_half_precision_changes_few_labels_and_is_told(oneformer_folder):
    whole, half = segmenter(oneformer_folder), segmenter(oneformer_folder, precision="bfloat16")
    (expected,), (got,) = whole.segment(IMAGES[:1]), half.segment(IMAGES[:1])
    assert (expected.semantic != got.semantic).mean() < 0.1
    assert "bfloat16" in half.description
    assert "sha256=" in half.description


def test_a_moved_folder_in_the_hubs_old_layout_still_loads(oneformer_folder, tmp_path):
    moved = shutil.copytree(oneformer_folder, tmp_path / "moved")
    network, original = (load_network(str(it), CITYSCAPES) for it in (moved, oneformer_folder))
    assert network.task_tokens["instance"].equal(original.task_tokens["instance"])
    assert network.description.split()[1] == original.description.split()[1]


def test_classes_are_mapped_by_name_whatever_their_order():
    names = [label.name for label in CITYSCAPES_TRAIN.labels]
    shuffled = {index: name.upper().replace(" ", "_") for index, name in enumerate(names[::-1])}
    for label_set in (CITYSCAPES, KITTI360, CITYSCAPES_TRAIN):
        expected = [label_set.by_name[name].id for name in names[::-1]]
        assert class_ids(shuffled, label_set, "net") == expected


def test_classes_without_counterpart_are_listed():
    with pytest.raises(LabelSetError, match=r"2 of its 3 classes .*: crane, lake; take"):
        class_ids({0: "road", 1: "lake", 2: "crane"}, CITYSCAPES, "net")


def test_a_semantic_mask2former_tells_no_instances(mask2former_folder, tmp_path):
    moved = shutil.copytree(mask2former_folder, tmp_path / "mask2former-cityscapes-semantic")
    assert not segmenter(moved).has_instances
    assert segmenter(mask2former_folder).has_instances


def test_what_cannot_be_used_is_one_line_that_says_what_to_do(oneformer_folder, tmp_path):
    for path in ("/nosuch", "./nosuch", "some/where/else", str(tmp_path / "none")):
        with pytest.raises(WeightsError, match="no such folder, and no name") as missing:
            load_network(path, CITYSCAPES)
        assert "hf download" not in str(missing.value)
    with pytest.raises(WeightsError, match="fetch it once with 'hf download no/such'"):
        load_network("no/such", CITYSCAPES)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(WeightsError, match=r"no config\.json"):
        load_network(str(empty), CITYSCAPES)
    transformers.BertConfig().save_pretrained(tmp_path / "bert")
    with pytest.raises(WeightsError, match="a 'bert' network; supported are oneformer, mask2"):
        load_network(str(tmp_path / "bert"), CITYSCAPES)
    for missing in ("vocab.json", "preprocessor_config.json", "model.safetensors"):
        folder = shutil.copytree(oneformer_folder, tmp_path / missing.partition(".")[0])
        (folder / missing).unlink()
        with pytest.raises(WeightsError) as error:
            load_network(str(folder), CITYSCAPES)
        assert "\n" not in str(error.value)
    cut = shutil.copytree(oneformer_folder, tmp_path / "cut") / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:2000])
    with pytest.raises(WeightsError, match="fetch them again, whole"):
        load_network(str(cut.parent), CITYSCAPES)


def test_dinat_gets_a_clear_error(oneformer_folder, tmp_path):
    config = transformers.OneFormerConfig.from_pretrained(oneformer_folder)
    config.backbone_config = transformers.DinatConfig()
    config.save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="DiNAT backbone needs NATTEN"):
        load_network(str(tmp_path), CITYSCAPES)


def test_weights_of_another_network_are_refused(oneformer_folder, segformer_folder, tmp_path):
    folder = shutil.copytree(oneformer_folder, tmp_path / "mixed")
    shutil.copy(segformer_folder / "model.safetensors", folder / "model.safetensors")
    with pytest.raises(WeightsError, match="weights are missing, such as"):
        load_network(str(folder), CITYSCAPES)
