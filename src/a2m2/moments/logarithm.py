"""Matrix logarithm of covariances by inverse scaling and squaring on Newton–Schulz roots: no eigenvectors."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from a2m2.moments.root import REGULARISER
from a2m2.moments.shrinkage import SHRINKAGE, least_share, shrunk

_HALF_WIDTH = 0.5
"""Roots are taken until no eigenvalue of the logarithm is larger: there eight terms of the series give 1e-7."""
_ASINH = tuple(
    (-1) ** j * math.factorial(2 * j) / (4**j * math.factorial(j) ** 2 * (2 * j + 1)) for j in range(8)
)
_CONVERGED = 1e-8


def symmetric_log(
    sigma: Float[Tensor, "*batch dim dim"], *, shrinkage: float = SHRINKAGE, eps: float = REGULARISER
) -> Float[Tensor, "*batch dim dim"]:
    """log Σ' of covariances shrunk by :func:`a2m2.moments.shrinkage.shrunk`, with finite gradients.

    With A = Σ'/tr Σ', whose eigenvalues lie between :func:`least_share` and 1, take r square roots, so that
    Y = A^(1/R) and Z = A^(−1/R) with R = 2^r. Then (Y − Z)/2 = sinh(log A / R), and

        log Σ' = R·asinh((Y − Z)/2) + log(tr Σ')·I,

    asinh as a power series. The coupled iteration gives Y and Z together, so nothing is inverted. The numbers of
    roots and steps follow from the dimension and the shrinkage alone. Autograd through the products is exact, also
    at repeated eigenvalues, where a gradient through eigenvectors is unbounded.

    Returns:
        ``(..., dim, dim)``, symmetric, float32 (float64 for float64 input) whatever the autocast state.

    Raises:
        ValueError: as :func:`a2m2.moments.shrinkage.shrunk`.

    Source: the log-Euclidean map of covariances (Arsigny et al. 2006); this way to it is our choice.
    """
    with torch.autocast(sigma.device.type, enabled=False):
        matrix = shrunk(sigma, shrinkage=shrinkage, eps=eps)
        dim = matrix.shape[-1]
        matrix = matrix.reshape(-1, dim, dim)
        identity = torch.eye(dim, dtype=matrix.dtype, device=matrix.device)
        trace = matrix.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]
        least = least_share(dim, shrinkage)
        num_roots = max(1, math.ceil(math.log2(-math.log(least) / _HALF_WIDTH)))
        y = z = matrix / trace
        for _ in range(num_roots):
            y, z = _coupled_roots(y, steps=_steps(least))
            least **= 0.5
        log = 2**num_roots * _asinh((y - z) / 2) + trace.log() * identity
        return log.reshape(sigma.shape)


def _coupled_roots(a: Float[Tensor, "batch dim dim"], *, steps: int) -> tuple[Tensor, Tensor]:
    """A^(1/2) and A^(−1/2): the iteration of :func:`a2m2.moments.newton_schulz_sqrt`, run until it has converged."""
    threehalves = (1.5 * torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)).expand_as(a)
    z = threehalves - 0.5 * a
    y = torch.bmm(a, z)
    for _ in range(1, steps):
        t = torch.baddbmm(threehalves, z, y, alpha=-0.5)
        y, z = torch.bmm(y, t), torch.bmm(t, z)
    return y, z


def _steps(least: float) -> int:
    """Steps until the slowest eigenvalue, ``least`` at the start, has converged.

    The product p = z·y of an eigenvalue goes from λ to 1 by p ← p·(3 − p)²/4.
    """
    product, steps = least, 0
    while 1 - product > _CONVERGED:
        product *= (3 - product) ** 2 / 4
        steps += 1
    return max(1, steps)


def _asinh(x: Float[Tensor, "batch dim dim"]) -> Float[Tensor, "batch dim dim"]:
    """x − x³/6 + 3x⁵/40 − … by Horner's rule in x²."""
    square = torch.bmm(x, x)
    identity = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    total = (_ASINH[-1] * identity).expand_as(x)
    for coefficient in reversed(_ASINH[:-1]):
        total = torch.baddbmm((coefficient * identity).expand_as(x), total, square)
    return torch.bmm(x, total)
