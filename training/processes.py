"""The processes of one run, started by torchrun: what they tell each other, so that they train as one."""

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
    """Process number `rank` of `count`; each sees its own part of every batch.

    Losses are computed so that their mean over the processes is that of the whole batch in one process, and so are then
    their gradients: what DistributedDataParallel does, and beyond it the items that a loss tells apart are gathered.
    """

    rank: int = 0
    count: int = 1

    def gather(self, rows: Tensor) -> Tensor:
        """The rows (R, ...) of all processes, by rank; gradients go back to where each came from."""
        if self.count == 1:
            return rows
        sizes = self.gather_objects(len(rows))
        return _Gather.apply(rows, sizes, self.rank)

    def gather_objects(self, own: T) -> list[T]:
        """What each process gives, by rank."""
        if self.count == 1:
            return [own]
        gathered: list[Any] = [None] * self.count
        dist.all_gather_object(gathered, own)
        return gathered

    def share_of_mean(self, values: Tensor) -> Tensor:
        """This process' part of the mean of the values (R,) of all processes, of which any may have none.

        Over the processes the mean of the parts is the mean of all values; 0 without any.
        """
        n_values = sum(self.gather_objects(len(values)))
        return values.sum() * (self.count / max(1, n_values))

    @torch.no_grad()
    def average_gradients(self, model: nn.Module) -> None:
        """Gives every process the mean gradient; one that has none for a parameter counts as zero."""
        if self.count == 1:
            return
        parameters = [p for p in model.parameters() if p.requires_grad]
        flat = torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in parameters])
        dist.all_reduce(flat)
        for parameter, gradient in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = (gradient / self.count).view_as(parameter)

    @torch.no_grad()
    def broadcast_weights(self, model: nn.Module) -> None:
        """Gives every process the weights of the first."""
        if self.count > 1:
            for value in model.state_dict().values():
                dist.broadcast(value, src=0)


@contextmanager
def joined_processes() -> Iterator[tuple[Processes, torch.device]]:
    """The processes that torchrun started with this one (or this one alone), and the device of this one."""
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
    """All rows of all processes; backward, each gets the sum of what all say of its own."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, sizes: Sequence[int], rank: int) -> Tensor:
        ctx.start, ctx.length = sum(sizes[:rank]), sizes[rank]
        padded = rows.new_zeros(max(sizes), *rows.shape[1:])
        padded[: len(rows)] = rows
        gathered = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(gathered, padded)
        return torch.cat([other[:size] for other, size in zip(gathered, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        whole = gradients[0].contiguous()
        dist.all_reduce(whole)
        return whole[ctx.start : ctx.start + ctx.length], None, None
