"""Brownian distance covariance of the channels of a window (DeepBDC, Xie et al. 2022)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from a2m2.moments.covariance import full_precision
from a2m2.moments.root import REGULARISER


def brownian_matrix(
    mean: Float[Tensor, "*batch dim"], sigma: Float[Tensor, "*batch dim dim"], *, eps: float = REGULARISER
) -> Float[Tensor, "*batch dim dim"]:
    """Distances between channels over positions, doubly centred, from the moments of those positions.

    With x_i[k] channel i at position k of M, the distance is d_ij = √(1/M Σ_k (x_i[k] − x_j[k])² + eps) and

        B_ij = d_ij − mean_j d_ij − mean_i d_ij + mean_ij d_ij,

    so every row and every column sums to zero.

    Departures (our choice): the mean over positions in place of the sum, so that windows of different sizes can be
    compared; no learnt factor. ``eps`` keeps the gradient of the root finite where two channels are equal, as each
    is to itself.

    Args:
        mean: ``(..., dim)`` mean of the positions.
        sigma: ``(..., dim, dim)`` their covariance.
        eps: added under the root.

    Returns:
        ``(..., dim, dim)``, symmetric, float32 (float64 for float64 input) whatever the autocast state.

    Raises:
        ValueError: shapes that do not belong together.
    """
    if sigma.shape != (*mean.shape, mean.shape[-1]):
        raise ValueError(
            f"expected mean (..., dim) and sigma (..., dim, dim), got {tuple(mean.shape)} and {tuple(sigma.shape)}"
        )
    with torch.autocast(sigma.device.type, enabled=False):
        mean, sigma = full_precision(mean), full_precision(sigma)
        variance = sigma.diagonal(dim1=-2, dim2=-1)
        spread = variance[..., :, None] + variance[..., None, :] - 2 * sigma
        offset = mean[..., :, None] - mean[..., None, :]
        # Rounding takes the spread of two channels that are almost equal below zero.
        distance = (spread.clamp(min=0) + offset.square() + eps).sqrt()
        rows = distance.mean(dim=-1, keepdim=True)
        return distance - rows - rows.mT + rows.mean(dim=-2, keepdim=True)
