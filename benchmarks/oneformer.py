"""What one pass of OneFormer for both tasks saves: python benchmarks/oneformer.py [WIDTHxHEIGHT]

Random weights of the Swin-T configuration with 150 queries, one thread. Prints the processor time
of both tasks in one pass of backbone and pixel decoder, of two whole passes, and the part of
post-processing, best of three each; processor time hardly notices other work.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
import transformers

from svsdata.estimation.segmenter_checkpoints import Network
from svsdata.estimation.transformers_segmenter import TransformersSegmenter, task_outputs
from svsdata.labels import CITYSCAPES, CITYSCAPES_TRAIN

NUM_QUERIES = 150


def best(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(3):
        began = time.thread_time()
        call()
        seconds.append(time.thread_time() - began)
    return min(seconds)


def random_network() -> Network:
    names = [label.name for label in CITYSCAPES_TRAIN.labels]
    config = transformers.OneFormerConfig(
        backbone_config=transformers.SwinConfig(
            embed_dim=96,
            depths=[2, 2, 6, 2],
            num_heads=[3, 6, 12, 24],
            window_size=7,
            out_features=["stage1", "stage2", "stage3", "stage4"],
        ),
        num_queries=NUM_QUERIES,
        id2label=dict(enumerate(names)),
        label2id={name: index for index, name in enumerate(names)},
    )
    torch.manual_seed(0)
    model = transformers.OneFormerForUniversalSegmentation(config).eval()
    ids = [CITYSCAPES.by_name[name].id for name in names]
    return Network(
        model=model,
        family="oneformer",
        description="random",
        to_label_id=torch.tensor(ids, dtype=torch.uint8),
        things=tuple(range(11, 19)),
        mean=torch.full((3, 1, 1), 0.45),
        std=torch.full((3, 1, 1), 0.22),
        task_tokens={
            task: torch.randint(1, 500, (1, 77), generator=torch.Generator().manual_seed(seed))
            for seed, task in enumerate(("semantic", "instance"))
        },
    )


@torch.inference_mode()
def main(size: str = "512x256") -> None:
    torch.set_num_threads(1)
    width, height = map(int, size.split("x"))
    network = random_network()
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    pixels = torch.rand(1, 3, height, width)

    def two_passes() -> list[torch.Tensor]:
        return [
            network.model(pixel_values=pixels, task_inputs=tokens).masks_queries_logits
            for tokens in network.task_tokens.values()
        ]

    once = task_outputs(network, pixels)
    masks = [masks for _, masks in once.values()]
    equal = all(torch.equal(*pair) for pair in zip(masks, two_passes(), strict=True))
    one, two = best(lambda: task_outputs(network, pixels)), best(two_passes)
    segmenter = TransformersSegmenter(network, CITYSCAPES)
    whole = best(lambda: segmenter.segment([image]))
    print(f"{width}x{height}: one pass {one:.2f} s, two passes {two:.2f} s, ratio {one / two:.2f}")
    print(f"equal bit for bit: {equal}; with input and post-processing {whole:.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
