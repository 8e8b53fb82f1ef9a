"""Neighbours that are alike become one node: a small problem in place of a long one.

Candidates of a long video come in the order of time, and where little moves, neighbours cost the same. A run of
rows stays one group while each row differs from the first of the run by at most ``reach`` on average. A group has the
sum of its members' weights and their weighted mean cost, so a plan of the grouped problem, spread over the members
in proportion to their weights, is a plan of the whole problem at the same cost.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from a2m2.ot.compiling import summing
from a2m2.ot.lanes import WIDTH, fill, least_double, lesser, load, minus, widen

SAMPLE = 8
"""One row in so many, and one column, tells whether to group (our choice, not varied)."""


@summing
def distance(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Sum of the absolute differences of two rows."""
    total = one[0] - one[0]
    for k in range(one.shape[0]):
        total += abs(one[k] - other[k])
    return float(total)


@summing
def group_rows(
    flat: NDArray[np.floating],
    origin: int,
    rows: int,
    columns: int,
    weights: NDArray[np.floating],
    reach: float,
    group: NDArray[np.int64],
    group_weights: NDArray[np.float64],
    grouped: NDArray[np.float64],
) -> int:
    """Group neighbouring rows; fill each row's group, the groups' weights and mean rows; their number.

    A group without weight gets zeros: nothing is shipped from it.
    """
    count = 0
    leader = flat[origin : origin + columns]
    mean = grouped[:columns]
    for row in range(rows):
        source = flat[origin + row * columns : origin + (row + 1) * columns]
        weight = np.float64(weights[row])
        if row == 0 or distance(leader, source) > reach * columns:
            leader = source
            mean = grouped[count * columns : (count + 1) * columns]
            group_weights[count] = 0.0
            for column in range(columns):
                mean[column] = 0.0
            count += 1
        group[row] = count - 1
        group_weights[count - 1] += weight
        for column in range(columns):
            mean[column] += weight * source[column]
    for one in range(count):
        mean = grouped[one * columns : (one + 1) * columns]
        factor = 1.0 / group_weights[one] if group_weights[one] > 0.0 else 0.0
        for column in range(columns):
            mean[column] *= factor
    return count


@summing
def likely_groups(
    flat: NDArray[np.floating], origin: int, rows: int, columns: int, step: int, reach: float
) -> int:
    """How many groups :func:`group_rows` would make, judged by every ``step``-th column."""
    count = 1
    leader = origin
    for row in range(1, rows):
        source = origin + row * columns
        total = 0.0
        for column in range(0, columns, step):
            total += abs(np.float64(flat[leader + column]) - np.float64(flat[source + column]))
        if total * step > reach * columns:
            leader = source
            count += 1
    return count


@summing
def likely_share(
    flat: NDArray[np.floating],
    origin: int,
    rows: int,
    columns: int,
    reach: float,
    sample: NDArray[np.float64],
) -> float:
    """The share of the costs that grouping would leave, judged by every eighth row and column."""
    some = (rows + SAMPLE - 1) // SAMPLE
    for place in range(some):
        for column in range(columns):
            sample[column * some + place] = flat[origin + place * SAMPLE * columns + column]
    of_rows = likely_groups(flat, origin, rows, columns, SAMPLE, reach)
    of_columns = likely_groups(sample, 0, columns, some, 1, reach)
    return of_rows * of_columns / (rows * columns)


@summing
def transpose(source: NDArray[np.float64], rows: int, columns: int, target: NDArray[np.float64]) -> None:
    """``target[j, i] = source[i, j]``, in tiles that stay in cache."""
    for top in range(0, rows, 16):
        for left in range(0, columns, 16):
            for row in range(top, min(top + 16, rows)):
                for column in range(left, min(left + 16, columns)):
                    target[column * rows + row] = source[row * columns + column]


@summing
def least_of_columns(
    flat: NDArray[np.floating],
    origin: int,
    a: NDArray[np.floating],
    u: NDArray[np.float64],
    v: NDArray[np.float64],
) -> None:
    """``v_j = min_i (c_ij - u_i)`` over the rows that have weight: the c-transform of ``u``."""
    columns = v.shape[0]
    for column in range(columns):
        v[column] = np.inf
    for row in range(a.shape[0]):
        if a[row] > 0.0:
            own = u[row]
            source = flat[origin + row * columns : origin + (row + 1) * columns]
            for column in range(columns):
                reduced = source[column] - own
                v[column] = reduced if reduced < v[column] else v[column]


@summing
def least_of_rows(
    flat: NDArray[np.floating], origin: int, v: NDArray[np.float64], u: NDArray[np.float64]
) -> None:
    """``u_i = min_j (c_ij - v_j)``: the c-transform of ``v``."""
    columns = v.shape[0]
    inner = columns // WIDTH * WIDTH
    for row in range(u.shape[0]):
        source = origin + row * columns
        lowest = fill(np.inf)
        for at in range(0, inner, WIDTH):
            lowest = lesser(minus(widen(load(flat, source + at)), load(v, at)), lowest)
        least = least_double(lowest)
        for column in range(inner, columns):
            least = min(least, flat[source + column] - v[column])
        u[row] = least
