"""Centred second moments of feature positions."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def full_precision(tensor: Tensor) -> Tensor:
    """``tensor`` as float64 if it is float64, else as float32.

    Half-precision sums of squares overflow (an unscaled Gram matrix of real features reaches 5e4 of the
    65,504 that float16 can hold), so everything in this room runs in single precision or better.
    """
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def covariance(x: Float[Tensor, "*batch dim position"]) -> Float[Tensor, "*batch dim dim"]:
    """Centred, biased covariance over positions, Σ = 1/M Σ_k (x_k − μ)(x_k − μ)ᵀ.

    The mean is subtracted before the product, so nothing cancels and no position × position matrix appears.
    Runs in float32 (float64 for float64 input) whatever the autocast state. Rank Σ ≤ min(dim, M − 1): a
    single position gives the zero matrix.

    Args:
        x: ``(..., dim, position)``, at least one position.

    Returns:
        ``(..., dim, dim)``, symmetric and positive semi-definite up to rounding.

    Raises:
        ValueError: fewer than two axes, or no position.

    Source: fast MPN-COV (Li et al. 2018); the biased 1/M follows TCPNet (Gao et al. 2021).
    """
    if x.ndim < 2 or x.shape[-1] == 0:
        raise ValueError(f"expected x of shape (..., dim, position) with positions, got {tuple(x.shape)}")
    with torch.autocast(x.device.type, enabled=False):
        centred = full_precision(x)
        centred = centred - centred.mean(dim=-1, keepdim=True)
        return centred @ centred.mT / x.shape[-1]
