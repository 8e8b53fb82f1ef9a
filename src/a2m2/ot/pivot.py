"""One step of the network simplex: push mass round a cycle, take the blocking arc out, move a subtree.

The entering arc (row, column) closes a cycle with the tree paths of both ends up to their join, the first
ancestor of the row whose subtree holds the column. Mass goes row → column, up to the join, and down to the
row again. On the row's path the arcs above row nodes lose mass, on the column's path those above column
nodes.

The arc that leaves is the last blocking one along this orientation, counted from the join (Cunningham 1976):
among equals the one nearest the join on the column's side, else the one nearest the row. It keeps the tree
strongly feasible, so that ties cannot cycle in exact arithmetic.
"""

from __future__ import annotations

import numpy as np

from a2m2.ot.compiling import inlined
from a2m2.ot.lanes import ALL_LANES, WIDTH, choose, fill, load, narrow, plus, store
from a2m2.ot.workspace import Shape, Workspace


@inlined
def holds(work: Workspace, node: np.uint32, other: np.uint32, words: int) -> bool:
    """Whether ``other`` lies in the subtree of ``node``."""
    return (work.subtree[node * words + (other >> 6)] >> (other & 63)) & 1 != 0


@inlined
def pivot(work: Workspace, shape: Shape, row: np.uint32, column: np.uint32, reduced: float) -> None:
    """Bring the arc between nodes ``row`` and ``column``, of reduced cost ``reduced`` < 0, into the tree."""
    base, words = shape.base, shape.words
    theta = np.inf
    leaving = row
    node = row
    while not holds(work, node, column, words):
        flow = work.flow[node]
        if node < base and flow < theta:
            theta, leaving = flow, node
        node = work.parent[node]
    join = node
    row_side = True
    node = column
    while node != join:
        flow = work.flow[node]
        if node >= base and flow <= theta:
            theta, leaving, row_side = flow, node, False
        node = work.parent[node]

    for word in range(words):
        work.moved[word] = work.subtree[leaving * words + word]
        work.turned[word] = 0
    start, other = (row, column) if row_side else (column, row)
    _reroot(work, shape, start, other, leaving, join, theta, row_side)
    _lift(work, shape, reduced if row_side else -reduced)


@inlined
def _reroot(
    work: Workspace,
    shape: Shape,
    start: np.uint32,
    other: np.uint32,
    leaving: np.uint32,
    join: np.uint32,
    theta: float,
    row_side: bool,
) -> None:
    """Change flows and subtrees along the cycle; hang the moved subtree by ``start`` below ``other``."""
    base, words = shape.base, shape.words
    node = other
    while node != join:
        loses = (node >= base) == row_side
        work.flow[node] += -theta if loses else theta
        for word in range(words):
            work.subtree[node * words + word] |= work.moved[word]
        node = work.parent[node]

    node, above, flow = start, other, theta
    while True:
        upper = work.parent[node]
        loses = (node < base) == row_side
        old_flow = work.flow[node] + (-theta if loses else theta)
        work.parent[node] = above
        work.flow[node] = flow
        for word in range(words):
            old = work.subtree[node * words + word]
            work.subtree[node * words + word] = work.moved[word] ^ work.turned[word]
            work.turned[word] = old
        above, flow = node, old_flow
        if node == leaving:
            break
        node = upper

    node = upper
    while node != join:
        loses = (node < base) == row_side
        work.flow[node] += -theta if loses else theta
        for word in range(words):
            work.subtree[node * words + word] ^= work.moved[word]
        node = work.parent[node]


@inlined
def _lift(work: Workspace, shape: Shape, amount: float) -> None:
    """Add ``amount`` to the height of every node of the moved subtree."""
    step = fill(amount)
    for at in range(0, shape.base + shape.blocks * WIDTH, WIDTH):
        bits = (work.moved[at >> 6] >> (at & 63)) & ALL_LANES
        height = load(work.height, at)
        height = choose(bits, plus(height, step), height)
        store(work.height, at, height)
        store(work.coarse_height, at, narrow(height))
