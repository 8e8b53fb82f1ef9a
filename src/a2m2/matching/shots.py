"""What K support videos of a class become before they are matched (our choice; see docs/method-choices.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from a2m2.structures import Descriptors

ShotRule = Literal["per_video", "prototype", "union"]


@dataclass(frozen=True, eq=False)
class Targets:
    """What queries are compared with.

    Attributes:
        descriptors: one entry a target.
        positions: ``(target, node)`` place of each candidate in its own video; None without an order prior.
        labels: ``(target,)`` class of each target.
        weights: ``(target, node)`` weight that each candidate's own video gives it; None where no rule asks.
        present: ``(target, node)`` False for nodes that only pad a class with fewer shots; None when all are real.
    """

    descriptors: Descriptors
    positions: Float[Tensor, "target node"] | None
    labels: Int[Tensor, "target"]
    weights: Float[Tensor, "target node"] | None = None
    present: Bool[Tensor, "target node"] | None = None


def merge_shots(
    support: Descriptors,
    positions: Float[Tensor, "support node"] | None,
    labels: Int[Tensor, "support"],
    rule: ShotRule,
    *,
    num_classes: int,
    weights: Float[Tensor, "support node"] | None = None,
) -> Targets:
    """Targets of a support set.

    ``per_video``: each video is a target; its scores are averaged afterwards. ``prototype``: a class is the mean of
    its videos, candidate by candidate. ``union``: a class is all candidates of all its videos, in one problem.
    With one shot the three are the same.
    """
    if rule == "per_video" or len(support) == num_classes:
        return Targets(support, positions, labels, weights)
    merge = _prototypes if rule == "prototype" else _unions
    return merge(support, positions, weights, labels, num_classes)


def _prototypes(
    support: Descriptors,
    positions: Tensor | None,
    weights: Tensor | None,
    labels: Int[Tensor, "support"],
    num_classes: int,
) -> Targets:
    count = labels.bincount(minlength=num_classes)

    def mean(x: Tensor) -> Tensor:
        total = x.new_zeros((num_classes, *x.shape[1:])).index_add(0, labels, x)
        return total / count.view(-1, *[1] * (x.ndim - 1)).to(x.dtype)

    merged = replace(
        support, values=mean(support.values), spans=mean(support.spans), energy=mean(support.energy)
    )
    class_labels = torch.arange(num_classes, device=labels.device)
    return Targets(merged, _applied(mean, positions), class_labels, _applied(mean, weights))


def _unions(
    support: Descriptors,
    positions: Tensor | None,
    weights: Tensor | None,
    labels: Int[Tensor, "support"],
    num_classes: int,
) -> Targets:
    """Nodes of a class side by side; classes with fewer videos are padded with absent nodes."""
    members = [torch.nonzero(labels == label).flatten() for label in range(num_classes)]
    most = max(len(indices) for indices in members)
    slots = torch.stack([torch.cat([i, i[:1].expand(most - len(i))]) for i in members])
    filled = torch.stack([torch.arange(most, device=labels.device) < len(i) for i in members])
    merged = Descriptors(
        values=support.values[slots].flatten(1, 2),
        spans=support.spans[slots].flatten(1, 2),
        windows=support.windows.repeat(most, 1),
        scale=support.scale.repeat(most),
        energy=support.energy[slots[:, 0]],
        mean=support.mean,
        blocks=support.blocks,
    )
    present = filled.repeat_interleave(support.values.shape[1], dim=1)

    def side_by_side(x: Tensor) -> Tensor:
        return x[slots].flatten(1, 2)

    return Targets(
        merged,
        _applied(side_by_side, positions),
        torch.arange(num_classes, device=labels.device),
        _applied(side_by_side, weights),
        None if bool(present.all()) else present,
    )


def _applied(function: Callable[[Tensor], Tensor], x: Tensor | None) -> Tensor | None:
    return None if x is None else function(x)
