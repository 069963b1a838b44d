import re
from pathlib import Path

import pytest
import torch

from svsdata.errors import ConfigError
from svsdata.synthesis.compute import chosen_device, chosen_dtype, peak_bytes


def test_devices_are_named_as_torch_names_them() -> None:
    assert chosen_device("cpu") == torch.device("cpu")
    assert chosen_device("auto").type in ("cpu", "cuda")


@pytest.mark.parametrize("name", ["cuda:99", "toaster"])
def test_a_device_that_is_not_here_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"device '{name}' cannot be used: .*--device cpu"):
        chosen_device(name)


def test_precision_is_what_was_asked_for() -> None:
    cpu = torch.device("cpu")
    assert chosen_dtype("float32", cpu) == torch.float32
    assert chosen_dtype("bf16", cpu) == torch.bfloat16
    assert chosen_dtype("fp16", cpu) == torch.float16
    assert chosen_dtype("auto", cpu) in (torch.float32, torch.bfloat16)


def test_the_peak_of_memory_is_what_the_system_tells() -> None:
    told = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert told is not None
    assert peak_bytes(torch.device("cpu")) == pytest.approx(1024 * int(told[1]), rel=0.01)
