"""The kernel for a GPU: one warp a problem, from the caller's arrays into the caller's arrays.

A problem and its tree stay in shared memory from the first read to the last write. Costs keep the dtype in which they
came, which loses nothing; everything that is added up is float64. Lanes price arcs in the order in which they stand in
memory, so that they read neighbours and none is idle, whatever the number of columns.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda, float32, float64, int32, uint32
from numpy.typing import NDArray

from a2m2.ot.certify import FLAG_TOLERANCE, PRICE_TOLERANCE
from a2m2.ot.kernel import BAD_A, BAD_B, BAD_COST, BALANCE_TOLERANCE, CAPPED, SOLVED, UNBALANCED
from a2m2.ot.warp import (
    EVERY_LANE,
    LANES,
    count_bits,
    device,
    greatest,
    least,
    meet,
    read,
    total,
    vote,
    write,
)
from a2m2.ot.warp_tree import PLACE_BITS, PLACES, STEPS, Tree, grow_tree, pivot

CHUNK = 512
"""Costs priced before each pivot, 16 a lane (our choice): 14 by 14 at once, of 56 by 56 nine rows, as on the CPU."""


def warp_bytes(rows: int, columns: int, cost_bytes: int) -> int:
    """Shared memory of one problem with costs of ``cost_bytes`` each."""
    nodes, words = rows + columns, num_words(rows, columns)
    costs = -(-rows * columns * cost_bytes // 8) * 8
    whole = 3 * nodes + 2 * nodes * words + words
    return costs + 3 * nodes * 8 + -(-whole // 2) * 8


def num_words(rows: int, columns: int) -> int:
    """Words of a bit set of nodes."""
    return -(-(rows + columns) // LANES)


@device
def read_weights(weights: NDArray[np.floating], tree: Tree, first: int, lane: int) -> tuple[int, float]:
    """Copy the positive weights from node ``first`` on; their number and sum (NaN if one cannot be used)."""
    size = weights.shape[0]
    mass = 0.0
    valid = True
    count = 0
    for at in range(0, size, LANES):
        weight = 0.0
        if at + lane < size:
            weight = np.float64(read(weights, at + lane))
        if not weight >= 0.0:
            valid = False
        mass += weight
        positive = vote(weight > 0.0)
        if weight > 0.0:
            place = first + count + count_bits(positive & ((1 << lane) - 1))
            write(tree.rest, place, weight)
            write(tree.named, place, at + lane)
        count += count_bits(positive)
    mass = total(mass)
    if vote(valid) != EVERY_LANE or not mass < np.inf:
        mass = np.nan
    return count, mass


@device
def cost_scale(cost: NDArray[np.floating], size: int, lane: int) -> float:
    """The power of two that brings the largest cost into [1/2, 1); NaN if one is not finite."""
    top = 0.0
    finite = True
    for at in range(lane, size, LANES):
        value = abs(np.float64(read(cost, at)))
        if not value < np.inf:
            finite = False
        top = max(top, value)
    if vote(finite) != EVERY_LANE:
        return np.nan
    _, exponent = math.frexp(greatest(top))
    return math.ldexp(1.0, min(-exponent, 1000))


@device
def copy_costs(
    tree: Tree,
    cost: NDArray[np.floating],
    rows: int,
    columns: int,
    stride: int,
    scale: float,
    lane: int,
) -> None:
    """The scaled costs of the rows and columns that take part."""
    step_rows, step_columns = LANES // columns, LANES % columns
    row, column = lane // columns, lane % columns
    for at in range(lane, rows * columns, LANES):
        source = read(tree.named, row) * stride + read(tree.named, rows + column)
        write(tree.cost, at, np.float64(read(cost, source)) * scale)
        row += step_rows
        column += step_columns
        if column >= columns:
            column -= columns
            row += 1


@device
def optimise(tree: Tree, rows: int, columns: int, words: int, max_pivots: int, lane: int) -> bool:
    """Pivot until a round over all arcs finds none worth it; false if the pivots run out."""
    size = rows * columns
    step_rows, step_columns = LANES // columns, LANES % columns
    first_row, first_column = lane // columns, lane % columns
    at, row, column = lane, first_row, first_column
    chunks = (size + CHUNK - 1) // CHUNK
    chunk = 0
    quiet = 0
    pivots = 0
    while quiet < chunks:
        best = -PRICE_TOLERANCE
        place = -1
        for _ in range(CHUNK // LANES):
            if at < size:
                reduced = (
                    np.float64(read(tree.cost, at))
                    - read(tree.height, row)
                    + read(tree.height, rows + column)
                )
                if reduced < best:
                    best = reduced
                    place = at
                at += LANES
                row += step_rows
                column += step_columns
                if column >= columns:
                    column -= columns
                    row += 1
        key = np.int64(0)
        if place >= 0:
            key = ((np.int64(-best * STEPS) + 1) << PLACE_BITS) | np.int64(place)
        key = greatest(key)
        chunk += 1
        if chunk == chunks:
            chunk = 0
            at, row, column = lane, first_row, first_column
        if key == 0:
            quiet += 1
            continue
        if pivots == max_pivots:
            return False
        entering = key & PLACES
        source = entering // columns
        target = rows + entering - source * columns
        reduced = (
            np.float64(read(tree.cost, entering)) - read(tree.height, source) + read(tree.height, target)
        )
        pivot(tree, source, target, reduced, rows, rows + columns, words, lane)
        pivots += 1
        quiet = 0
    return True


@device
def scan(tree: Tree, rows: int, columns: int, lane: int) -> tuple[float, int]:
    """The least reduced cost of all arcs, and the number of those that count as zero or less."""
    lowest = np.inf
    tight = 0
    for row in range(rows):
        for column in range(lane, columns, LANES):
            reduced = (
                np.float64(read(tree.cost, row * columns + column))
                - read(tree.height, row)
                + read(tree.height, rows + column)
            )
            lowest = min(lowest, reduced)
            if reduced < FLAG_TOLERANCE:
                tight += 1
    return least(lowest), total(tight)


@device
def write_plan(
    tree: Tree,
    rows: int,
    columns: int,
    plan: NDArray[np.floating],
    stride: int,
    wanted: bool,
    lane: int,
) -> tuple[float, float]:
    """Flows into a plan of zeros, their sums at each node into ``rest``; scaled value and least flow."""
    nodes = rows + columns
    value = 0.0
    smallest = np.inf
    for node in range(lane, nodes, LANES):
        parent = read(tree.parent, node)
        shipped = 0.0
        if parent != node:
            flow = read(tree.flow, node)
            row, column = node, parent - rows
            if node >= rows:
                row, column = parent, node - rows
            value += flow * np.float64(read(tree.cost, row * columns + column))
            smallest = min(smallest, flow)
            shipped = flow
            if wanted:
                write(plan, read(tree.named, row) * stride + read(tree.named, rows + column), flow)
        for other in range(nodes):
            if read(tree.parent, other) == node and other != node:
                shipped += read(tree.flow, other)
        write(tree.rest, node, shipped)
    meet()
    return total(value), least(smallest)


@device
def transform_dropped(
    cost: NDArray[np.floating],
    a: NDArray[np.floating],
    b: NDArray[np.floating],
    u: NDArray[np.floating],
    v: NDArray[np.floating],
    lane: int,
) -> None:
    """Potentials of nodes of zero weight: the largest that leave no reduced cost negative (c-transform)."""
    num_rows, num_columns = a.shape[0], b.shape[0]
    for column in range(lane, num_columns, LANES):
        if read(b, column) == 0.0:
            potential = np.inf
            for row in range(num_rows):
                if read(a, row) > 0.0:
                    reduced = np.float64(read(cost, row * num_columns + column)) - read(u, row)
                    potential = min(potential, reduced)
            write(v, column, potential)
    meet()
    for row in range(lane, num_rows, LANES):
        if read(a, row) == 0.0:
            potential = np.inf
            for column in range(num_columns):
                reduced = np.float64(read(cost, row * num_columns + column)) - read(v, column)
                potential = min(potential, reduced)
            write(u, row, potential)


@functools.cache
def kernel_for(dtype: np.dtype[np.floating]) -> Any:
    """The kernel for problems of a dtype."""
    element = float32 if dtype == np.float32 else float64
    cost_bytes = dtype.itemsize

    def solve_batch(
        cost: NDArray[np.floating],  # (batch * rows * columns,)
        a: NDArray[np.floating],  # (batch, rows)
        b: NDArray[np.floating],  # (batch, columns)
        max_pivots: int,
        bytes_a_warp: int,
        plan: NDArray[np.floating],  # as cost, of zeros; anything where it is not wanted
        with_plan: bool,
        value: NDArray[np.floating],  # (batch,)
        u: NDArray[np.floating],  # as a
        v: NDArray[np.floating],  # as b
        evidence: NDArray[np.float64],  # (3, batch)
        flags: NDArray[np.uint8],  # (2, batch)
        status: NDArray[np.uint8],  # (batch,)
    ) -> None:
        lane = cuda.threadIdx.x
        problem = cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y
        if problem >= status.shape[0]:
            return
        num_rows, num_columns = a.shape[1], b.shape[1]
        size, num_nodes = num_rows * num_columns, num_rows + num_columns
        words = (num_nodes + LANES - 1) // LANES
        own_cost = cost[problem * size : (problem + 1) * size]
        own_a, own_b, own_u, own_v = a[problem], b[problem], u[problem], v[problem]

        doubles = cuda.shared.array(0, float64)
        costs = cuda.shared.array(0, element)
        bits = cuda.shared.array(0, uint32)
        whole = cuda.shared.array(0, int32)
        begin = cuda.threadIdx.y * bytes_a_warp
        at = begin // 8
        height = doubles[at : at + num_nodes]
        flow = doubles[at + num_nodes : at + 2 * num_nodes]
        rest = doubles[at + 2 * num_nodes : at + 3 * num_nodes]
        begin += 24 * num_nodes
        scaled = costs[begin // cost_bytes : begin // cost_bytes + size]
        begin += (size * cost_bytes + 7) // 8 * 8
        at = begin // 4
        subtree = bits[at : at + num_nodes * words]
        turned = bits[at + num_nodes * words : at + 2 * num_nodes * words]
        at += 2 * num_nodes * words
        moved = bits[at : at + words]
        at += words
        parent = whole[at : at + num_nodes]
        above = whole[at + num_nodes : at + 2 * num_nodes]
        named = whole[at + 2 * num_nodes : at + 3 * num_nodes]
        tree = Tree(scaled, height, flow, rest, subtree, turned, moved, parent, above, named)

        scale = cost_scale(own_cost, size, lane)
        rows, mass = read_weights(own_a, tree, 0, lane)
        columns, other_mass = read_weights(own_b, tree, rows, lane)
        outcome = SOLVED
        if abs(mass - other_mass) > BALANCE_TOLERANCE * max(mass, other_mass):
            outcome = UNBALANCED
        if not other_mass > 0.0:
            outcome = BAD_B
        if not mass > 0.0:
            outcome = BAD_A
        if not scale > 0.0:
            outcome = BAD_COST
        if outcome != SOLVED:
            if lane == 0:
                status[problem] = outcome
            return
        balance = mass / other_mass
        meet()
        for node in range(rows + lane, rows + columns, LANES):
            write(rest, node, read(rest, node) * balance)
        copy_costs(tree, own_cost, rows, columns, num_columns, scale, lane)
        meet()

        grow_tree(tree, rows, columns, words, lane)
        if not optimise(tree, rows, columns, words, max_pivots, lane):
            outcome = CAPPED
        lowest, tight = scan(tree, rows, columns, lane)
        own_plan = plan[problem * size : (problem + 1) * size]
        worth, smallest = write_plan(tree, rows, columns, own_plan, num_columns, with_plan, lane)

        error = 0.0
        row_worth = 0.0
        for node in range(lane, rows, LANES):
            weight = np.float64(read(own_a, read(named, node)))
            row_worth += weight * read(height, node)
            error = max(error, abs(read(rest, node) - weight))
        column_worth = 0.0
        for node in range(rows + lane, rows + columns, LANES):
            weight = np.float64(read(own_b, read(named, node))) * balance
            column_worth -= weight * read(height, node)
            error = max(error, abs(read(rest, node) - weight))
        row_worth, column_worth, error = total(row_worth), total(column_worth), greatest(error)
        shift = 0.5 * (row_worth - column_worth) / mass
        for node in range(lane, rows, LANES):
            write(own_u, read(named, node), (read(height, node) - shift) / scale)
        for node in range(rows + lane, rows + columns, LANES):
            write(own_v, read(named, node), (shift - read(height, node)) / scale)
        dropped = rows + columns < num_nodes
        if dropped:
            meet()
            transform_dropped(own_cost, own_a, own_b, own_u, own_v, lane)
        if lane == 0:
            value[problem] = worth / scale
            evidence[0, problem] = error
            evidence[1, problem] = lowest / scale
            evidence[2, problem] = abs(worth - (row_worth + column_worth)) / scale
            flags[0, problem] = 1 if dropped or smallest <= FLAG_TOLERANCE * mass else 0
            flags[1, problem] = 1 if tight > rows + columns - 1 else 0
            status[problem] = outcome

    compiled: Callable[..., Any] = cuda.jit(solve_batch)
    return compiled
