"""Cholesky factors of covariances: a root without any iteration, but one that depends on the order of channels."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from a2m2.moments.root import REGULARISER
from a2m2.moments.shrinkage import SHRINKAGE, shrunk


def cholesky_root(
    sigma: Float[Tensor, "*batch dim dim"], *, shrinkage: float = SHRINKAGE, eps: float = REGULARISER
) -> Float[Tensor, "*batch dim dim"]:
    """Upper triangular U with positive diagonal and UᵀU = Σ', Σ' shrunk by :func:`a2m2.moments.shrinkage.shrunk`.

    It is the symmetric root up to a rotation that depends on Σ. Channel i is described by what the channels before
    it leave over, so another order of channels gives another descriptor (our choice, beside the symmetric root).

    Returns:
        ``(..., dim, dim)``, zero below the diagonal, float32 (float64 for float64 input) whatever the autocast state.

    Raises:
        ValueError: as :func:`a2m2.moments.shrinkage.shrunk`.
    """
    with torch.autocast(sigma.device.type, enabled=False):
        factor, failed = torch.linalg.cholesky_ex(shrunk(sigma, shrinkage=shrinkage, eps=eps))
        # Of a matrix with NaN there is no factor; NaN goes on to where training names the step and the clips.
        return factor.masked_fill(failed[..., None, None] > 0, torch.nan).mT
