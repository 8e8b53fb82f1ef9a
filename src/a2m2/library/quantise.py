"""Candidates in a byte an entry: exact enough that a ranking by transport does not tell the difference.

Each block of each candidate has a scale of its own, its largest entry / 127, so that an error is at most half of that.
The size of a candidate does not matter to a cosine, and the sizes of blocks differ.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int8
from torch import Tensor

_LARGEST = 127


def quantise(
    values: Float[Tensor, "clip node dim"], blocks: Sequence[int]
) -> tuple[Int8[Tensor, "clip node dim"], Float[Tensor, "clip node block"]]:
    """Codes, and the scales that give the values back."""
    parts = values.split(list(blocks), dim=-1)
    scales = torch.stack([part.abs().amax(-1) for part in parts], dim=-1).float() / _LARGEST
    # A block of zeros has any scale.
    safe = torch.where(scales > 0, scales, torch.ones_like(scales))
    codes = [(part / safe[..., block, None]).round() for block, part in enumerate(parts)]
    return torch.cat(codes, dim=-1).to(torch.int8), scales


def dequantise(
    codes: Int8[Tensor, "clip node dim"], scales: Float[Tensor, "clip node block"], blocks: Sequence[int]
) -> Float[Tensor, "clip node dim"]:
    """Values, in float32."""
    parts = codes.split(list(blocks), dim=-1)
    return torch.cat([part * scales[..., block, None] for block, part in enumerate(parts)], dim=-1)
