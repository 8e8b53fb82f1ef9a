"""What K support videos of a class become before they are matched (our choice; see docs/method-choices.md)."""

from __future__ import annotations

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
        present: ``(target, node)`` False for nodes that only pad a class with fewer shots; None when all are real.
    """

    descriptors: Descriptors
    positions: Float[Tensor, "target node"] | None
    labels: Int[Tensor, "target"]
    present: Bool[Tensor, "target node"] | None = None


def merge_shots(
    support: Descriptors,
    positions: Float[Tensor, "support node"] | None,
    labels: Int[Tensor, "support"],
    rule: ShotRule,
    *,
    num_classes: int,
) -> Targets:
    """Targets of a support set.

    ``per_video``: each video is a target; its scores are averaged afterwards. ``prototype``: a class is the mean of
    its videos, candidate by candidate. ``union``: a class is all candidates of all its videos, in one problem.
    With one shot the three are the same.
    """
    if rule == "per_video" or len(support) == num_classes:
        return Targets(support, positions, labels)
    if rule == "prototype":
        return _prototypes(support, positions, labels, num_classes)
    return _unions(support, positions, labels, num_classes)


def _prototypes(
    support: Descriptors, positions: Tensor | None, labels: Int[Tensor, "support"], num_classes: int
) -> Targets:
    count = labels.bincount(minlength=num_classes)

    def mean(x: Tensor) -> Tensor:
        total = x.new_zeros((num_classes, *x.shape[1:])).index_add(0, labels, x)
        return total / count.view(-1, *[1] * (x.ndim - 1)).to(x.dtype)

    merged = replace(
        support, values=mean(support.values), spans=mean(support.spans), energy=mean(support.energy)
    )
    merged_positions = None if positions is None else mean(positions)
    return Targets(merged, merged_positions, torch.arange(num_classes, device=labels.device))


def _unions(
    support: Descriptors, positions: Tensor | None, labels: Int[Tensor, "support"], num_classes: int
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
    class_labels = torch.arange(num_classes, device=labels.device)
    return Targets(
        merged,
        None if positions is None else positions[slots].flatten(1, 2),
        class_labels,
        None if bool(present.all()) else present,
    )
