"""Training on several processes as if it were one: each has a share of a step's clips.

Gradients, counts and figures are joined by sums and means, so that N processes with a clip each
take the step that one process takes with N clips, up to rounding. All draw the same random numbers.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from svsdata.errors import ConfigError, ProcessError, SvsDataError

Result = TypeVar("Result")


@dataclass(frozen=True)
class Share:
    """Which part of a step's clips a process has, of equal ones."""

    index: int
    count: int

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self.index == 0

    def rows(self, total: int) -> slice:
        """Return the rows of a step's batch that are this process's."""
        size = total // self.count
        return slice(self.index * size, (self.index + 1) * size)

    def summed(self, tensor: Tensor) -> Tensor:
        """Return the sum of all processes' tensors."""
        if self.count == 1:
            return tensor
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    def averaged(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the means of all processes' scalars."""
        if self.count == 1 or not values:
            return dict(values)
        total = self.summed(torch.stack([*values.values()]).detach().float()) / self.count
        return dict(zip(values, total, strict=True))

    def learning(
        self, compute: Callable[..., Result], *networks: nn.Module
    ) -> Callable[..., Result]:
        """Return a computation on whose way back networks get the mean gradients of all processes.

        A parameter that only some processes reach in a step has gradient zero in the others: a
        motion network is not asked where the flow of all clips of a process is known. One that none
        reaches has no gradient.

        Args:
            compute: Called once before each way back; may use the networks as often as it likes.
            networks: All that learn in it, with the layers that are to learn already chosen.
        """
        if self.count == 1:
            return compute
        # looking for unreached parameters also keeps buckets as they are: a run that goes on sums
        # in the order in which it would have
        return DistributedDataParallel(
            _Computation(compute, networks),
            find_unused_parameters=True,
            gradient_as_bucket_view=True,
        )

    def gathered(self, rows: Tensor) -> Tensor:
        """Join all processes' rows, in order."""
        if self.count == 1:
            return rows
        parts = [torch.empty_like(rows) for _ in range(self.count)]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    def any(self, flag: bool, device: torch.device) -> bool:
        """Tell whether a flag is set in any process."""
        if self.count == 1:
            return flag
        return bool(self.summed(torch.tensor(float(flag), device=device)) > 0)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            dist.barrier()

    def first_alone(self, work: Callable[[], None], device: torch.device) -> None:
        """Let the first process do what the others wait for.

        Raises:
            SvsDataError: In the others, where the work failed; what it raised, in the first.
        """
        failed = True
        try:
            if self.is_first:
                work()
            failed = False
        finally:
            failed = self.any(failed, device)
        if failed:
            raise SvsDataError("the first process of this run stopped, and tells why")

    @contextmanager
    def on_its_own(self) -> Iterator[None]:
        """Do what no other process does: an error tells whose it is.

        Raises:
            ProcessError: In place of any ``SvsDataError``, where there are other processes.
        """
        try:
            yield
        except SvsDataError as error:
            if self.count == 1:
                raise
            raise ProcessError(f"rank {self.index}: {error}") from error


WHOLE = Share(0, 1)
"""Of a run on one process."""


class _Computation(nn.Module):
    """A function as the forward pass of all networks that learn in it."""

    def __init__(self, compute: Callable[..., Any], networks: tuple[nn.Module, ...]) -> None:
        super().__init__()
        self.compute = compute
        self.networks = nn.ModuleList(networks)
        # never reached: where all are, torch warns once that it looked for such parameters
        device = next(self.networks.parameters()).device
        self.unreached = nn.Parameter(torch.zeros((), device=device))

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self.compute(*inputs, **options)


@contextmanager
def joined(environment: Mapping[str, str], device_type: str) -> Iterator[Share]:
    """Join the processes that torchrun started; without it there is one.

    Args:
        environment: What torchrun sets: ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``; or nothing.
        device_type: ``cuda`` talks through NCCL, ``cpu`` through Gloo.

    Raises:
        SvsDataError: If another process has ended before its work was done.
    """
    if int(environment.get("WORLD_SIZE", "1")) < 2:
        yield WHOLE
        return
    if device_type == "cuda":
        torch.cuda.set_device(int(environment["LOCAL_RANK"]))
    dist.init_process_group("nccl" if device_type == "cuda" else "gloo")
    try:
        yield Share(dist.get_rank(), dist.get_world_size())
    except RuntimeError as error:
        # Gloo has no errors of its own: what it raises names its place in the source
        if isinstance(error, dist.DistError) or "gloo/transport" in str(error):
            raise SvsDataError(
                "another process of this run has ended, and tells why unless it was killed; the "
                "same command goes on from the last checkpoint"
            ) from error
        raise
    finally:
        dist.destroy_process_group()


def check_shares(batch_sizes: list[int], share: Share) -> None:
    """Refuse batches that cannot be shared out evenly.

    Raises:
        ConfigError: Naming the batch.
    """
    for batch_size in batch_sizes:
        if batch_size % share.count:
            raise ConfigError(
                f"a phase trains batches of {batch_size} clips, which {share.count} processes "
                f"cannot share evenly; make it a multiple of {share.count}"
            )
