"""The parts of the compiled solver that the values of whole problems do not show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numba import njit

from a2m2.bench.ot_problems import walks
from a2m2.ot import compiling, lanes
from a2m2.ot.addresses import address_table, array_at, arrays_at
from a2m2.ot.certify import refresh_heights
from a2m2.ot.intake import PADDING, copy_costs, cost_scale
from a2m2.ot.pivot import pivot
from a2m2.ot.pricing import next_candidate
from a2m2.ot.start import grow_tree, order_rows, reduce_costs, set_heights
from a2m2.ot.workspace import Shape, Workspace, make_workspace, shape_of

_outside = {"error_model": "numpy", "_nrt": False}


@njit(**_outside)
def _start(work: Workspace, shape: Shape, flat: np.ndarray) -> None:
    copy_costs(work, shape, flat, 0, shape.columns, 1.0)
    reduce_costs(work, shape)
    order_rows(work, shape)
    grow_tree(work, shape)
    set_heights(work, shape)


@njit(**_outside)
def _step(work: Workspace, shape: Shape, cursor: int) -> tuple[int, int]:
    row, column, cursor = next_candidate(work, shape, cursor)
    if row < 0:
        return -1, cursor
    place = row * shape.blocks * lanes.WIDTH + column
    reduced = work.cost[place] - work.height[row] + work.height[shape.base + column]
    if reduced >= 0.0:
        return -1, cursor
    pivot(work, shape, np.uint32(row), np.uint32(shape.base + column), reduced)
    return row, cursor


@njit(**_outside)
def _refresh(work: Workspace, shape: Shape) -> None:
    refresh_heights(work, shape)


def _nodes(shape: Shape) -> list[int]:
    return [*range(shape.rows), *range(shape.base, shape.base + shape.columns)]


def _check_tree(work: Workspace, shape: Shape, a: np.ndarray, b: np.ndarray) -> None:
    """Parents, subtrees, flows and heights agree, and zero flows point to the root."""
    nodes, parent = _nodes(shape), work.parent.astype(int)
    roots = [node for node in nodes if parent[node] == node]
    assert len(roots) == 1
    members: dict[int, set[int]] = {node: set() for node in nodes}
    for node in nodes:
        above = node
        while above != roots[0]:
            members[above].add(node)
            above = parent[above]
        members[above].add(node)
    words = (
        work.subtree[: (shape.base + shape.columns) * shape.words].astype(np.uint64).reshape(-1, shape.words)
    )
    shipped = np.zeros(shape.base + shape.columns)
    for node in nodes:
        held = {k for k in nodes if int(words[node, k >> 6]) >> (k & 63) & 1}
        assert held == members[node]
        if node == roots[0]:
            continue
        row, column = sorted((node, parent[node]))
        cost = work.cost[row * shape.blocks * lanes.WIDTH + column - shape.base]
        assert cost - work.height[row] + work.height[column] == pytest.approx(0, abs=1e-14)
        assert work.flow[node] > 0 or (work.flow[node] == 0 and node == row)
        shipped[[row, column]] += work.flow[node]
    np.testing.assert_allclose(shipped[: shape.rows], a, rtol=0, atol=1e-15)
    np.testing.assert_allclose(shipped[shape.base :], b, rtol=0, atol=1e-15)


@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (5, 3), (16, 16), (17, 33), (40, 70)])
def test_the_tree_stays_strongly_feasible(rows: int, columns: int, uniform: bool) -> None:
    cost, a, b = (array[0] for array in walks(np.random.default_rng(rows), 1, rows, columns))
    if uniform:
        a, b = np.full(rows, float(columns)), np.full(columns, float(rows))
    work, shape = make_workspace(rows, columns), Shape(*map(int, _shape(rows, columns)))
    work.row_index[:], work.column_index[:] = np.arange(rows), np.arange(columns)
    work.rest[:rows], work.rest[shape.base : shape.base + columns] = a, b
    _start(work, shape, np.append(cost.reshape(-1), np.zeros(lanes.WIDTH)))
    np.testing.assert_array_equal(work.cost.reshape(rows, -1)[:, columns:], PADDING)
    _check_tree(work, shape, a, b)
    row = cursor = 0
    for pivots in range(1000):
        row, cursor = _step(work, shape, cursor)
        if row < 0:
            break
        if pivots % 5 == 0:
            _check_tree(work, shape, a, b)
    assert row < 0
    _check_tree(work, shape, a, b)

    nodes = _nodes(shape)
    before = work.height[nodes].copy()
    work.height[nodes] += np.random.default_rng(0).standard_normal(len(nodes))
    _refresh(work, shape)
    np.testing.assert_allclose(work.height[nodes], before, rtol=0, atol=1e-13)


class _Pair(NamedTuple):
    whole: np.ndarray
    real: np.ndarray


_pair_at = arrays_at(_Pair(np.empty(1, np.uint32), np.empty(1)))


@njit(**_outside)
def _through_addresses(table: np.ndarray, grid: int, sums: np.ndarray) -> None:
    pair = _pair_at(table)
    pair.real[-1] = pair.whole[0] + pair.whole.shape[0]
    sums[:] = 0.0
    for row in array_at(grid, (2, 3), np.float32):
        for column in range(3):
            sums[column] += row[column]


def test_arrays_come_back_from_their_addresses() -> None:
    pair = _Pair(np.array([7, 8, 9], np.uint32), np.zeros(2))
    grid, sums = np.arange(6, dtype=np.float32).reshape(2, 3), np.empty(3)
    _through_addresses(address_table(pair), grid.ctypes.data, sums)
    assert pair.real.tolist() == [0, 10]
    assert sums.tolist() == [3, 5, 7]


@njit(**_outside)
def _shape(rows: int, columns: int) -> Shape:
    return shape_of(rows, columns)


@njit(**_outside)
def _scale(flat: np.ndarray, count: int) -> float:
    return cost_scale(flat, 0, count)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("largest", "expected"),
    [(1.0, 0.5), (0.5, 1.0), (-3.0, 0.25), (0.0, 1.0), (1e-30, 2.0**99), (np.nan, np.nan)],
)
def test_costs_are_scaled_by_a_power_of_two(dtype: type, largest: float, expected: float) -> None:
    for place in (0, 15, 16, 20):
        flat = np.full(21 + lanes.WIDTH, np.nan, dtype)
        flat[:21] = largest / 4
        flat[place] = largest
        assert _scale(flat, 21) == pytest.approx(expected, rel=0, nan_ok=True)


def test_infinite_costs_have_no_scale() -> None:
    flat = np.zeros(20 + lanes.WIDTH)
    flat[3], flat[7] = np.inf, -np.inf
    assert np.isnan(_scale(flat, 20))


@njit(**_outside)
def _lane_operations(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> tuple[int, int, int, int]:
    left, right = lanes.load(x, 0), lanes.load(y, 0)
    lanes.store(out, 0, lanes.minus(lanes.plus(left, right), lanes.lesser(left, right)))
    inside = lanes.choose(lanes.below(left, right), lanes.fill(np.float32(1.0)), lanes.fill(np.float32(-2.0)))
    lanes.store(out, 16, lanes.times(inside, lanes.narrow(lanes.widen(right))))
    patterns = lanes.bit_or(lanes.bit_and(lanes.pattern(left), lanes.fill(~15)), lanes.lane_numbers())
    steepest = lanes.greatest_unsigned(lanes.greater_unsigned(patterns, lanes.fill(0)))
    return (
        lanes.below(left, right),
        lanes.count_bits(lanes.below(left, right)),
        steepest & 15,
        lanes.ALL_LANES,
    )


def test_lanes_do_arithmetic() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((2, 16)).astype(np.float32)
    out = np.empty(32, np.float32)
    bits, count, steepest, everything = _lane_operations(x, y, out)
    np.testing.assert_allclose(out[:16], np.maximum(x, y), rtol=1e-6)
    np.testing.assert_array_equal(out[16:], np.where(x < y, 1, -2).astype(np.float32) * y)
    assert [bool(bits >> k & 1) for k in range(16)] == (x < y).tolist()
    assert count == (x < y).sum()
    assert steepest == x.argmin()
    assert everything == 2**16 - 1


def test_the_cache_file_is_named_after_all_sources() -> None:
    def solver(x: int) -> int:
        return x + 1

    assert compiling.entry(solver)(1) == 2
    assert solver.__qualname__ == f"solver_{compiling.source_digest()}"


def test_without_a_writable_folder_the_code_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def refusing(*, cache: bool = False, **options: Any) -> Callable[[Any], Any]:
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function 'f': no locator available for file 'f.py'")
        return lambda function: function

    monkeypatch.setattr(compiling, "njit", refusing)
    assert compiling.entry(lambda x: x + 1)(1) == 2
    assert asked == [True, False]


def test_other_failures_to_compile_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(**options: Any) -> Callable[[Any], Any]:
        raise RuntimeError("no LLVM")

    monkeypatch.setattr(compiling, "njit", failing)
    with pytest.raises(RuntimeError, match="no LLVM"):
        compiling.entry(lambda x: x)
