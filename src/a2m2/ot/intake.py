"""Reading a problem: check it, drop zero weights, scale the costs by a power of two, pad them to lanes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from a2m2.ot.compiling import inlined
from a2m2.ot.lanes import (
    ALL_LANES,
    WIDTH,
    below,
    choose,
    fill,
    greatest_double,
    larger,
    load,
    magnitude,
    minus,
    narrow,
    plus,
    store,
    times,
    widen,
)
from a2m2.ot.workspace import Shape, Workspace, lanes_inside

PADDING = 1e30
"""Scaled cost of arcs to padding columns: above every reduced cost, far below the overflow of float32."""


@inlined
def weigh(
    weights: NDArray[np.floating], index: NDArray[np.uint32], rest: NDArray[np.float64]
) -> tuple[int, float]:
    """Copy the positive weights; their number and sum (NaN if a weight is negative, infinite or NaN)."""
    total = 0.0
    count = 0
    valid = True
    for k in range(weights.shape[0]):
        weight = np.float64(weights[k])
        valid = valid and bool(weight >= 0.0)
        total += weight
        index[count] = k
        rest[count] = weight
        count += 1 if weight > 0.0 else 0
    return count, total if valid and total < np.inf else np.nan


@inlined
def cost_scale(flat: NDArray[np.floating], origin: int, count: int) -> float:
    """The power of two that brings the largest of ``count`` costs into [1/2, 1); NaN if one is not finite.

    ``flat`` must be readable for one block of lanes beyond the problem.
    """
    top = fill(0.0)
    poison = fill(0.0)
    for at in range(0, count, WIDTH):
        value = choose(lanes_inside(count, at), widen(load(flat, origin + at)), fill(0.0))
        poison = plus(poison, minus(value, value))
        top = larger(magnitude(value), top)
    largest = greatest_double(top)
    if below(poison, fill(1.0)) != ALL_LANES:
        return np.nan
    return math.ldexp(1.0, min(-math.frexp(largest)[1], 1000))


@inlined
def copy_costs(
    work: Workspace, shape: Shape, flat: NDArray[np.floating], origin: int, num_columns: int, scale: float
) -> None:
    """Fill ``cost`` and ``coarse`` with the rows and columns that take part."""
    stride = shape.blocks * WIDTH
    whole = shape.columns == num_columns
    for row in range(shape.rows):
        source = origin + np.int64(work.row_index[row]) * num_columns
        if not whole:
            for column in range(shape.columns):
                work.cost[row * stride + column] = flat[source + work.column_index[column]]
        for block in range(shape.blocks):
            at = block * WIDTH
            raw = widen(load(flat, source + at)) if whole else load(work.cost, row * stride + at)
            exact = choose(lanes_inside(shape.columns, at), times(raw, fill(scale)), fill(PADDING))
            store(work.cost, row * stride + at, exact)
            store(work.coarse, row * stride + at, narrow(exact))
