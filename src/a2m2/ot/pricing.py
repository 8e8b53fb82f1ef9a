"""Which arc enters the tree: the steepest of a block of rows, found in float32.

Float32 halves the work and is only asked for a candidate: the driver computes the candidate's reduced cost
again in float64 before it pivots, and a float64 pass over all arcs decides when to stop.
"""

from __future__ import annotations

import numpy as np

from a2m2.ot.compiling import inlined
from a2m2.ot.lanes import (
    WIDTH,
    bit_and,
    bit_or,
    fill,
    float_of,
    greater_unsigned,
    greatest_unsigned,
    lane_numbers,
    load,
    minus,
    pattern,
    plus,
)
from a2m2.ot.workspace import Shape, Workspace

COARSE_TOLERANCE = np.float32(1e-6)
"""Reduced costs above minus this are left to the float64 pass: of scaled costs, float32 sees 1e-7."""

_ROW_BITS = 3
"""Low bits that number a row within a block."""

ROWS_AT_ONCE = 1 << _ROW_BITS
"""Rows priced before each pivot (our choice). Measured: 4 to 16 are alike up to 64 rows, beyond it fewer win."""


@inlined
def steepest(work: Workspace, shape: Shape, first: int, last: int) -> tuple[int, int]:
    """Row and column of the most negative reduced cost in rows ``first … last-1``; -1, -1 if none is.

    Negative float32 patterns read as unsigned integers grow as the float falls and exceed those of all
    positive ones, so one unsigned maximum finds the steepest arc; the low bits carry its position within the
    block.
    """
    stride = shape.blocks * WIDTH
    mask = (1 << (shape.column_bits + _ROW_BITS)) - 1
    keep = fill(~mask)
    next_row = fill(1 << shape.column_bits)
    best = fill(0)
    for block in range(shape.blocks):
        height = load(work.coarse_height, shape.base + block * WIDTH)
        tag = plus(lane_numbers(), fill(block * WIDTH))
        for row in range(first, last):
            cost = load(work.coarse, row * stride + block * WIDTH)
            reduced = pattern(plus(minus(cost, fill(work.coarse_height[row])), height))
            best = greater_unsigned(best, bit_or(bit_and(reduced, keep), tag))
            tag = plus(tag, next_row)
    found = greatest_unsigned(best)
    if found >= 0 or float_of(np.int32(found & ~mask)) > -COARSE_TOLERANCE:
        return -1, -1
    place = found & mask
    return first + (place >> shape.column_bits), place & ((1 << shape.column_bits) - 1)


@inlined
def next_candidate(work: Workspace, shape: Shape, cursor: int) -> tuple[int, int, int]:
    """The next steepest arc, going round from row ``cursor``, and where to go on; row -1: none."""
    rows = shape.rows
    seen = 0
    while seen < rows:
        last = min(cursor + ROWS_AT_ONCE, rows)
        row, column = steepest(work, shape, cursor, last)
        seen += last - cursor
        cursor = last if last < rows else 0
        if row >= 0:
            return row, column, cursor
    return -1, -1, cursor
