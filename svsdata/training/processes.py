"""Training on several processes as if it were one: each has a share of a step's clips.

Gradients, counts and figures are joined by sums and means, so that N processes with a clip each
take the step that one process takes with N clips, up to rounding. All draw the same random numbers.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from svsdata.errors import ConfigError


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

    def average_gradients(self, network: nn.Module) -> None:
        """Replace every gradient by the mean over all processes.

        One that only some processes have is zero in the others: a motion network is not asked
        where the flow of all clips of a process is known.
        """
        if self.count == 1:
            return
        parameters = list(network.parameters())
        has_gradient = torch.tensor([p.grad is not None for p in parameters], dtype=torch.float32)
        in_any = self.summed(has_gradient.to(parameters[0].device)).tolist()
        reached = [p for p, count in zip(parameters, in_any, strict=True) if count]
        if not reached:
            return
        for parameter in reached:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [p.grad for p in reached if p.grad is not None]
        joined = self.summed(torch.cat([gradient.flatten() for gradient in gradients]))
        sizes = [gradient.numel() for gradient in gradients]
        parts = torch.split(joined / self.count, sizes)
        for gradient, mean in zip(gradients, parts, strict=True):
            gradient.copy_(mean.view(gradient.shape))

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


WHOLE = Share(0, 1)
"""Of a run on one process."""


@contextmanager
def joined(environment: Mapping[str, str], device_type: str) -> Iterator[Share]:
    """Join the processes that torchrun started; without it there is one.

    Args:
        environment: What torchrun sets: ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``; or nothing.
        device_type: ``cuda`` talks through NCCL, ``cpu`` through Gloo.
    """
    if int(environment.get("WORLD_SIZE", "1")) < 2:
        yield WHOLE
        return
    if device_type == "cuda":
        torch.cuda.set_device(int(environment["LOCAL_RANK"]))
    dist.init_process_group("nccl" if device_type == "cuda" else "gloo")
    try:
        yield Share(dist.get_rank(), dist.get_world_size())
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
