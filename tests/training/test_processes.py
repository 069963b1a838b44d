"""Two processes that join what they computed apart."""

import socket
import subprocess
import sys

import torch

from svsdata.training.processes import WHOLE

_PROCESS = """
import os, sys, torch
from torch import nn
from svsdata.training.processes import joined

with joined(os.environ, "cpu") as share:
    network = nn.ModuleDict({name: nn.Linear(2, 1, bias=False) for name in ("both", "one", "none")})
    network["both"].weight.grad = torch.full((1, 2), 1.0 + share.index)
    if share.is_first:
        network["one"].weight.grad = torch.tensor([[4.0, -2.0]])
    share.average_gradients(network)
    assert network["none"].weight.grad is None
    both, one = (network[name].weight.grad.tolist() for name in ("both", "one"))
    print(both, one)
"""


def test_a_gradient_that_one_process_lacks_is_zero_there():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PROCESS],
            env={
                "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    told = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert told == ["[[1.5, 1.5]] [[2.0, -1.0]]"] * 2


def test_a_process_alone_keeps_its_gradients():
    layer = torch.nn.Linear(2, 1)
    layer.weight.grad = torch.ones(1, 2)
    WHOLE.average_gradients(layer)
    assert layer.weight.grad.tolist() == [[1.0, 1.0]]
    assert layer.bias.grad is None
