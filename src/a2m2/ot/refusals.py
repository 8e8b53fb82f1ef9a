"""The words of every refusal."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from a2m2.ot.errors import TransportError, UncertifiedError
from a2m2.ot.kernel import BAD_A, BAD_B, BAD_COST, UNBALANCED, Problems


def check_form(cost: Tensor, a: Tensor, b: Tensor, num_threads: int | None) -> None:
    """Refuse what can be refused without reading a number; the kernel checks the values as it reads them."""
    for name, tensor in (("cost", cost), ("a", a), ("b", b)):
        if not isinstance(tensor, Tensor):
            raise TransportError(f"expected {name} as a torch tensor, got {type(tensor).__name__}")
    shape = cost.shape
    if len(shape) != 3 or shape[1] == 0 or shape[2] == 0:
        raise TransportError(
            f"expected cost of shape (batch, row, column), none of the last two 0, got {tuple(shape)}"
        )
    batch, num_rows, num_columns = shape
    if a.shape != (batch, num_rows):
        raise TransportError(f"expected a of shape {(batch, num_rows)} to match cost, got {tuple(a.shape)}")
    if b.shape != (batch, num_columns):
        raise TransportError(
            f"expected b of shape {(batch, num_columns)} to match cost, got {tuple(b.shape)}"
        )
    if cost.dtype not in (torch.float32, torch.float64) or not cost.dtype == a.dtype == b.dtype:
        raise TransportError(
            f"expected cost, a and b all float32 or all float64, got {cost.dtype}, {a.dtype}, {b.dtype}"
        )
    if not cost.device == a.device == b.device:
        raise TransportError(
            f"expected cost, a and b on one device, got {cost.device}, {a.device}, {b.device}"
        )
    if num_threads is not None and num_threads < 1:
        raise TransportError(f"expected num_threads of at least 1 or None, got {num_threads}")


def bad_weights(name: str, weights: NDArray[np.floating]) -> TransportError | None:
    """The error for the first of these ``(batch, node)`` weights that cannot be used; None if all can."""
    wrong = np.argwhere(~(np.isfinite(weights) & (weights >= 0)))
    if wrong.size:
        problem, node = wrong[0]
        return TransportError(
            f"expected finite non-negative weights, got {weights[problem, node]} at {name}[{problem}, {node}]"
        )
    sums = weights.sum(1, dtype=np.float64)
    unusable = np.flatnonzero(~((sums > 0) & np.isfinite(sums)))
    if unusable.size:
        problem = unusable[0]
        return TransportError(
            f"expected weights with a positive finite sum, got the sum {sums[problem]} for {name}[{problem}]"
        )
    return None


def refusal(status: int, problem: int, problems: Problems, max_pivots: int) -> TransportError:
    """The error for a problem that the kernel gave up."""
    a, b = problems.a[problem], problems.b[problem]
    size = a.size * b.size
    if status == BAD_COST:
        cost = problems.flat[problem * size : (problem + 1) * size].reshape(a.size, b.size)
        row, column = np.argwhere(~np.isfinite(cost))[0]
        return TransportError(
            f"expected finite costs, got {cost[row, column]} at cost[{problem}, {row}, {column}]"
        )
    if status in (BAD_A, BAD_B):
        name, weights = ("a", problems.a) if status == BAD_A else ("b", problems.b)
        error = bad_weights(name, weights)
        if error is not None:
            return error
    if status == UNBALANCED:
        sums = a.sum(dtype=np.float64), b.sum(dtype=np.float64)
        return TransportError(
            f"expected equal sums of a and b (to 1e-6 relative), got {sums[0]:.9g} and {sums[1]:.9g} in "
            f"problem {problem}; divide each by its sum, or call emd, which does"
        )
    return UncertifiedError(
        f"expected an optimal plan within {max_pivots} pivots, got none for problem {problem} of shape "
        f"({a.size}, {b.size}); its costs or weights are beyond float64: rescale them"
    )
