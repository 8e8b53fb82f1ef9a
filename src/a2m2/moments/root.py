"""Matrix square root by the coupled Newton–Schulz iteration."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from a2m2.moments.covariance import full_precision

REGULARISER = 1e-9
"""Multiple of the identity added to Σ: too small to see beside real features, enough to keep tr Σ from 0."""


def newton_schulz_sqrt(
    sigma: Float[Tensor, "*batch dim dim"], *, steps: int = 3, eps: float = REGULARISER
) -> Float[Tensor, "*batch dim dim"]:
    """Approximate square root of positive semi-definite matrices, differentiable and free of eigenvectors.

    With Σ' = Σ + eps·I and A = Σ'/tr Σ' the recurrence is Y₀ = A, Z₀ = I, then ``steps`` times
    T = ½(3I − Z Y), Y ← Y T, Z ← T Z; the result is √(tr Σ')·Y_N.

    Three steps are *not* a square root for small eigenvalues (at λ/tr Σ = 1/128 the result is 0.29 of the
    root): the damping of weak directions is part of the descriptor. Autograd through the loop is exact, also
    where Σ has repeated or zero eigenvalues, where an eigenvector-based gradient is unbounded.

    Args:
        sigma: ``(..., dim, dim)`` symmetric, positive semi-definite.
        steps: number of steps; 3 in TCPNet, 5 in iSQRT-COV.
        eps: regulariser on Σ itself. An epsilon on the trace alone would save the forward pass of Σ = 0 but
            leave 0/0 in its backward pass (our choice).

    Returns:
        ``(..., dim, dim)``, float32 (float64 for float64 input) whatever the autocast state.

    Raises:
        ValueError: not square, ``steps`` < 1 or ``eps`` < 0.

    Source: iSQRT-COV (Li et al. 2018, arXiv 1712.01034).
    """
    if sigma.ndim < 2 or sigma.shape[-1] != sigma.shape[-2]:
        raise ValueError(f"expected square matrices (..., dim, dim), got {tuple(sigma.shape)}")
    if steps < 1:
        raise ValueError(f"expected at least 1 Newton–Schulz step, got {steps}")
    if eps < 0:
        raise ValueError(f"expected eps ≥ 0, got {eps}")
    dim = sigma.shape[-1]
    with torch.autocast(sigma.device.type, enabled=False):
        sigma = full_precision(sigma)
        identity = torch.eye(dim, dtype=sigma.dtype, device=sigma.device)
        regular = (sigma + eps * identity).reshape(-1, dim, dim)
        trace = regular.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]
        threehalves = (1.5 * identity).expand_as(regular)
        y = regular / trace
        # The first step has Z = I and the last needs no Z: six products instead of nine for three steps.
        z = threehalves - 0.5 * y
        y = torch.bmm(y, z)
        for step in range(1, steps):
            t = torch.baddbmm(threehalves, z, y, alpha=-0.5)
            y = torch.bmm(y, t)
            if step < steps - 1:
                z = torch.bmm(t, z)
        return (trace.sqrt() * y).reshape(sigma.shape)
