"""Two processes that join what they computed apart."""

import os
import socket
import subprocess
import sys

import pytest
import torch

from svsdata.errors import ProcessError, StoreError
from svsdata.training.processes import WHOLE, Share


def in_two(code):
    """Run code in two joined processes, with ``share`` theirs; return exit codes and outputs."""
    joined = "import os, torch\nfrom torch import nn\n"
    joined += "from svsdata.training.processes import joined\n"
    joined += 'with joined(os.environ, "cpu") as share:\n'
    joined += "".join(f"    {line}\n" for line in code.strip().splitlines())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", joined],
            env={
                **os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    told = [process.communicate(timeout=120) for process in processes]
    return [process.returncode for process in processes], told


_GRADIENTS = """
networks = nn.ModuleDict({name: nn.Linear(2, 1, bias=False) for name in ("both", "one", "none")})
frozen = nn.Linear(2, 1, bias=False).requires_grad_(False)
def compute(x, uses, reaches):
    out = {"lost": networks["none"](x).sum() if reaches else None}
    out["kept"] = sum(networks["both"](x).sum() for _ in range(uses)) + frozen(x).sum()
    if share.is_first:
        out["kept"] = out["kept"] + 2 * networks["one"](x).sum()
    return out
learning = share.learning(compute, networks, frozen)
x = torch.tensor([[1.0 + share.index, -1.0]])
for uses, reaches in ((1, False), (3, True)):
    learning(x, uses, reaches)  # without a way back: another step's
    learning(x, uses, reaches)["kept"].backward()
    print([None if (grad := it.weight.grad) is None else grad.tolist() for it in networks.values()])
    networks.zero_grad()
"""


def test_all_processes_have_the_mean_gradients_of_what_any_of_them_reached():
    codes, told = in_two(_GRADIENTS)
    once = [[[1.5, -1.0]], [[1.0, -1.0]], None]
    thrice = [[[4.5, -3.0]], [[1.0, -1.0]], None]
    assert codes == [0, 0], told
    assert [out.splitlines() for out, _ in told] == [[str(once), str(thrice)]] * 2
    assert [errors for _, errors in told] == ["", ""]  # torch has nothing to warn of


def test_a_process_alone_computes_as_ever():
    layer = torch.nn.Linear(2, 1)
    assert WHOLE.learning(layer.forward, layer) == layer.forward


_FIRST_ALONE = """
import time
from svsdata.errors import SvsDataError
done = []
def work():
    time.sleep(0.2)
    done.append(share.index)
    if {fails}:
        raise ValueError("disk full")
try:
    share.first_alone(work, torch.device("cpu"))
    print("went on", done)
except (SvsDataError, ValueError) as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("fails", "told"),
    [
        (False, ["went on [0]", "went on []"]),
        (True, ["disk full", "the first process of this run stopped, and tells why"]),
    ],
)
def test_all_stop_where_the_first_process_fails_alone(fails, told):
    codes, outputs = in_two(_FIRST_ALONE.format(fails=fails))
    assert codes == [0, 0]
    assert [out.strip() for out, _ in outputs] == told


def test_a_process_alone_works_and_fails_as_ever():
    done = []
    WHOLE.first_alone(lambda: done.append(1), torch.device("cpu"))
    assert done == [1]
    with pytest.raises(ZeroDivisionError):
        WHOLE.first_alone(lambda: 1 // 0, torch.device("cpu"))


_SUMMED = "share.summed(torch.ones(()))"
_BACK = """
network = nn.Linear(2, 1)
learning = share.learning(lambda x: network(x).sum(), network)
learning(torch.ones(1, 2)).backward()
"""


@pytest.mark.parametrize("work", [_SUMMED, _BACK])
def test_a_process_that_is_left_alone_says_so(work):
    killed = "if not share.is_first:\n    os._exit(9)"
    codes, (told, _) = in_two(f"{work}\n{killed}\n{work}")
    assert codes == [1, 9]
    last = told[1].strip().splitlines()[-1]
    assert last.endswith(
        "svsdata.errors.SvsDataError: another process of this run has ended, and tells why unless "
        "it was killed; the same command goes on from the last checkpoint"
    )


def test_an_error_of_its_own_stays_what_it_is():
    codes, told = in_two("raise RuntimeError('no such layer')")
    assert codes == [1, 1]
    for _, errors in told:
        assert errors.strip().splitlines()[-1].endswith("]: RuntimeError: no such layer")


def test_what_a_process_does_on_its_own_fails_in_its_name():
    def with_name(share):
        with share.on_its_own():
            raise StoreError("part-00000: damaged")

    with pytest.raises(ProcessError, match=r"^rank 2: part-00000: damaged$"):
        with_name(Share(2, 4))
    with pytest.raises(StoreError, match=r"^part-00000: damaged$"):
        with_name(WHOLE)


def test_shares_are_equal_parts_in_order():
    assert [Share(index, 2).rows(6) for index in range(2)] == [slice(0, 3), slice(3, 6)]
