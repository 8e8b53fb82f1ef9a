"""The network simplex, stopped as soon as a bound proves that little is left to gain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from a2m2.ot.certify import PRICE_TOLERANCE
from a2m2.ot.compiling import called, inlined
from a2m2.ot.lanes import WIDTH, fill, least_double, lesser, load, plus
from a2m2.ot.pivot import pivot
from a2m2.ot.pricing import next_candidate
from a2m2.ot.start import grow_tree, order_rows, reduce_costs, set_heights
from a2m2.ot.workspace import Shape, Workspace

CHECKS = 2
"""Bounds are worked out this often while as many pivots are made as there are nodes (1, 2, 4 and 8 were tried)."""


@called
def tree_value(work: Workspace, shape: Shape) -> float:
    """Cost of the flows of the tree, scaled."""
    stride = shape.blocks * WIDTH
    value = 0.0
    for node in range(shape.base + shape.columns):
        parent = np.int64(work.parent[node])
        if shape.rows <= node < shape.base or parent == node:
            continue
        row = node if node < shape.base else parent
        column = (parent if node < shape.base else node) - shape.base
        value += work.flow[node] * work.cost[row * stride + column]
    return value


@inlined
def bound(work: Workspace, shape: Shape, weights: NDArray[np.float64]) -> float:
    """A lower bound of the scaled value: the columns' heights with the best potentials of rows, left in ``u``."""
    stride = shape.blocks * WIDTH
    total = 0.0
    for row in range(shape.rows):
        least = fill(np.inf)
        for block in range(shape.blocks):
            height = load(work.height, shape.base + block * WIDTH)
            least = lesser(plus(load(work.cost, row * stride + block * WIDTH), height), least)
        work.u[row] = least_double(least)
        total += weights[row] * work.u[row]
    for column in range(shape.base, shape.base + shape.columns):
        total -= weights[column] * work.height[column]
    return total


@inlined
def approach(
    work: Workspace,
    shape: Shape,
    weights: NDArray[np.float64],
    best: NDArray[np.float64],
    tolerance: float,
    max_pivots: int,
) -> float:
    """Pivot until the value is within ``tolerance`` (relative) of a bound; the gap that is left, scaled.

    ``weights`` are those of the nodes, which the start uses up in ``rest``; ``best`` takes the rows' potentials of
    the best bound.
    """
    reduce_costs(work, shape)
    order_rows(work, shape)
    grow_tree(work, shape)
    set_heights(work, shape)
    stride = shape.blocks * WIDTH
    interval = max(16, (shape.rows + shape.columns) // CHECKS)
    cursor = 0
    pivots = 0
    highest = -np.inf
    while True:
        row, column, cursor = next_candidate(work, shape, cursor)
        reduced = 0.0
        if row >= 0:
            reduced = work.cost[row * stride + column] - work.height[row] + work.height[shape.base + column]
        stuck = reduced >= -PRICE_TOLERANCE or pivots == max_pivots
        if stuck or pivots % interval == 0:
            below = bound(work, shape, weights)
            if below > highest:
                highest = below
                for place in range(shape.rows):
                    best[place] = work.u[place]
            value = tree_value(work, shape)
            if stuck or value - highest <= tolerance * abs(value):
                return value - highest
        pivot(work, shape, np.uint32(row), np.uint32(shape.base + column), reduced)
        pivots += 1
