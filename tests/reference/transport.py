"""Optimal transport by slow roads: every vertex of the polytope, and a general solver of linear programs."""

from __future__ import annotations

import functools
import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

Array = NDArray[np.float64]


@functools.cache
def _bases(rows: int, columns: int) -> tuple[NDArray[np.int64], Array]:
    """All bases of the transportation problem: their arcs ``(basis, arc)`` and inverses ``(basis, arc, node)``.

    A basis is a spanning tree: ``rows + columns - 1`` arcs whose incidence vectors, without the last node's
    redundant equation, are independent. The determinant is then ±1.
    """
    nodes = rows + columns - 1
    arcs = np.array(list(itertools.combinations(range(rows * columns), nodes)))
    incidence = np.zeros((nodes + 1, rows * columns))
    for arc in range(rows * columns):
        incidence[arc // columns, arc] = 1
        incidence[rows + arc % columns, arc] = 1
    matrices = incidence[:-1].T[arcs].transpose(0, 2, 1)
    independent = np.abs(np.linalg.det(matrices)) > 0.5
    return arcs[independent], np.linalg.inv(matrices[independent])


def best_vertex_value(cost: Array, a: Array, b: Array) -> float:
    """The least cost over all vertices of the polytope of plans; for at most 4 by 4 nodes."""
    arcs, inverses = _bases(*cost.shape)
    flows = inverses @ np.concatenate([a, b])[:-1]
    feasible = (flows >= -1e-12 * a.sum()).all(1)
    return float((flows * cost.reshape(-1)[arcs]).sum(1)[feasible].min())


def linear_program_value(cost: Array, a: Array, b: Array) -> float:
    """The least cost by HiGHS. Its tolerances are absolute, so costs and weights are scaled to 1 first."""
    rows, columns = cost.shape
    scale = max(np.abs(cost).max(), np.finfo(float).tiny)
    row_sums = np.kron(np.eye(rows), np.ones(columns))
    column_sums = np.kron(np.ones(rows), np.eye(columns))
    result = linprog(
        cost.reshape(-1) / scale,
        A_eq=np.concatenate([row_sums, column_sums])[:-1],
        b_eq=np.concatenate([a / a.sum(), b / b.sum()])[:-1],
        method="highs",
    )
    if not result.success:
        raise RuntimeError(f"HiGHS gave up: {result.message}")
    return float(result.fun * scale * a.sum())
