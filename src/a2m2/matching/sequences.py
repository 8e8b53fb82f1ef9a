"""Candidates as sequences in time, for the matchers that walk along a video (our choice; see docs/method-choices.md).

The published matchers see one vector a frame. Candidates come from several scales and, where a map is cut into
regions, several at one moment. Each scale, and in it each region, is a sequence of its own: it is matched alone, and
the sequences count equally. With ``scales = [[1, 1]]`` this is the published case.
"""

from __future__ import annotations

from collections import Counter

import torch
from jaxtyping import Float, Int
from torch import Tensor

from a2m2.structures import Descriptors


def shared_sequences(query: Descriptors, support: Descriptors) -> list[Int[Tensor, "step"]]:
    """Indices of the candidates of each sequence, in order of time, for queries and supports alike.

    Raises:
        ValueError: queries and supports with different windows or scales.
    """
    if not (torch.equal(query.windows, support.windows) and torch.equal(query.scale, support.scale)):
        raise ValueError(
            "expected queries and supports with the same windows and scales, "
            f"got {len(query.scale)} and {len(support.scale)} candidates that lie elsewhere; encode them alike"
        )
    windows, scale = query.windows.tolist(), query.scale.tolist()
    seen: Counter[tuple[int, int, int]] = Counter()
    members: dict[tuple[int, int], list[int]] = {}
    for node, ((start, stop), level) in enumerate(zip(windows, scale, strict=True)):
        region = seen[level, start, stop]
        seen[level, start, stop] += 1
        members.setdefault((level, region), []).append(node)
    return [
        torch.tensor(sorted(nodes, key=windows.__getitem__), device=query.values.device)
        for nodes in members.values()
    ]


def time_encoding(descriptors: Descriptors, width: int) -> Float[Tensor, "node width"]:
    """Sines and cosines of the middle of each candidate's window, counted in sampled frames.

    Channel 2k holds ``sin(p / 10000^(2k/width))``, channel 2k+1 the cosine of the same (Vaswani et al., NeurIPS 2017).
    A window of one frame has the frame's index as p.
    """
    middle = (descriptors.windows.sum(1) - 1).double() / 2
    channel = torch.arange(width, device=middle.device)
    angle = middle[:, None] / 10_000 ** ((channel - channel % 2).double() / width)
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos()).to(descriptors.values.dtype)
