"""Running statistics that come out the same however many processes share a training.

A running mean takes one batch after the other: which batches it has seen when it is read, and in which order, is part
of the result. When processes take batches at the same time, each measures its own, all tell each other, and every one
then takes them in by the order of their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from a2m2.train.ranks import Ranks


@contextmanager
def batch_norms_in_turn(module: nn.Module, ranks: Ranks) -> Iterator[None]:
    """Let the batch norms of ``module`` that learn statistics learn those of all ranks' batches, in their order.

    Inside the block each layer must see one batch, once. A layer normalises by its own batch, as in one process: only
    the running statistics are common.
    """
    before = [] if ranks.size == 1 else [_Before(part) for part in module.modules() if _learns(part)]
    for layer in before:
        layer.norm.momentum = 1.0  # the running statistics become those of the batch
    try:
        yield
    finally:
        for layer in before:
            layer.norm.momentum = layer.momentum
    if before:
        _take_turns(before, ranks)


def running_means(
    start: Tensor, batch_mean: Tensor, rates: list[float], ranks: Ranks
) -> tuple[Tensor, Tensor]:
    """The running mean after this rank's batch, and after those of all ranks.

    Args:
        start: ``(dim,)`` before any of them.
        batch_mean: ``(dim,)`` of this rank.
        rates: how far each batch moves it, one a rank.
        ranks: of the processes.
    """
    mean = own = start
    for turn, (other, rate) in enumerate(zip(ranks.gather(batch_mean), rates, strict=True)):
        mean = mean.lerp(other, rate)
        if turn == ranks.rank:
            own = mean
    return own, mean


def _learns(part: nn.Module) -> TypeGuard[_BatchNorm]:
    return isinstance(part, _BatchNorm) and part.training and part.running_mean is not None


class _Before:
    """A batch norm and what it had learnt before some batches."""

    def __init__(self, norm: _BatchNorm) -> None:
        self.norm = norm
        self.momentum = norm.momentum
        self.statistics = torch.stack(_statistics(norm))
        self.batches = norm.num_batches_tracked.clone() if norm.num_batches_tracked is not None else None


def _statistics(norm: _BatchNorm) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, norm.running_var


@torch.no_grad()
def _take_turns(layers: list[_Before], ranks: Ranks) -> None:
    sizes = [layer.norm.num_features for layer in layers]
    mine = torch.cat([torch.stack(_statistics(layer.norm)) for layer in layers], dim=1)
    everyone = [measured.split(sizes, dim=1) for measured in ranks.gather(mine)]
    for place, layer in enumerate(layers):
        statistics = layer.statistics
        for turn, measured in enumerate(everyone, 1):
            rate = layer.momentum
            if rate is None:  # the plain mean of all batches
                rate = 1.0 / (float(layer.batches or 0) + turn)
            statistics = (1.0 - rate) * statistics + rate * measured[place]
        # New tensors: the backward pass of these batches still holds the old ones.
        layer.norm.running_mean, layer.norm.running_var = statistics.unbind()
        if layer.batches is not None:
            layer.norm.num_batches_tracked = layer.batches + ranks.size
