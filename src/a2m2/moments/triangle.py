"""Symmetric matrices as vectors: the upper triangle, and back."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def triu_length(dim: int) -> int:
    """Number of entries d(d+1)/2 in the upper triangle of a d × d matrix: 2080 for 64, 8256 for 128."""
    return dim * (dim + 1) // 2


def triu_vector(
    matrix: Float[Tensor, "*batch dim dim"], *, scale_off_diagonal: bool = False
) -> Float[Tensor, "*batch entry"]:
    """Upper triangle of symmetric matrices, row by row, diagonal included.

    Args:
        matrix: ``(..., dim, dim)``.
        scale_off_diagonal: multiply the off-diagonal entries by √2, so that the dot product of two vectors
            is tr(A B); without it an off-diagonal pair counts once, not twice (our choice).

    Returns:
        ``(..., dim·(dim+1)/2)``.

    Raises:
        ValueError: matrices that are not square.
    """
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ValueError(f"expected square matrices (..., dim, dim), got {tuple(matrix.shape)}")
    dim = matrix.shape[-1]
    rows, columns = torch.triu_indices(dim, dim, device=matrix.device)
    vector = matrix.flatten(-2).index_select(-1, rows * dim + columns)
    return vector * _weights(rows, columns, vector.dtype) if scale_off_diagonal else vector


def triu_matrix(
    vector: Float[Tensor, "*batch entry"], *, scale_off_diagonal: bool = False
) -> Float[Tensor, "*batch dim dim"]:
    """Inverse of :func:`triu_vector`: the symmetric matrix whose upper triangle is ``vector``.

    Raises:
        ValueError: a length that is not d(d+1)/2 for any d.
    """
    length = vector.shape[-1]
    dim = (math.isqrt(8 * length + 1) - 1) // 2
    if triu_length(dim) != length:
        raise ValueError(f"expected a vector of length d(d+1)/2, got {length}")
    rows, columns = torch.triu_indices(dim, dim, device=vector.device)
    if scale_off_diagonal:
        vector = vector / _weights(rows, columns, vector.dtype)
    position = torch.empty(dim, dim, dtype=torch.int64, device=vector.device)
    position[rows, columns] = position[columns, rows] = torch.arange(length, device=vector.device)
    return vector.index_select(-1, position.flatten()).unflatten(-1, (dim, dim))


def _weights(rows: Tensor, columns: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.where(rows == columns, 1.0, math.sqrt(2.0)).to(dtype)
