"""The kernel for a GPU: one warp a problem, from the caller's arrays into the caller's arrays.

A problem and its tree stay in shared memory from the first read to the last write. Costs keep the dtype in which they
came, which loses nothing; everything that is added up is float64. In rows of 16 costs or fewer a warp prices two or
more at once.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from numba import cuda, float32, float64, int32, uint32
from numpy.typing import NDArray

from a2m2.ot.certify import FLAG_TOLERANCE, PRICE_TOLERANCE
from a2m2.ot.intake import PADDING
from a2m2.ot.kernel import BAD_A, BAD_B, BAD_COST, BALANCE_TOLERANCE, CAPPED, SOLVED, UNBALANCED
from a2m2.ot.warp import (
    EVERY_LANE,
    LANES,
    SIMULATED,
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
"""Costs priced before each pivot, 16 a lane (our choice): 14 by 14 at once, of 56 by 56 eight rows, as on the CPU."""


class Room(NamedTuple):
    """What a kernel is compiled for: problems of any size that fits in.

    Attributes:
        words: of a bit set of nodes.
        stride: of a row of costs: a power of two up to 32, or a multiple of 32.
    """

    words: int
    stride: int

    def bytes(self, rows: int, cost_bytes: int) -> int:
        """Shared memory of one problem with costs of ``cost_bytes`` each."""
        of_nodes = LANES * self.words * (3 * 8 + 3 * 4 + 2 * 4 * self.words) + 4 * self.words
        return of_nodes + rows * self.stride * cost_bytes


def room_for(rows: int, columns: int) -> Room:
    """The least room that problems of this size need."""
    stride = -(-columns // LANES) * LANES if columns > LANES else 1 << (columns - 1).bit_length()
    return Room(-(-(rows + columns) // LANES), stride)


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
    num_columns: int,
    stride: int,
    scale: float,
    lane: int,
) -> None:
    """The scaled costs of the rows and columns that take part."""
    width = min(stride, LANES)
    for at in range(lane & (width - 1), stride, width):
        named = read(tree.named, rows + at) if at < columns else -1
        for row in range(lane // width, rows, LANES // width):
            scaled = PADDING
            if named >= 0:
                scaled = np.float64(read(cost, read(tree.named, row) * num_columns + named)) * scale
            write(tree.cost, row * stride + at, scaled)


@device
def steepest(tree: Tree, first: int, last: int, rows: int, columns: int, stride: int, lane: int) -> int:
    """The arc of least reduced cost in rows ``first … last-1``, in the low bits of a number; 0 if none is worth it."""
    width = min(stride, LANES)
    best = -PRICE_TOLERANCE
    place = -1
    for column in range(lane & (width - 1), stride, width):
        height = read(tree.height, rows + column) if column < columns else 0.0
        for row in range(first + lane // width, last, LANES // width):
            at = row * stride + column
            reduced = np.float64(read(tree.cost, at)) - read(tree.height, row) + height
            place = at if reduced < best else place
            best = min(reduced, best)
    key = np.int64(0)
    if place >= 0:
        key = ((np.int64(-best * STEPS) + 1) << PLACE_BITS) | np.int64(place)
    return greatest(key)


@device
def optimise(
    tree: Tree, rows: int, columns: int, stride: int, words: int, max_pivots: int, lane: int
) -> bool:
    """Pivot until a round over all arcs finds none worth it; false if the pivots run out."""
    at_once = CHUNK // stride
    row = 0
    seen = 0
    pivots = 0
    while seen < rows:
        last = min(row + at_once, rows)
        key = steepest(tree, row, last, rows, columns, stride, lane)
        seen += last - row
        row = last if last < rows else 0
        if key == 0:
            continue
        if pivots == max_pivots:
            return False
        place = key & PLACES
        source = place // stride
        target = rows + place - source * stride
        reduced = np.float64(read(tree.cost, place)) - read(tree.height, source) + read(tree.height, target)
        pivot(tree, source, target, reduced, rows, rows + columns, words, lane)
        pivots += 1
        seen = 0
    return True


@device
def scan(tree: Tree, rows: int, columns: int, stride: int, lane: int) -> tuple[float, int]:
    """The least reduced cost of all arcs, and the number of those that count as zero or less."""
    lowest = np.inf
    tight = 0
    width = min(stride, LANES)
    for column in range(lane & (width - 1), columns, width):
        height = read(tree.height, rows + column)
        for row in range(lane // width, rows, LANES // width):
            reduced = np.float64(read(tree.cost, row * stride + column)) - read(tree.height, row) + height
            lowest = min(lowest, reduced)
            tight += 1 if reduced < FLAG_TOLERANCE else 0
    return least(lowest), total(tight)


@device
def write_plan(
    tree: Tree,
    rows: int,
    columns: int,
    plan: NDArray[np.floating],
    num_columns: int,
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
            value += flow * np.float64(read(tree.cost, row * stride + column))
            smallest = min(smallest, flow)
            shipped = flow
            if wanted:
                write(plan, read(tree.named, row) * num_columns + read(tree.named, rows + column), flow)
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
def kernel_for(dtype: np.dtype[np.floating], room: Room, max_registers: int | None) -> Any:
    """The kernel for problems of a dtype that fit in ``room``.

    Its numbers are constants of the code: so the places of all arrays in shared memory are, and take no registers. A
    thread gets at most ``max_registers`` (None: as many as the compiler likes); the simulator knows no such limit.
    """
    element = float32 if dtype == np.float32 else float64
    words, stride = room
    nodes = LANES * words
    words_of_nodes = nodes * words

    def solve_batch(
        cost: NDArray[np.floating],  # (batch * rows * columns,)
        a: NDArray[np.floating],  # (batch, rows)
        b: NDArray[np.floating],  # (batch, columns)
        max_pivots: int,
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
        problem = cuda.blockIdx.x
        num_rows, num_columns = a.shape[1], b.shape[1]
        size = num_rows * num_columns
        own_cost = cost[problem * size : (problem + 1) * size]
        own_a, own_b, own_u, own_v = a[problem], b[problem], u[problem], v[problem]

        scaled = cuda.shared.array(0, element)
        height = cuda.shared.array(nodes, float64)
        flow = cuda.shared.array(nodes, float64)
        rest = cuda.shared.array(nodes, float64)
        subtree = cuda.shared.array(words_of_nodes, uint32)
        turned = cuda.shared.array(words_of_nodes, uint32)
        moved = cuda.shared.array(words, uint32)
        parent = cuda.shared.array(nodes, int32)
        above = cuda.shared.array(nodes, int32)
        named = cuda.shared.array(nodes, int32)
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
        copy_costs(tree, own_cost, rows, columns, num_columns, stride, scale, lane)
        meet()

        grow_tree(tree, rows, columns, stride, words, lane)
        if not optimise(tree, rows, columns, stride, words, max_pivots, lane):
            outcome = CAPPED
        lowest, tight = scan(tree, rows, columns, stride, lane)
        own_plan = plan[problem * size : (problem + 1) * size]
        worth, smallest = write_plan(tree, rows, columns, own_plan, num_columns, stride, with_plan, lane)

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
        dropped = rows + columns < num_rows + num_columns
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

    options = {} if SIMULATED else {"max_registers": max_registers}
    return cuda.jit(**options)(solve_batch)
