"""The compiled half of :func:`a2m2.ot.solve_within`.

Equal weights go to an auction. Of others, what is alike is grouped, solved coarsely and spread out. Either way
potentials on the whole problem say how near the plan is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from a2m2.ot.auction import Auction, cheapest, make_auction, open_auction, release, sell, stride_of
from a2m2.ot.compiling import called
from a2m2.ot.grouping import group_rows, least_of_columns, least_of_rows, likely_share, transpose
from a2m2.ot.intake import copy_costs, cost_scale, weigh
from a2m2.ot.kernel import BALANCE_TOLERANCE, Problems
from a2m2.ot.lanes import WIDTH
from a2m2.ot.stopping import approach, tree_value
from a2m2.ot.workspace import Workspace, padded, shape_of

REACH = 4.0
"""Neighbours form a group up to a difference of this times the tolerated gap (our choice, on a handful of pairs)."""

WORTH_IT = 0.6
"""Grouping that leaves more than this share of the costs is not worth its error (our choice, not varied)."""

COARSE_SHARE = 0.4
"""Share of the tolerated gap at which the grouped problem counts as solved (our choice, likewise)."""

FIRST_STEP = np.float32(1 / 16)
"""The first step of an auction, of scaled costs (1/10 to 1/64 were tried: much alike)."""

FALL = np.float32(6.0)
"""By what steps fall from phase to phase (3 to 10 were tried: 4 to 6 take the fewest bids)."""

STEPS = 4.5
"""The step at which an auction should do: this times the tolerated gap a row (4 to 16 were tried)."""

SMALLEST_STEP = np.float32(2e-6)
"""Below it prices are rounding (our choice): of scaled costs, float32 sees 1e-7."""

BIDS = 64
"""Bids a row after which an auction is given up; pairs of clips took up to 27."""


class Within(NamedTuple):
    """Where results go: the first four in the dtype of the problems."""

    plan: NDArray[np.floating]  # (batch, rows, columns)
    value: NDArray[np.floating]  # (batch,)
    u: NDArray[np.floating]  # (batch, rows)
    v: NDArray[np.floating]  # (batch, columns)
    bound: NDArray[np.float64]  # (batch,)
    gap: NDArray[np.float64]  # (batch,)
    nodes: NDArray[np.int64]  # (batch, 2) groups of rows and of columns
    reached: NDArray[np.bool_]  # (batch,) False: not attempted, or not near enough


class Room(NamedTuple):
    """Arrays of one thread."""

    row_group: NDArray[np.int64]  # (rows,)
    column_group: NDArray[np.int64]  # (columns,)
    row_weights: NDArray[np.float64]  # (rows,) of groups
    column_weights: NDArray[np.float64]  # (columns,) of groups
    node_weights: NDArray[np.float64]  # (nodes,)
    best: NDArray[np.float64]  # (nodes,)
    one: NDArray[np.float64]  # (rows * columns + WIDTH,)
    other: NDArray[np.float64]  # (rows * columns + WIDTH,)
    u: NDArray[np.float64]  # (rows,)
    v: NDArray[np.float64]  # (columns,)
    first_row: NDArray[np.int64]  # (rows + 1,) first member of a group of rows; behind the last, their number
    first_column: NDArray[np.int64]  # (columns + 1,)
    auction: Auction


def make_room(rows: int, columns: int) -> Room:
    """Room for one problem of at most ``rows`` by ``columns`` nodes."""
    nodes = rows + columns + 2 * WIDTH
    return Room(
        row_group=np.empty(rows, np.int64),
        column_group=np.empty(columns, np.int64),
        row_weights=np.empty(rows),
        column_weights=np.empty(columns),
        node_weights=np.empty(nodes),
        best=np.empty(nodes),
        one=np.empty(rows * columns + WIDTH),
        other=np.empty(rows * columns + WIDTH),
        u=np.empty(rows),
        v=np.empty(columns),
        first_row=np.empty(rows + 1, np.int64),
        first_column=np.empty(columns + 1, np.int64),
        auction=make_auction(rows, columns),
    )


@called
def spread(
    work: Workspace,
    rows: int,
    base: int,
    columns: int,
    a: NDArray[np.floating],
    b: NDArray[np.floating],
    room: Room,
    plan: NDArray[np.floating],
) -> None:
    """The tree's flows, shared out over the members of the groups in proportion to their weights."""
    plan[:] = 0.0
    for node in range(base + columns):
        parent = np.int64(work.parent[node])
        if rows <= node < base or parent == node or work.flow[node] <= 0.0:
            continue
        row = work.row_index[node if node < base else parent]
        column = work.column_index[(parent if node < base else node) - base]
        share = work.flow[node] / room.row_weights[row] / room.column_weights[column]
        for i in range(room.first_row[row], room.first_row[row + 1]):
            for j in range(room.first_column[column], room.first_column[column + 1]):
                plan[i, j] = share * a[i] * b[j]


@called
def first_members(group: NDArray[np.int64], groups: int, first: NDArray[np.int64]) -> None:
    """Where each group begins, and behind the last where it ends."""
    for place in range(group.shape[0] - 1, -1, -1):
        first[group[place]] = place
    first[groups] = group.shape[0]


@called
def settle(
    problems: Problems,
    problem: int,
    flat: NDArray[np.floating],
    origin: int,
    value: float,
    balance: float,
    mass: float,
    tolerance: float,
    room: Room,
    results: Within,
) -> bool:
    """Whether potentials made from the rows' ``room.u`` prove that a plan of cost ``value`` is near enough; if so, both
    are results.
    """
    a, b = problems.a[problem], problems.b[problem]
    least_of_columns(flat, origin, a, room.u, room.v)
    least_of_rows(flat, origin, room.v, room.u)
    worth_a, worth_b = 0.0, 0.0
    for row in range(a.shape[0]):
        worth_a += a[row] * room.u[row]
    for column in range(b.shape[0]):
        worth_b += b[column] * balance * room.v[column]
    gap = value - (worth_a + worth_b)
    if not gap <= tolerance * abs(value):
        return False
    results.reached[problem] = True
    results.value[problem] = value
    results.bound[problem] = worth_a + worth_b
    results.gap[problem] = max(gap, 0.0)
    shift = 0.5 * (worth_a - worth_b) / mass
    for row in range(a.shape[0]):
        results.u[problem, row] = room.u[row] - shift
    for column in range(b.shape[0]):
        results.v[problem, column] = room.v[column] + shift
    return True


@called
def alike(work: Workspace, size: int, base: int) -> bool:
    """Whether all rows have the same weight, and all columns."""
    for place in range(1, size):
        if work.rest[place] != work.rest[0] or work.rest[base + place] != work.rest[base]:
            return False
    return True


@called
def assign(
    problems: Problems,
    problem: int,
    flat: NDArray[np.floating],
    origin: int,
    scale: float,
    balance: float,
    mass: float,
    tolerance: float,
    work: Workspace,
    room: Room,
    results: Within,
) -> None:
    """Auction after auction, in smaller and smaller steps, until the assignment is near enough or it is no use."""
    a, num_columns = problems.a[problem], problems.b.shape[1]
    auction = room.auction
    size, _ = weigh(a, work.row_index, work.rest)
    stride = stride_of(size)
    open_auction(auction, flat, origin, num_columns, work.row_index, work.column_index, size, scale)
    weight = work.rest[0]
    step = FIRST_STEP
    bids_left = BIDS * size
    while True:
        bids_left -= sell(auction, size, step, bids_left)
        if bids_left <= 0:
            return
        value = 0.0
        for place in range(size):
            row, column = work.row_index[place], work.column_index[auction.column[place]]
            value += weight * flat[origin + np.int64(row) * num_columns + column]
        goal = np.float32(STEPS * tolerance * abs(value) / mass * scale)
        if step <= goal:
            room.u[:] = 0.0
            for place in range(size):
                room.u[work.row_index[place]] = (cheapest(auction, place, stride) - 1.0) / scale
            if settle(problems, problem, flat, origin, value, balance, mass, tolerance, room, results):
                break
            step *= np.float32(0.5)
        else:
            step = max(step / FALL, goal)
        if step < SMALLEST_STEP:
            return
        release(auction, size, step)
    plan = results.plan[problem]
    plan[:] = 0.0
    for place in range(size):
        row, column = work.row_index[place], work.column_index[auction.column[place]]
        plan[row, column] = a[row]


def solve_range_within(
    problems: Problems,
    first: int,
    last: int,
    max_pivots: int,
    tolerance: float,
    work: Workspace,
    room: Room,
    spare: NDArray[np.floating],
    results: Within,
) -> None:
    """Try problems ``first … last-1``; those that stay out of reach are left for the exact solver.

    The first stage groups what is alike, if a sample promises that this is worth it. The second, where that leaves too
    much or errs too much, takes the problem as it is and stops early.
    """
    num_rows, num_columns = problems.a.shape[1], problems.b.shape[1]
    size = num_rows * num_columns
    for problem in range(first, last):
        results.reached[problem] = False
        a, b = problems.a[problem], problems.b[problem]
        flat, origin = problems.flat, problem * size
        if spare.size > 0 and origin + size + WIDTH > flat.size:
            # Loads read whole lanes: the last problems move to where there is room behind them.
            for k in range(size):
                spare[k] = flat[origin + k]
            flat, origin = spare, 0
        scale = cost_scale(flat, origin, size)
        if np.isnan(scale):
            continue
        mass, other_mass = 0.0, 0.0
        valid = True
        for weight in a:
            valid = valid and bool(weight >= 0.0)
            mass += weight
        for weight in b:
            valid = valid and bool(weight >= 0.0)
            other_mass += weight
        if not (valid and 0.0 < mass < np.inf and abs(mass - other_mass) <= BALANCE_TOLERANCE * mass):
            continue

        used_rows, _ = weigh(a, work.row_index, work.rest)
        base = padded(used_rows)
        used_columns, _ = weigh(b, work.column_index, work.rest[base:])
        if used_rows == used_columns > 1 and alike(work, used_rows, base):
            balance = mass / other_mass
            assign(problems, problem, flat, origin, scale, balance, mass, tolerance, work, room, results)
            continue

        # A first bound gives the size of the gap that is tolerated.
        room.u[:] = 0.0
        least_of_columns(flat, origin, a, room.u, room.v)
        least = 0.0
        for column in range(num_columns):
            least += b[column] * room.v[column]
        for stage in range(2):
            share = COARSE_SHARE if stage == 0 else 1.0
            rows, columns = num_rows, num_columns
            if stage == 0:
                reach = REACH * tolerance * abs(least) / mass
                if likely_share(flat, origin, num_rows, num_columns, reach, room.one) > WORTH_IT:
                    continue
                rows = group_rows(
                    flat, origin, num_rows, num_columns, a, reach, room.row_group, room.row_weights, room.one
                )
                transpose(room.one, rows, num_columns, room.other)
                columns = group_rows(
                    room.other,
                    0,
                    num_columns,
                    rows,
                    b,
                    reach,
                    room.column_group,
                    room.column_weights,
                    room.one,
                )
                if rows * columns > WORTH_IT * size:
                    continue
                transpose(room.one, columns, rows, room.other)
            else:
                for row in range(num_rows):
                    room.row_group[row] = row
                    room.row_weights[row] = a[row]
                for column in range(num_columns):
                    room.column_group[column] = column
                    room.column_weights[column] = b[column]
            results.nodes[problem, 0] = rows
            results.nodes[problem, 1] = columns

            used_rows, grouped_mass = weigh(room.row_weights[:rows], work.row_index, work.rest)
            base = padded(used_rows)
            used_columns, grouped_other = weigh(
                room.column_weights[:columns], work.column_index, work.rest[base:]
            )
            balance = grouped_mass / grouped_other
            for node in range(base, base + used_columns):
                work.rest[node] *= balance
            shape = shape_of(used_rows, used_columns)
            for node in range(base + used_columns):
                room.node_weights[node] = work.rest[node]
            if stage == 0:
                copy_costs(work, shape, room.other, 0, columns, scale)
            else:
                copy_costs(work, shape, flat, origin, columns, scale)
            approach(work, shape, room.node_weights, room.best, share * tolerance, max_pivots)

            # The potentials of groups hold for their members up to their differences; c-transforms see to the rest.
            for place in range(used_rows):
                room.one[work.row_index[place]] = room.best[place] / scale
            for row in range(num_rows):
                room.u[row] = room.one[room.row_group[row]] if a[row] > 0.0 else 0.0
            value = tree_value(work, shape) / scale
            if not settle(problems, problem, flat, origin, value, balance, mass, tolerance, room, results):
                continue
            first_members(room.row_group, rows, room.first_row)
            first_members(room.column_group, columns, room.first_column)
            spread(work, used_rows, base, used_columns, a, b, room, results.plan[problem])
            break
