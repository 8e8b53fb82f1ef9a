"""Random descriptors that look like real ones: correlated candidates in one half-space."""

from __future__ import annotations

import torch

from a2m2.structures import Descriptors

WINDOWS = torch.tensor([[0, 1], [1, 2], [2, 3], [3, 4], [0, 2], [2, 4]])
SCALE = torch.tensor([0, 0, 0, 0, 1, 1])


def random_descriptors(
    num_videos: int,
    *,
    seed: int,
    dim: int = 12,
    blocks: tuple[int, ...] = (),
    centred: bool = True,
    dtype: torch.dtype = torch.float64,
) -> Descriptors:
    """``num_videos`` videos of four frames and six candidates each."""
    generator = torch.Generator().manual_seed(seed)
    drift = torch.randn(num_videos, len(WINDOWS), dim, generator=generator, dtype=dtype).cumsum(1)
    values = 2.0 + drift
    seconds = WINDOWS.to(dtype).expand(num_videos, -1, -1)
    energy = torch.rand(num_videos, 4, generator=generator, dtype=dtype)
    energy[:, 0] = 0
    mean = torch.full((dim,), 1.5, dtype=dtype) if centred else None
    return Descriptors(values, seconds, WINDOWS, SCALE, energy, mean, blocks)
