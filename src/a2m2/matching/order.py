"""Where a candidate lies in its video, for the order prior (our choice; see docs/method-choices.md).

The prior adds ``λ |t_i − t_j|`` to the cost of joining candidates i and j. ``t`` is a candidate's centre in [0, 1],
either in time or in motion progress: the share of the video's motion energy that has passed. Progress stands still
while nothing moves, so two clips of one action that start at different moments agree on it.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from a2m2.structures import Descriptors

OrderAxis = Literal["time", "progress"]

_TINY = 1e-12


def candidate_positions(descriptors: Descriptors, axis: OrderAxis) -> Float[Tensor, "batch node"]:
    """Centre of each candidate in [0, 1].

    ``time``: the middle of its window over the number of sampled frames. ``progress``: the mean over its frames of
    the cumulative motion energy, divided by the total; a video without motion falls back to time.
    """
    windows = descriptors.windows
    energy = descriptors.energy
    middle = (windows.sum(1).to(energy.dtype) / 2) / descriptors.num_frames
    time = middle.expand(len(descriptors), -1)
    if axis == "time":
        return time
    total = energy.sum(1, keepdim=True)
    passed = energy.cumsum(1) / total.clamp_min(_TINY)
    boundary = torch.cat([torch.zeros_like(total), passed.cumsum(1)], dim=1)
    length = (windows[:, 1] - windows[:, 0]).to(energy.dtype)
    progress = (boundary[:, windows[:, 1]] - boundary[:, windows[:, 0]]) / length
    return torch.where(total > _TINY, progress, time)


def order_cost(
    query: Float[Tensor, "query node"], target: Float[Tensor, "*query target target_node"]
) -> Float[Tensor, "query target node target_node"]:
    """``|t_i − t_j|`` for every query candidate and target candidate; targets may differ between queries."""
    return (query[:, None, :, None] - target[..., None, :]).abs()
