"""Communication between the processes of one training run, which torchrun starts."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Processes:
    """The rank of this process, and its communication with the other processes of a run.

    Each process holds an equal part of every batch. Every process computes its losses such that their mean over the
    processes equals the loss that a single process would compute on the whole batch. The same then holds for the gradients.
    DistributedDataParallel guarantees this only for losses that are means over independent items. A contrastive loss also
    compares items of different processes, so the items of all processes are gathered first.

    Attributes:
        rank: index of this process, from 0.
        count: number of processes.
    """

    rank: int = 0
    count: int = 1

    def gather(self, rows: Tensor) -> Tensor:
        """Concatenates the rows of all processes in the order of their ranks.

        Args:
            rows: rows of this process, (R, ...). R may differ between processes.

        Returns:
            All rows. Gradients flow back to the process from which a row came.
        """
        if self.count == 1:
            return rows
        sizes = self.gather_objects(len(rows))
        return _Gather.apply(rows, sizes, self.rank)

    def gather_objects(self, item: T) -> list[T]:
        """Returns the items of all processes in the order of their ranks; `item` is that of this process."""
        if self.count == 1:
            return [item]
        gathered: list[Any] = [None] * self.count
        dist.all_gather_object(gathered, item)
        return gathered

    def share_of_mean(self, values: Tensor) -> Tensor:
        """Returns this process' share of the mean of the values of all processes.

        The mean of the shares over the processes is the mean of all values, or 0 if no process has a value.

        Args:
            values: values of this process, (R,). R may differ between processes and may be 0.
        """
        n_values = sum(self.gather_objects(len(values)))
        return values.sum() * (self.count / max(1, n_values))

    @torch.no_grad()
    def average_gradients(self, model: nn.Module) -> None:
        """Replaces every gradient by its mean over the processes. A missing gradient counts as zero."""
        if self.count == 1:
            return
        parameters = [p for p in model.parameters() if p.requires_grad]
        flat = torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in parameters])
        dist.all_reduce(flat)
        for parameter, gradient in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = (gradient / self.count).view_as(parameter)

    @torch.no_grad()
    def broadcast_weights(self, model: nn.Module) -> None:
        """Copies the weights of process 0 to all processes."""
        if self.count > 1:
            for value in model.state_dict().values():
                dist.broadcast(value, src=0)


@contextmanager
def joined_processes() -> Iterator[tuple[Processes, torch.device]]:
    """Joins the processes that torchrun started, and leaves them at the end of the context.

    Yields:
        This process, and the device on which it trains. Without torchrun, this process is the only one.
    """
    cuda = torch.cuda.is_available()
    if "WORLD_SIZE" not in os.environ:
        yield Processes(), torch.device("cuda" if cuda else "cpu")
        return
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size()), device
    finally:
        dist.destroy_process_group()


class _Gather(torch.autograd.Function):
    """Gathers the rows of all processes. The gradient of a row is the sum of its gradients in all processes."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, sizes: Sequence[int], rank: int) -> Tensor:
        ctx.start, ctx.length = sum(sizes[:rank]), sizes[rank]
        padded = rows.new_zeros(max(sizes), *rows.shape[1:])
        padded[: len(rows)] = rows
        gathered = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(gathered, padded)
        return torch.cat([padded_rows[:size] for padded_rows, size in zip(gathered, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        total = gradients[0].contiguous()
        dist.all_reduce(total)
        return total[ctx.start : ctx.start + ctx.length], None, None
