"""Time of FlowNet2 on the CPU: python benchmarks/flownet2.py [WIDTHxHEIGHT] [THREADS]

Prints the best of three in seconds: wall, and processor time of this thread, which means
something with one thread only but then hardly notices other work. Weights are random.
"""

import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from svsdata.nets.flownet2.correlation import correlation
from svsdata.nets.flownet2.flownet2 import FlowNet2


def best(call: Callable[[], object]) -> str:
    walls, processor = [], []
    for _ in range(3):
        wall, own = time.perf_counter(), time.thread_time()
        call()
        walls.append(time.perf_counter() - wall)
        processor.append(time.thread_time() - own)
    return f"wall {min(walls):7.3f}  processor {min(processor):7.3f}"


@torch.inference_mode()
def main(size: str = "512x256", threads: str = "1") -> None:
    torch.set_num_threads(int(threads))
    width, height = map(int, size.split("x"))
    first, second = (torch.rand(2, 1, 3, height, width) * 255).unbind()
    network = FlowNet2().requires_grad_(False)
    print("float32, channels first  ", best(lambda: network(first, second)))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    print("float32                  ", best(lambda: network(first, second)))
    print("float32, both directions ", best(lambda: network.both(first, second)))
    network.to_bfloat16()
    print("bfloat16                 ", best(lambda: network(first, second)))
    print("bfloat16, both directions", best(lambda: network.both(first, second)))
    features: Tensor = torch.rand(1, 256, height // 8, width // 8)
    features = features.to(memory_format=torch.channels_last)
    print("correlation              ", best(lambda: correlation(features, features)))


if __name__ == "__main__":
    main(*sys.argv[1:])
