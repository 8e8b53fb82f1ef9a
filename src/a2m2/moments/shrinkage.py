"""Covariances made safely positive definite, for maps that need full rank."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from a2m2.moments.covariance import full_precision
from a2m2.moments.root import REGULARISER

SHRINKAGE = 0.1
"""Share of the mean variance: 64 channels then keep all eigenvalues above 1/700 of the trace."""


def shrunk(
    sigma: Float[Tensor, "*batch dim dim"], *, shrinkage: float = SHRINKAGE, eps: float = REGULARISER
) -> Float[Tensor, "*batch dim dim"]:
    """Σ + (shrinkage·tr Σ/dim + eps)·I: its eigenvalues are at least :func:`least_share` of its trace.

    A window with fewer positions than channels has a Σ without full rank. What is added is relative to the trace,
    because a fixed eps would drown in the rounding of large features and take over small ones; eps alone stands
    where the window does not vary at all (our choice).

    Raises:
        ValueError: matrices that are not square, shrinkage ≤ 0 or eps < 0.
    """
    if sigma.ndim < 2 or sigma.shape[-1] != sigma.shape[-2]:
        raise ValueError(f"expected square matrices (..., dim, dim), got {tuple(sigma.shape)}")
    if shrinkage <= 0:
        raise ValueError(f"expected shrinkage > 0, got {shrinkage}")
    if eps < 0:
        raise ValueError(f"expected eps ≥ 0, got {eps}")
    dim = sigma.shape[-1]
    sigma = full_precision(sigma)
    identity = torch.eye(dim, dtype=sigma.dtype, device=sigma.device)
    added = shrinkage * sigma.diagonal(dim1=-2, dim2=-1).mean(-1) + eps
    return sigma + added[..., None, None] * identity


def least_share(dim: int, shrinkage: float) -> float:
    """The least eigenvalue of any shrunk matrix, as a share of its trace."""
    return shrinkage / (dim * (1 + shrinkage))
