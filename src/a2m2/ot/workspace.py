"""The memory of one solver thread: allocated once a call, used for problem after problem.

Only nodes with positive weight take part in a problem; ``row_index`` and ``column_index`` give their places
in the caller's arrays. Row nodes are ``0 … rows-1``, column nodes ``base … base+columns-1``, where ``base``
is ``rows`` rounded up to a whole number of lanes, so that both kinds of node start on a lane boundary.

The spanning tree is held as parents, flows on the arcs to them, and subtree sets: a bit set over all nodes
for every node, in ``words`` words of 64 bits. One potential a node, ``height``, serves rows and columns
alike: ``u_i = height[i]`` and ``v_j = -height[base + j]``. The reduced cost is ``c_ij - height[i] +
height[base + j]``, and moving a subtree adds one number to all of its nodes, whatever their kind.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from a2m2.ot.addresses import arrays_at
from a2m2.ot.compiling import inlined
from a2m2.ot.lanes import ALL_LANES, WIDTH


class Shape(NamedTuple):
    """Sizes of the problem at hand, counted after zero weights are dropped."""

    rows: int
    columns: int
    base: int  # rows, padded: the first column node
    blocks: int  # lanes it takes to hold one row of the costs
    words: int  # 64-bit words of a set of nodes
    column_bits: int  # low bits that number a column, padding included
    row_bits: int  # low bits that number a row, padding included


class Workspace(NamedTuple):
    """Arrays of one thread; ``nodes`` counts padded rows plus padded columns, ``stride`` padded columns."""

    row_index: NDArray[np.uint32]  # (rows,)
    column_index: NDArray[np.uint32]  # (columns,)
    rest: NDArray[np.float64]  # (nodes,) weight not yet shipped; at the end, mass that the plan ships
    cost: NDArray[np.float64]  # (rows * stride,) scaled to at most 1, padding huge
    coarse: NDArray[np.float32]  # (rows * stride,) the same, for pricing
    keys: NDArray[np.int32]  # (rows * stride,) start: ordered reduced costs, tagged by column
    regret: NDArray[np.float32]  # (base,) start: second least minus least reduced cost of a row
    rank: NDArray[np.int32]  # (base,) start: ordered regrets, tagged by row
    order: NDArray[np.uint32]  # (base,) start: rows by falling regret
    open_columns: NDArray[np.int64]  # (blocks,) start: lanes of columns that still want mass
    hung: NDArray[np.uint32]  # (nodes,) start: nodes in the order in which they were hung; later a stack
    parent: NDArray[np.uint32]  # (nodes,) the root is its own parent
    flow: NDArray[np.float64]  # (nodes,)
    height: NDArray[np.float64]  # (nodes,)
    coarse_height: NDArray[np.float32]  # (nodes,)
    subtree: NDArray[np.int64]  # (nodes * words,)
    moved: NDArray[np.int64]  # (words,) the subtree that a pivot moves
    turned: NDArray[np.int64]  # (words,) the part of it that hangs below the last node re-rooted
    u: NDArray[np.float64]  # (all rows,) potentials in the caller's order, scaled
    v: NDArray[np.float64]  # (all columns,)


@inlined
def padded(count: int) -> int:
    """``count`` rounded up to a whole number of lanes."""
    return (count + WIDTH - 1) // WIDTH * WIDTH


@inlined
def lanes_inside(count: int, at: int) -> int:
    """Set of the lanes of the block at position ``at`` that lie among the first ``count`` values."""
    return ALL_LANES if count - at >= WIDTH else (1 << (count - at)) - 1


@inlined
def bits_for(count: int) -> int:
    """Number of bits that number ``count`` things."""
    bits = 0
    while (1 << bits) < count:
        bits += 1
    return bits


@inlined
def shape_of(rows: int, columns: int) -> Shape:
    """Sizes of a problem with ``rows`` and ``columns`` nodes of positive weight."""
    base, stride = padded(rows), padded(columns)
    words = (base + stride + 63) // 64
    return Shape(rows, columns, base, stride // WIDTH, words, bits_for(stride), bits_for(base))


@inlined
def small_shape_of(rows: int, columns: int) -> Shape:
    """As :func:`shape_of` for at most 16 by 16 nodes, with sizes that the compiler knows and unrolls by."""
    return Shape(rows, columns, base=WIDTH, blocks=1, words=1, column_bits=4, row_bits=4)


def make_workspace(num_rows: int, num_columns: int) -> Workspace:
    """Room for one problem of at most ``num_rows`` by ``num_columns`` nodes."""
    base, stride = (-(-count // WIDTH) * WIDTH for count in (num_rows, num_columns))
    nodes = base + stride
    words = -(-nodes // 64)
    return Workspace(
        row_index=np.empty(num_rows, np.uint32),
        column_index=np.empty(num_columns, np.uint32),
        rest=np.empty(nodes, np.float64),
        cost=np.empty(num_rows * stride, np.float64),
        coarse=np.empty(num_rows * stride, np.float32),
        keys=np.empty(num_rows * stride, np.int32),
        regret=np.empty(base, np.float32),
        rank=np.empty(base, np.int32),
        order=np.empty(base, np.uint32),
        open_columns=np.empty(stride // WIDTH, np.int64),
        hung=np.empty(nodes, np.uint32),
        parent=np.empty(nodes, np.uint32),
        flow=np.empty(nodes, np.float64),
        height=np.empty(nodes, np.float64),
        coarse_height=np.empty(nodes, np.float32),
        subtree=np.empty(nodes * words, np.int64),
        moved=np.empty(words, np.int64),
        turned=np.empty(words, np.int64),
        u=np.empty(num_rows, np.float64),
        v=np.empty(num_columns, np.float64),
    )


workspace_at = arrays_at(make_workspace(1, 1))
"""For use in Numba code: the workspace behind a table of addresses."""
