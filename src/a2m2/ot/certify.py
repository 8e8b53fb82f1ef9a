"""The float64 end of a solution: is it optimal, are others as good, and how well does it hold?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from a2m2.ot.compiling import called, inlined
from a2m2.ot.lanes import WIDTH, below, count_bits, fill, least_double, lesser, load, minus, plus, store
from a2m2.ot.workspace import Shape, Workspace

PRICE_TOLERANCE = 5e-14
"""A plan is optimal when no scaled reduced cost is below minus this: 1e-13 of the largest cost, or less."""

FLAG_TOLERANCE = 1e-12
"""Flows up to this times the total mass, and scaled reduced costs up to this, count as zero."""


@inlined
def scan(work: Workspace, shape: Shape) -> tuple[float, int]:
    """The least reduced cost of all arcs in float64, and the number of those that count as zero or less."""
    stride = shape.blocks * WIDTH
    least = fill(np.inf)
    num_tight = 0
    for block in range(shape.blocks):
        height = load(work.height, shape.base + block * WIDTH)
        for row in range(shape.rows):
            cost = load(work.cost, row * stride + block * WIDTH)
            reduced = plus(minus(cost, fill(work.height[row])), height)
            least = lesser(reduced, least)
            num_tight += count_bits(below(reduced, fill(FLAG_TOLERANCE)))
    return least_double(least), num_tight


@called
def refresh_heights(work: Workspace, shape: Shape) -> None:
    """Potentials anew from the tree, so that the rounding of many pivots does not add up.

    ``hung`` serves as a stack: from each node climb to the first one that is known, and come down again.
    """
    stride = shape.blocks * WIDTH
    for place in range(shape.base + shape.columns):
        if shape.rows <= place < shape.base:
            continue
        work.height[place] = 0.0 if work.parent[place] == place else np.nan
    for leaf in range(shape.base + shape.columns):
        depth = 0
        node = np.uint32(leaf)
        while np.isnan(work.height[node]):
            work.hung[depth] = node
            depth += 1
            node = work.parent[node]
        height = work.height[node]
        for step in range(depth - 1, -1, -1):
            node = work.hung[step]
            parent = work.parent[node]
            if node < shape.base:
                height += work.cost[node * stride + parent - shape.base]
            else:
                height -= work.cost[parent * stride + node - shape.base]
            work.height[node] = height


@called
def exact_candidate(work: Workspace, shape: Shape, cursor: int) -> tuple[int, int, int]:
    """The float64 counterpart of :func:`a2m2.ot.pricing.next_candidate`, one row at a time."""
    stride = shape.blocks * WIDTH
    row = cursor
    for _ in range(shape.rows):
        best, best_column = -PRICE_TOLERANCE, -1
        for column in range(shape.columns):
            cost = work.cost[row * stride + column]
            reduced = cost - work.height[row] + work.height[shape.base + column]
            if reduced < best:
                best, best_column = reduced, column
        following = row + 1 if row + 1 < shape.rows else 0
        if best_column >= 0:
            return row, best_column, following
        row = following
    return -1, -1, cursor


@inlined
def read_plan(work: Workspace, shape: Shape, plan: NDArray[np.floating]) -> tuple[float, float]:
    """Write flows into ``plan``, their marginals into ``rest``; give the scaled value and least flow.

    A plan of no entries is not wanted.
    """
    wanted = plan.size > 0
    stride = shape.blocks * WIDTH
    for at in range(0, shape.base + stride, WIDTH):
        store(work.rest, at, fill(0.0))
    plan[:] = 0.0
    value = 0.0
    least = np.inf
    for node in range(shape.base + shape.columns):
        parent = np.int64(work.parent[node])
        if shape.rows <= node < shape.base or parent == node:
            continue
        flow = work.flow[node]
        row = node if node < shape.base else parent
        column = (parent if node < shape.base else node) - shape.base
        if wanted:
            plan[work.row_index[row], work.column_index[column]] = flow
        work.rest[row] += flow
        work.rest[shape.base + column] += flow
        value += flow * work.cost[row * stride + column]
        least = min(least, flow)
    return value, least


@called
def transform_dropped(
    work: Workspace,
    shape: Shape,
    a: NDArray[np.floating],
    b: NDArray[np.floating],
    flat: NDArray[np.floating],
    origin: int,
    scale: float,
) -> None:
    """Potentials of nodes of zero weight: the largest that leave no reduced cost negative (c-transform)."""
    for column in range(b.shape[0]):
        if b[column] > 0.0:
            continue
        potential = np.inf
        for active in range(shape.rows):
            row = work.row_index[active]
            potential = min(potential, flat[origin + row * b.shape[0] + column] * scale - work.u[row])
        work.v[column] = potential
    for row in range(a.shape[0]):
        if a[row] > 0.0:
            continue
        potential = np.inf
        for column in range(b.shape[0]):
            potential = min(potential, flat[origin + row * b.shape[0] + column] * scale - work.v[column])
        work.u[row] = potential
