"""The compiled solver: one problem after another, from the caller's arrays into the caller's arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from a2m2.ot.addresses import array_at
from a2m2.ot.certify import (
    FLAG_TOLERANCE,
    PRICE_TOLERANCE,
    exact_candidate,
    read_plan,
    refresh_heights,
    scan,
    transform_dropped,
)
from a2m2.ot.compiling import inlined
from a2m2.ot.intake import copy_costs, cost_scale, weigh
from a2m2.ot.lanes import WIDTH
from a2m2.ot.pivot import pivot
from a2m2.ot.pricing import next_candidate
from a2m2.ot.start import grow_tree, order_rows, reduce_costs, set_heights
from a2m2.ot.workspace import Shape, Workspace, padded, shape_of, small_shape_of, workspace_at

SOLVED, BAD_COST, BAD_A, BAD_B, UNBALANCED, CAPPED = range(6)

BALANCE_TOLERANCE = 1e-6
"""Largest difference of the two total masses, relative to the larger, that counts as rounding."""


class Problems(NamedTuple):
    """A batch as the caller gave it, all of one dtype and contiguous."""

    flat: NDArray[np.floating]  # (batch * rows * columns,) costs
    a: NDArray[np.floating]  # (batch, rows)
    b: NDArray[np.floating]  # (batch, columns)


class Units(NamedTuple):
    """What turns the numbers of the kernel into those of the caller."""

    scale: float  # power of two by which costs were multiplied
    balance: float  # factor by which b was multiplied
    mass: float  # sum of a, and of b after balancing


class Results(NamedTuple):
    """Where the results of a batch go: the first four in the dtype of the problems."""

    plan: NDArray[np.floating]  # (batch, rows, columns), or (batch, 0, 0): not wanted
    value: NDArray[np.floating]  # (batch,)
    u: NDArray[np.floating]  # (batch, rows)
    v: NDArray[np.floating]  # (batch, columns)
    evidence: NDArray[np.float64]  # (3, batch): marginal error, least reduced cost, gap
    flags: NDArray[np.bool_]  # (2, batch): degenerate, tied


@inlined
def optimise(work: Workspace, shape: Shape, max_pivots: int) -> tuple[bool, float, int]:
    """From costs and weights to an optimal tree; whether it is certified, and what :func:`scan` says."""
    reduce_costs(work, shape)
    order_rows(work, shape)
    grow_tree(work, shape)
    set_heights(work, shape)
    stride = shape.blocks * WIDTH
    exact = False
    cursor = 0
    pivots = 0
    while True:
        if exact:
            row, column, cursor = exact_candidate(work, shape, cursor)
        else:
            row, column, cursor = next_candidate(work, shape, cursor)
        reduced = 0.0
        if row >= 0:
            reduced = work.cost[row * stride + column] - work.height[row] + work.height[shape.base + column]
        if reduced < -PRICE_TOLERANCE:
            if pivots == max_pivots:
                return False, reduced, 0
            pivot(work, shape, np.uint32(row), np.uint32(shape.base + column), reduced)
            pivots += 1
            continue
        least, num_tight = scan(work, shape)
        if exact or least >= -PRICE_TOLERANCE:
            return True, least, num_tight
        refresh_heights(work, shape)
        exact = True


@inlined
def report(
    work: Workspace, shape: Shape, problems: Problems, problem: int, units: Units, results: Results
) -> None:
    """Plan, value, potentials and certificate of a solved problem, in the caller's scale and order."""
    a, b = problems.a[problem], problems.b[problem]
    scale, balance, mass = units
    value, least_flow = read_plan(work, shape, results.plan[problem])
    for row in range(shape.rows):
        work.u[work.row_index[row]] = work.height[row]
    for column in range(shape.columns):
        work.v[work.column_index[column]] = -work.height[shape.base + column]
    dropped = shape.rows < a.shape[0] or shape.columns < b.shape[0]
    if dropped:
        transform_dropped(work, shape, a, b, problems.flat, problem * a.shape[0] * b.shape[0], scale)

    error = 0.0
    row_worth = 0.0
    for row in range(shape.rows):
        weight = np.float64(a[work.row_index[row]])
        row_worth += weight * work.height[row]
        error = max(error, abs(work.rest[row] - weight))
    column_worth = 0.0
    for column in range(shape.columns):
        weight = b[work.column_index[column]] * balance
        column_worth -= weight * work.height[shape.base + column]
        error = max(error, abs(work.rest[shape.base + column] - weight))
    shift = 0.5 * (row_worth - column_worth) / mass
    for row in range(a.shape[0]):
        results.u[problem, row] = (work.u[row] - shift) / scale
    for column in range(b.shape[0]):
        results.v[problem, column] = (work.v[column] + shift) / scale
    results.value[problem] = value / scale
    results.evidence[0, problem] = error
    results.evidence[2, problem] = abs(value - (row_worth + column_worth)) / scale
    results.flags[0, problem] = dropped or least_flow <= FLAG_TOLERANCE * mass


@inlined
def solve_one(
    work: Workspace,
    shape: Shape,
    problems: Problems,
    problem: int,
    flat: NDArray[np.floating],
    origin: int,
    units: Units,
    max_pivots: int,
    results: Results,
) -> bool:
    """One problem whose weights are in ``work`` and whose costs stand in ``flat`` from ``origin`` on."""
    copy_costs(work, shape, flat, origin, problems.b.shape[1], units.scale)
    certified, least, num_tight = optimise(work, shape, max_pivots)
    report(work, shape, problems, problem, units, results)
    results.evidence[1, problem] = least / units.scale
    results.flags[1, problem] = num_tight > shape.rows + shape.columns - 1
    return certified


@inlined
def solve_range(
    problems: Problems,
    first: int,
    last: int,
    max_pivots: int,
    work: Workspace,
    spare: NDArray[np.floating],
    results: Results,
) -> tuple[int, int]:
    """Solve problems ``first … last-1``, up to the first that cannot be: its status and its index.

    ``spare`` has room for the costs of one problem and one more block of lanes.
    """
    num_rows, num_columns = problems.a.shape[1], problems.b.shape[1]
    size = num_rows * num_columns
    whole = problems.flat
    for problem in range(first, last):
        flat, origin = whole, problem * size
        if origin + size + WIDTH > whole.size:
            # Loads read whole lanes: the last problems move to where there is room behind them.
            for k in range(size):
                spare[k] = whole[origin + k]
            flat, origin = spare, 0
        scale = cost_scale(flat, origin, size)
        if np.isnan(scale):
            return BAD_COST, problem
        rows, mass = weigh(problems.a[problem], work.row_index, work.rest)
        if not mass > 0.0:
            return BAD_A, problem
        base = padded(rows)
        columns, other_mass = weigh(problems.b[problem], work.column_index, work.rest[base:])
        if not other_mass > 0.0:
            return BAD_B, problem
        if abs(mass - other_mass) > BALANCE_TOLERANCE * max(mass, other_mass):
            return UNBALANCED, problem
        units = Units(scale, mass / other_mass, mass)
        for node in range(base, base + columns):
            work.rest[node] *= units.balance
        if rows <= WIDTH and columns <= WIDTH:
            shape = small_shape_of(rows, columns)
            certified = solve_one(work, shape, problems, problem, flat, origin, units, max_pivots, results)
        else:
            shape = shape_of(rows, columns)
            certified = solve_one(work, shape, problems, problem, flat, origin, units, max_pivots, results)
        if not certified:
            return CAPPED, problem
    return SOLVED, -1


def solve_at(
    cost: int,
    a: int,
    b: int,
    batch: int,
    num_rows: int,
    num_columns: int,
    first: int,
    last: int,
    max_pivots: int,
    table: NDArray[np.int64],
    spare: NDArray[np.floating],
    plan: NDArray[np.floating],
    value: NDArray[np.floating],
    u: NDArray[np.floating],
    v: NDArray[np.floating],
    evidence: NDArray[np.float64],
    flags: NDArray[np.bool_],
) -> tuple[int, int]:
    """:func:`solve_range` for Python to call: problems by address, the workspace by its table.

    The dtype of the problems is that of ``spare``; the results come as single arrays.
    """
    entries = batch * num_rows * num_columns
    problems = Problems(
        array_at(cost, (entries,), spare.dtype),
        array_at(a, (batch, num_rows), spare.dtype),
        array_at(b, (batch, num_columns), spare.dtype),
    )
    results = Results(plan, value, u, v, evidence, flags)
    return solve_range(problems, first, last, max_pivots, workspace_at(table), spare, results)
