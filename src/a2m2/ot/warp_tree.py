"""The spanning tree of one problem in the shared memory of a warp: how it starts, and how a pivot changes it.

Nodes are rows, then columns; lane ``k`` looks after nodes ``k``, ``k + 32``, … Every node has the bit set of its
subtree, in words of 32 bits. With it nothing has to walk along the tree: a node lies on the cycle that an arc closes
if its subtree holds one end of the arc and not the other, it lies in the moved subtree if the set of the leaving node
holds it, and of two nodes on one path the one with the larger set is nearer the root. So each lane decides for its
nodes alone, and a pivot takes the same few steps however long the cycle is. The rules are those of
:mod:`a2m2.ot.start` and :mod:`a2m2.ot.pivot`: the tree is strongly feasible, and stays so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from a2m2.ot.warp import LANES, count_bits, device, least, least_of_pairs, meet, read, write

STEPS = 2.0**40
"""Steps in a unit of scaled cost when costs are compared as integers with a position in their low bits."""

PLACE_BITS = 14
"""Those low bits: problems have at most 128 by 128 costs."""

PLACES = (1 << PLACE_BITS) - 1

_FAR = np.int64(0x7FFFFFFFFFFFFFFF)

_MIDDLE = 1 << 12
"""More than a subtree has nodes."""

_NODE_BITS = 16


class Tree(NamedTuple):
    """A problem, and its spanning tree; ``node`` is rows + columns.

    Attributes:
        cost: ``(rows * stride,)`` scaled; a row's padding is huge.
        height: ``(node,)`` a row's potential, and minus a column's.
        flow: ``(node,)`` on the arc to the parent.
        rest: ``(node,)`` weights; while a pivot runs, flows of nodes that turn.
        subtree: ``(node * words,)`` bit sets.
        turned: ``(node * words,)`` bit sets of nodes that turn.
        moved: ``(words,)`` the subtree that a pivot moves.
        parent: ``(node,)``; the root's is itself.
        above: ``(node,)`` parents of nodes that turn; at the start, the order of the rows.
        named: ``(node,)`` the row or column of the caller's problem.
    """

    cost: NDArray[np.floating]
    height: NDArray[np.float64]
    flow: NDArray[np.float64]
    rest: NDArray[np.float64]
    subtree: NDArray[np.uint32]
    turned: NDArray[np.uint32]
    moved: NDArray[np.uint32]
    parent: NDArray[np.int32]
    above: NDArray[np.int32]
    named: NDArray[np.int32]


@device
def holds(tree: Tree, node: int, other: int, words: int) -> bool:
    """Whether ``other`` lies in the subtree of ``node``."""
    return (read(tree.subtree, node * words + (other >> 5)) >> (other & 31)) & 1 != 0


@device
def order_rows(tree: Tree, rows: int, columns: int, stride: int, lane: int) -> None:
    """Columns' least costs into ``flow``, rows by falling regret into ``above``; see :mod:`a2m2.ot.start`."""
    for column in range(lane, columns, LANES):
        price = np.float64(read(tree.cost, column))
        for row in range(1, rows):
            price = min(price, np.float64(read(tree.cost, row * stride + column)))
        write(tree.flow, rows + column, price)
    meet()
    for row in range(lane, rows, LANES):
        first = np.inf
        second = np.inf
        for column in range(columns):
            reduced = np.float64(read(tree.cost, row * stride + column)) - read(tree.flow, rows + column)
            second = min(second, max(first, reduced))
            first = min(first, reduced)
        write(tree.height, row, second - first)
    meet()
    for row in range(lane, rows, LANES):
        own = read(tree.height, row)
        before = 0
        for other in range(rows):
            regret = read(tree.height, other)
            if regret > own or (regret == own and other < row):
                before += 1
        write(tree.above, before, row)
    meet()


@device
def plant(tree: Tree, nodes: int, words: int, lane: int) -> None:
    """Every node is a tree of its own, of height 0."""
    for block in range(words):
        node = block * LANES + lane
        if node < nodes:
            write(tree.height, node, 0.0)
            write(tree.parent, node, node)
            for word in range(words):
                write(tree.subtree, node * words + word, 0)
            write(tree.subtree, node * words + (node >> 5), 1 << (node & 31))
    meet()


@device
def cheapest_open(tree: Tree, row: int, rows: int, columns: int, stride: int, shut: int, lane: int) -> int:
    """The open column that costs ``row`` least above its price; bit ``k`` of ``shut`` is column ``lane + 32 k``."""
    key = _FAR
    for column in range(lane, columns, LANES):
        if (shut >> (column >> 5)) & 1 == 0:
            reduced = np.float64(read(tree.cost, row * stride + column)) - read(tree.flow, rows + column)
            key = min(key, (np.int64(reduced * STEPS) << PLACE_BITS) | np.int64(column))
    return least(key) & PLACES


@device
def grow_tree(tree: Tree, rows: int, columns: int, stride: int, words: int, lane: int) -> None:
    """Ship greedily; every step empties a node and hangs it below the one that remains."""
    nodes = rows + columns
    order_rows(tree, rows, columns, stride, lane)
    plant(tree, nodes, words, lane)
    shut = 0
    turn = 0
    wanting = columns
    for _ in range(nodes - 1):
        row = np.int64(read(tree.above, min(turn, rows - 1)))
        column = cheapest_open(tree, row, rows, columns, stride, shut, lane)
        node = rows + column
        supply = read(tree.rest, row)
        demand = read(tree.rest, node)
        empties_column = wanting > 1 and (demand <= supply or turn == rows - 1)
        cost = np.float64(read(tree.cost, row * stride + column))
        child, survivor, shipped, climb = node, row, demand, -cost
        if not empties_column:
            child, survivor, shipped, climb = row, node, supply, cost
        climb += read(tree.height, survivor) - read(tree.height, child)
        meet()
        for block in range(words):
            own = block * LANES + lane
            if own < nodes and holds(tree, child, own, words):
                write(tree.height, own, read(tree.height, own) + climb)
        for word in range(lane, words, LANES):
            write(
                tree.subtree,
                survivor * words + word,
                read(tree.subtree, survivor * words + word) | read(tree.subtree, child * words + word),
            )
        if lane == 0:
            write(tree.parent, child, survivor)
            write(tree.flow, child, max(shipped, 0.0))
            write(tree.rest, survivor, read(tree.rest, survivor) - shipped)
        if empties_column:
            wanting -= 1
            if column & 31 == lane:
                shut |= 1 << (column >> 5)
        else:
            turn += 1
        meet()
    for block in range(words):
        own = block * LANES + lane
        if own < nodes and read(tree.parent, own) == own:
            write(tree.flow, own, 0.0)
    meet()


@device
def find_leaving(
    tree: Tree, row: int, column: int, rows: int, nodes: int, words: int, lane: int
) -> tuple[float, int, bool]:
    """What the cycle of arc (row, column) lets through, the node below the arc that leaves, whether it is on the
    row's side. Both ends are node numbers."""
    theta = np.inf
    mark = 0
    for block in range(words):
        node = block * LANES + lane
        if node < nodes:
            of_row = holds(tree, node, row, words)
            if of_row != holds(tree, node, column, words) and of_row == (node < rows):
                size = 0
                for word in range(words):
                    size += count_bits(read(tree.subtree, node * words + word))
                nearness = _MIDDLE - size if of_row else _MIDDLE + size
                own = (nearness << _NODE_BITS) | node
                flow = read(tree.flow, node)
                if flow < theta or (flow == theta and own > mark):
                    theta = flow
                    mark = own
    theta, mark = least_of_pairs(theta, np.int32(mark))
    return theta, mark & ((1 << _NODE_BITS) - 1), (mark >> _NODE_BITS) < _MIDDLE


@device
def pivot(
    tree: Tree, row: int, column: int, reduced: float, rows: int, nodes: int, words: int, lane: int
) -> None:
    """Bring the arc between nodes ``row`` and ``column``, of reduced cost ``reduced`` < 0, into the tree."""
    theta, leaving, row_side = find_leaving(tree, row, column, rows, nodes, words, lane)
    start, other = column, row
    amount = -reduced
    if row_side:
        start, other = row, column
        amount = reduced
    for word in range(lane, words, LANES):
        write(tree.moved, word, read(tree.subtree, leaving * words + word))
    for block in range(words):
        node = block * LANES + lane
        if node < nodes:
            of_row = holds(tree, node, row, words)
            if of_row != holds(tree, node, column, words):
                change = -theta if of_row == (node < rows) else theta
                flow = read(tree.flow, node) + change
                if of_row == row_side and holds(tree, leaving, node, words):
                    if node != leaving:
                        upper = read(tree.parent, node)
                        write(tree.above, upper, node)
                        write(tree.rest, upper, flow)
                        for word in range(words):
                            write(
                                tree.turned,
                                upper * words + word,
                                read(tree.subtree, leaving * words + word)
                                ^ read(tree.subtree, node * words + word),
                            )
                    if node == start:
                        write(tree.above, node, other)
                        write(tree.rest, node, theta)
                        for word in range(words):
                            write(
                                tree.turned, node * words + word, read(tree.subtree, leaving * words + word)
                            )
                else:
                    write(tree.flow, node, flow)
    meet()
    for block in range(words):
        node = block * LANES + lane
        if node < nodes:
            moves = (read(tree.moved, node >> 5) >> (node & 31)) & 1 != 0
            of_row = holds(tree, node, row, words)
            if of_row != holds(tree, node, column, words):
                if of_row == row_side and moves:
                    write(tree.parent, node, read(tree.above, node))
                    write(tree.flow, node, read(tree.rest, node))
                    for word in range(words):
                        write(tree.subtree, node * words + word, read(tree.turned, node * words + word))
                else:
                    # Above the leaving arc the moved nodes go; on the other end's path they come.
                    for word in range(words):
                        write(
                            tree.subtree,
                            node * words + word,
                            read(tree.subtree, node * words + word) ^ read(tree.moved, word),
                        )
            if moves:
                write(tree.height, node, read(tree.height, node) + amount)
    meet()
