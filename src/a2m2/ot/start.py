"""A first spanning tree: greedy, cheap, and strongly feasible.

Columns get their minimum ``v0`` as price. Rows come in order of falling regret (second least minus least
reduced cost ``c - v0``); each row ships to its cheapest open column until it is empty. Every step empties one
node and hangs it below the one that remains, so after ``rows + columns - 1`` steps there is a spanning tree
with its flows, parents and subtrees, rooted at the last column. Ties empty the column: then only arcs that
point to the root can carry zero flow, which is Cunningham's strong feasibility, and the pivots keep it
(Cunningham, Mathematical Programming 11, 1976).

The least of many is found by one integer minimum: the bit pattern of a non-negative float32 orders like the
float, and its low bits make room for the position. That coarsens the comparison, which a starting point can
afford.
"""

from __future__ import annotations

import numpy as np

from a2m2.ot.compiling import inlined
from a2m2.ot.lanes import (
    LARGEST,
    WIDTH,
    below,
    bit_and,
    bit_or,
    choose,
    count_bits,
    fill,
    float_of,
    lane_numbers,
    least_int,
    lesser,
    load,
    minus,
    narrow,
    pattern,
    plus,
    store,
)
from a2m2.ot.workspace import Shape, Workspace, lanes_inside


@inlined
def reduce_costs(work: Workspace, shape: Shape) -> None:
    """Fill ``keys`` with ``c - v0``, tagged by column, and ``regret``; every column is open."""
    stride = shape.blocks * WIDTH
    mask = (1 << shape.column_bits) - 1
    for block in range(shape.blocks):
        at = block * WIDTH
        price = load(work.coarse, at)
        for row in range(1, shape.rows):
            price = lesser(load(work.coarse, row * stride + at), price)
        inside = lanes_inside(shape.columns, at)
        price = choose(inside, price, fill(np.float32(0.0)))
        tag = plus(lane_numbers(), fill(at))
        work.open_columns[block] = inside
        for row in range(shape.rows):
            reduced = pattern(minus(load(work.coarse, row * stride + at), price))
            store(work.keys, row * stride + at, bit_or(bit_and(reduced, fill(~mask)), tag))
    for row in range(shape.rows):
        least = fill(LARGEST)
        second = fill(LARGEST)
        for block in range(shape.blocks):
            key = load(work.keys, row * stride + block * WIDTH)
            second = lesser(second, choose(below(key, least), least, key))
            least = lesser(least, key)
        first = least_int(least)
        runner_up = least_int(choose(below(fill(first), least), least, second))
        work.regret[row] = float_of(np.int32(runner_up & ~mask)) - float_of(np.int32(first & ~mask))


@inlined
def order_rows(work: Workspace, shape: Shape) -> None:
    """Fill ``order`` with the rows by falling regret: its place is the number of rows before it."""
    row_blocks = shape.base // WIDTH
    mask = (1 << shape.row_bits) - 1
    for row in range(shape.rows, shape.base):
        work.regret[row] = np.float32(-1.0)
    for block in range(row_blocks):
        tag = plus(lane_numbers(), fill(block * WIDTH))
        regret = pattern(load(work.regret, block * WIDTH))
        store(work.rank, block * WIDTH, bit_or(bit_and(regret, fill(~mask)), tag))
    for row in range(shape.rows):
        own = fill(work.rank[row])
        before = 0
        for block in range(row_blocks):
            before += count_bits(below(own, load(work.rank, block * WIDTH)))
        work.order[before] = row


@inlined
def _plant(work: Workspace, shape: Shape) -> None:
    """Every node is a tree of its own."""
    words = shape.words
    for word in range(words * (shape.base + shape.columns)):
        work.subtree[word] = 0
    for node in range(shape.base + shape.columns):
        work.subtree[node * words + (node >> 6)] = 1 << (node & 63)


@inlined
def grow_tree(work: Workspace, shape: Shape) -> None:
    """Ship greedily; leaves ``parent``, ``flow``, ``subtree`` and ``hung`` (leaves first, the root last)."""
    rows, columns, base, blocks, words, column_bits, _ = shape
    stride = blocks * WIDTH
    mask = (1 << column_bits) - 1
    _plant(work, shape)
    turn = 0
    wanting = columns
    row = np.int64(work.order[0])
    for step in range(rows + columns - 1):
        best = fill(LARGEST)
        for block in range(blocks):
            key = load(work.keys, row * stride + block * WIDTH)
            best = lesser(best, choose(work.open_columns[block], key, fill(LARGEST)))
        column = np.int64(least_int(best) & mask)
        node = base + column
        supply = work.rest[row]
        demand = work.rest[node]
        empties_column = wanting > 1 and (demand <= supply or turn == rows - 1)
        child, survivor, shipped = (node, row, demand) if empties_column else (row, node, supply)
        work.parent[child] = survivor
        work.flow[child] = max(shipped, 0.0)
        work.rest[survivor] -= shipped
        for word in range(words):
            work.subtree[survivor * words + word] |= work.subtree[child * words + word]
        work.hung[step] = child
        if empties_column:
            work.open_columns[column // WIDTH] &= ~(1 << (column % WIDTH))
            wanting -= 1
        else:
            turn += 1
            row = np.int64(work.order[min(turn, rows - 1)])
        root = survivor
    work.hung[rows + columns - 1] = root
    work.parent[root] = root


@inlined
def set_heights(work: Workspace, shape: Shape) -> None:
    """Potentials of the first tree, from the root (height 0) outwards; padding nodes get 0."""
    stride = shape.blocks * WIDTH
    for at in range(0, shape.base + stride, WIDTH):
        store(work.height, at, fill(0.0))
    for step in range(shape.rows + shape.columns - 2, -1, -1):
        node = work.hung[step]
        parent = work.parent[node]
        if node < shape.base:
            work.height[node] = work.height[parent] + work.cost[node * stride + parent - shape.base]
        else:
            work.height[node] = work.height[parent] - work.cost[parent * stride + node - shape.base]
    for at in range(0, shape.base + stride, WIDTH):
        store(work.coarse_height, at, narrow(load(work.height, at)))
