"""Descriptors of unit length, so that dot products are the cosines that matchers read."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from a2m2.structures import Descriptors


def centred_units(
    values: Float[Tensor, "*batch dim"], mean: Float[Tensor, "dim"] | None, blocks: tuple[int, ...]
) -> Float[Tensor, "*batch dim"]:
    """``values − mean``, each block of unit length and weighted equally: unit vectors on the whole."""
    if mean is not None:
        values = values - mean.to(values.dtype)
    parts = [functional.normalize(part, dim=-1) for part in values.split(list(blocks), dim=-1)]
    return torch.cat(parts, dim=-1) / len(parts) ** 0.5


def unit_mean(descriptors: Descriptors) -> Float[Tensor, "batch dim"]:
    """One unit vector a video: mean over candidates, centred, each block normalised, blocks weighted equally."""
    return centred_units(descriptors.values.mean(1), descriptors.mean, descriptors.blocks)


def unit_candidates(descriptors: Descriptors) -> Float[Tensor, "batch node dim"]:
    """Every candidate centred, each block normalised, blocks weighted equally."""
    return centred_units(descriptors.values, descriptors.mean, descriptors.blocks)
