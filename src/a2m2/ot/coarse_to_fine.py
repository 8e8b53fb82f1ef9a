"""The compiled half of :func:`a2m2.ot.solve_within`: group, solve coarsely, spread out, bound on the whole problem."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
        one=np.zeros(rows * columns + WIDTH),
        other=np.zeros(rows * columns + WIDTH),
        u=np.empty(rows),
        v=np.empty(columns),
        first_row=np.empty(rows + 1, np.int64),
        first_column=np.empty(columns + 1, np.int64),
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
        if origin + size + WIDTH > flat.size:
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
            least_of_columns(flat, origin, a, room.u, room.v)
            least_of_rows(flat, origin, room.v, room.u)
            worth_a, worth_b = 0.0, 0.0
            for row in range(num_rows):
                worth_a += a[row] * room.u[row]
            for column in range(num_columns):
                worth_b += b[column] * balance * room.v[column]
            value = tree_value(work, shape) / scale
            if not value - (worth_a + worth_b) <= tolerance * abs(value):
                continue
            results.reached[problem] = True
            results.value[problem] = value
            results.bound[problem] = worth_a + worth_b
            results.gap[problem] = max(value - (worth_a + worth_b), 0.0)
            shift = 0.5 * (worth_a - worth_b) / mass
            for row in range(num_rows):
                results.u[problem, row] = room.u[row] - shift
            for column in range(num_columns):
                results.v[problem, column] = room.v[column] + shift
            first_members(room.row_group, rows, room.first_row)
            first_members(room.column_group, columns, room.first_column)
            spread(work, used_rows, base, used_columns, a, b, room, results.plan[problem])
            break
