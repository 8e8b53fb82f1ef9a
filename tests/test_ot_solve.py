"""The solver against independent oracles, on every problem family, and under the laws of optimal transport."""

from __future__ import annotations

import threading

import numpy as np
import ot as pot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from a2m2.bench.ot import run_battery
from a2m2.bench.ot_problems import FAMILIES, SIZES, Batch, walks
from a2m2.ot import TransportPlan, TransportValues, solve, solve_values
from reference.transport import best_vertex_value, linear_program_value


def _solve(batch: Batch, **options: int) -> TransportPlan:
    return solve(*map(torch.from_numpy, batch), **options)


def _random(seed: int, batch: int, rows: int, columns: int) -> Batch:
    return FAMILIES["random"](np.random.default_rng(seed), batch, rows, columns)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_solved_with_a_certificate(name: str) -> None:
    for index, (rows, columns) in enumerate(SIZES):
        if (rows, columns) == (130, 100) and name != "walks":
            continue
        batch = FAMILIES[name](np.random.default_rng(index), 3, rows, columns)
        solved = _solve(batch)
        scale = np.maximum(np.abs(batch.cost).max((1, 2)), np.finfo(float).tiny)
        mass = batch.a.sum(1)
        plan, (u, v) = solved.plan.numpy(), (potential.numpy() for potential in solved.potentials)

        assert plan.min() >= 0
        assert (plan > 0).sum((1, 2)).max() <= rows + columns - 1
        np.testing.assert_allclose(plan.sum(2) / mass[:, None], batch.a / mass[:, None], atol=1e-14)
        np.testing.assert_allclose(plan.sum(1) / mass[:, None], batch.b / mass[:, None], atol=1e-14)
        reduced = (batch.cost - u[:, :, None] - v[:, None, :]) / scale[:, None, None]
        assert reduced.min() >= -1.01e-13
        assert np.abs(plan * reduced / mass[:, None, None]).max() <= 1e-13
        primal = (batch.cost / scale[:, None, None] * plan).sum((1, 2)) / mass
        dual = ((batch.a * u).sum(1) + (batch.b * v).sum(1)) / scale / mass
        np.testing.assert_allclose(dual, primal, rtol=0, atol=1e-13)
        np.testing.assert_allclose(solved.value.numpy() / scale / mass, primal, rtol=0, atol=1e-14)

        certificate = solved.certificate
        assert (certificate.marginal_error.numpy() / mass).max() <= 1e-14
        assert (certificate.gap.numpy() / scale / mass).max() <= 1e-13
        np.testing.assert_array_less(-1.01e-13, certificate.least_reduced_cost.numpy() / scale)


@pytest.mark.parametrize("name", FAMILIES)
def test_value_equals_pot(name: str) -> None:
    for rows, columns in ((3, 4), (14, 14), (17, 15), (40, 30)):
        batch = FAMILIES[name](np.random.default_rng(7), 4, rows, columns)
        scale = np.maximum(np.abs(batch.cost).max((1, 2)), np.finfo(float).tiny)
        mass = batch.a.sum(1)
        values = _solve(batch).value.numpy() / scale / mass
        expected = [
            pot.emd2(a / m, b / b.sum(), cost / s)
            for cost, a, b, s, m in zip(*batch, scale, mass, strict=True)
        ]
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["walks", "assignment", "integers", "zero weights", "costs x 1e-9"])
def test_value_equals_a_general_linear_program(name: str) -> None:
    batch = FAMILIES[name](np.random.default_rng(3), 4, 9, 11)
    scale = np.abs(batch.cost).max((1, 2)) * batch.a.sum(1)
    expected = [linear_program_value(*problem) for problem in zip(*batch, strict=True)]
    np.testing.assert_allclose(_solve(batch).value.numpy() / scale, expected / scale, rtol=0, atol=1e-9)


_counts = st.integers(1, 4)
_costs = st.integers(-3, 3).map(float) | st.floats(-2.0, 2.0, allow_subnormal=False)
_weights = st.integers(0, 3).map(float) | st.floats(0.01, 2.0)


@given(rows=_counts, columns=_counts, data=st.data())
@settings(max_examples=150, deadline=None)
def test_value_is_that_of_the_best_vertex(rows: int, columns: int, data: st.DataObject) -> None:
    cost = np.array(data.draw(st.lists(_costs, min_size=rows * columns, max_size=rows * columns)))
    a = np.array(data.draw(st.lists(_weights, min_size=rows, max_size=rows).filter(any)))
    b = np.array(data.draw(st.lists(_weights, min_size=columns, max_size=columns).filter(any)))
    cost, a, b = cost.reshape(rows, columns), a / a.sum(), b / b.sum()
    solved = _solve(Batch(cost[None], a[None], b[None]))
    assert solved.value.item() == pytest.approx(best_vertex_value(cost, a, b), abs=1e-11)


def test_512_nodes_equal_pot() -> None:
    batch = walks(np.random.default_rng(1), 1, 512, 500)
    solved = _solve(batch)
    assert solved.value.item() == pytest.approx(pot.emd2(batch.a[0], batch.b[0], batch.cost[0]), abs=1e-12)
    assert solved.certificate.gap.item() <= 1e-13


def test_order_of_nodes_does_not_matter() -> None:
    cost, a, b = _random(0, 5, 13, 19)
    generator = np.random.default_rng(5)
    rows, columns = generator.permutation(13), generator.permutation(19)
    solved = _solve(Batch(cost, a, b))
    permuted = _solve(Batch(cost[:, rows][:, :, columns], a[:, rows], b[:, columns]))
    assert not solved.degenerate.any()
    assert not solved.tied.any()
    torch.testing.assert_close(permuted.plan, solved.plan[:, rows][:, :, columns], rtol=0, atol=1e-14)
    torch.testing.assert_close(permuted.value, solved.value, rtol=0, atol=1e-14)
    torch.testing.assert_close(permuted.potentials[0], solved.potentials[0][:, rows], rtol=0, atol=1e-13)
    torch.testing.assert_close(permuted.potentials[1], solved.potentials[1][:, columns], rtol=0, atol=1e-13)


def test_rows_and_columns_may_change_places() -> None:
    cost, a, b = _random(1, 5, 13, 19)
    solved, turned = _solve(Batch(cost, a, b)), _solve(Batch(cost.transpose(0, 2, 1).copy(), b, a))
    torch.testing.assert_close(turned.plan.mT, solved.plan, rtol=0, atol=1e-14)
    torch.testing.assert_close(turned.potentials, solved.potentials[::-1], rtol=0, atol=1e-13)


@pytest.mark.parametrize("factor", [3.0, 1e-6, 1e200])
def test_value_is_linear_in_the_scale_of_costs_and_of_mass(factor: float) -> None:
    cost, a, b = _random(2, 5, 14, 14)
    value = _solve(Batch(cost, a, b)).value
    torch.testing.assert_close(_solve(Batch(cost * factor, a, b)).value, value * factor, rtol=1e-13, atol=0)
    torch.testing.assert_close(
        _solve(Batch(cost, a * factor, b * factor)).value, value * factor, rtol=1e-13, atol=0
    )


def test_a_constant_on_a_row_or_column_adds_its_mass() -> None:
    cost, a, b = _random(3, 5, 14, 18)
    shifted = cost.copy()
    shifted[:, 4] += 0.7
    shifted[:, :, 2] -= 1.3
    solved, moved = _solve(Batch(cost, a, b)), _solve(Batch(shifted, a, b))
    expected = solved.value + torch.from_numpy(0.7 * a[:, 4] - 1.3 * b[:, 2])
    torch.testing.assert_close(moved.value, expected, rtol=0, atol=1e-14)
    torch.testing.assert_close(moved.plan, solved.plan, rtol=0, atol=1e-14)


def test_equal_distributions_of_a_metric_cost_nothing() -> None:
    points = np.random.default_rng(0).standard_normal((3, 20, 2))
    cost = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    weights = walks(np.random.default_rng(0), 3, 20, 20).a
    solved = _solve(Batch(cost, weights, weights))
    torch.testing.assert_close(solved.value, torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-15)
    torch.testing.assert_close(solved.plan, torch.diag_embed(torch.from_numpy(weights)), rtol=0, atol=1e-15)


def test_potentials_share_the_value_equally() -> None:
    batch = _random(4, 6, 12, 15)
    solved = _solve(batch)
    of_rows = (solved.a * solved.potentials[0]).sum(1)
    torch.testing.assert_close(of_rows, solved.value / 2, rtol=0, atol=1e-14)


def test_a_node_of_zero_weight_gets_the_largest_admissible_potential() -> None:
    cost, a, b = FAMILIES["zero weights"](np.random.default_rng(9), 20, 9, 8)
    solved = _solve(Batch(cost, a, b))
    u, v = (potential.numpy() for potential in solved.potentials)
    transform = (cost - v[:, None, :]).min(2)
    np.testing.assert_allclose(u[a == 0], transform[a == 0], rtol=0, atol=1e-14)
    assert (cost - u[:, :, None] - v[:, None, :]).min() >= -1e-13
    assert solved.plan.numpy()[a == 0].max() == 0


def test_flags_name_degenerate_and_tied_problems() -> None:
    generic = _solve(_random(5, 8, 14, 14))
    assert not generic.degenerate.any()
    assert not generic.tied.any()
    assignment = _solve(FAMILIES["assignment"](np.random.default_rng(0), 8, 14, 14))
    assert assignment.degenerate.all()
    assert not assignment.tied.any()
    separable = _solve(FAMILIES["separable costs"](np.random.default_rng(0), 8, 14, 14))
    assert separable.tied.all()
    assert not separable.degenerate.any()
    assert _solve(FAMILIES["zero weights"](np.random.default_rng(0), 8, 14, 14)).degenerate.all()


def test_float32_problems_give_float32_results_with_a_float64_certificate() -> None:
    exact = walks(np.random.default_rng(2), 6, 14, 14)
    batch = [torch.from_numpy(array).float() for array in exact]
    solved = solve(*batch)
    assert {solved.plan.dtype, solved.value.dtype, solved.potentials[0].dtype} == {torch.float32}
    assert solved.certificate.gap.dtype == torch.float64
    assert solved.certificate.gap.max() < 1e-15
    torch.testing.assert_close(solved.value.double(), _solve(exact).value, rtol=0, atol=1e-7)


def test_sums_that_differ_by_rounding_are_absorbed() -> None:
    cost, a, b = _random(6, 4, 10, 10)
    solved = _solve(Batch(cost, a, b * (1 + 9e-7)))
    torch.testing.assert_close(solved.value, _solve(Batch(cost, a, b)).value, rtol=1e-13, atol=0)
    assert solved.certificate.marginal_error.max() < 1e-15


def test_threads_and_batch_do_not_change_a_bit() -> None:
    batch = walks(np.random.default_rng(4), 900, 14, 13)
    one, two, three = (_solve(batch, num_threads=count) for count in (1, 2, 3))
    alone = _solve(Batch(*(array[500:501] for array in batch)))
    for other in (two, three):
        assert torch.equal(one.plan, other.plan)
        assert torch.equal(one.value, other.value)
        assert all(map(torch.equal, one.potentials, other.potentials))
        assert torch.equal(one.certificate.gap, other.certificate.gap)
    assert torch.equal(alone.plan[0], one.plan[500])
    assert torch.equal(alone.potentials[0][0], one.potentials[0][500])


def test_several_python_threads_may_solve_at_once() -> None:
    batch = walks(np.random.default_rng(5), 900, 14, 13)
    expected = _solve(batch, num_threads=1).value
    values: list[torch.Tensor] = []
    threads = [
        threading.Thread(target=lambda: values.append(_solve(batch, num_threads=2).value)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(values) == 4
    assert all(torch.equal(value, expected) for value in values)


def test_tensors_need_not_be_contiguous() -> None:
    cost, a, b = map(torch.from_numpy, _random(7, 4, 12, 12))
    strided = torch.stack([cost, cost], -1)[..., 0]
    assert not strided.is_contiguous()
    assert torch.equal(solve(strided, a, b).plan, solve(cost, a, b).plan)


def test_tensors_whose_memory_says_something_else_are_read_as_they_are() -> None:
    cost, a, b = map(torch.from_numpy, _random(7, 4, 12, 12))
    expected = solve(cost, a, b).plan
    negated = torch.complex(torch.zeros_like(cost), -cost).conj().imag.contiguous()
    lazily = torch._neg_view(-cost)
    assert lazily.is_neg()
    assert lazily.is_contiguous()
    assert torch.equal(solve(lazily, a, b).plan, expected)
    assert torch.equal(solve(negated, a, b).plan, expected)
    assert torch.equal(solve(torch.nn.Parameter(cost), a, b).plan, expected)


def test_results_that_are_read_in_inference_mode_still_take_part_in_gradients() -> None:
    solved = solve(torch.rand(2, 3, 4), torch.full((2, 3), 1 / 3), torch.full((2, 4), 1 / 4))
    with torch.inference_mode():
        assert solved.value is solved.value
    weight = torch.ones(2, requires_grad=True)
    (weight * solved.value).sum().backward()
    assert torch.equal(weight.grad, solved.value)


def test_a_thread_may_change_sizes_and_dtypes_between_calls() -> None:
    sizes = ((3, 20), (20, 3), (14, 14), (70, 65), (14, 14))
    batches = [_random(k, 2, rows, columns) for k, (rows, columns) in enumerate(sizes)]
    doubles = [_solve(batch).value for batch in batches]
    for batch, value in zip(batches, doubles, strict=True):
        single = solve(*(torch.from_numpy(array).float() for array in batch))
        torch.testing.assert_close(single.value.double(), value, rtol=0, atol=1e-6)
        assert torch.equal(_solve(batch).value, value)


def test_an_empty_batch_has_an_empty_solution() -> None:
    solved = solve(torch.zeros(0, 3, 5), torch.zeros(0, 3), torch.zeros(0, 5))
    assert solved.plan.shape == (0, 3, 5)
    assert solved.value.shape == solved.tied.shape == (0,)
    assert repr(solved.certificate) == "Certificate(batch=0)"


def test_a_plan_carries_its_problem_and_prints_shapes() -> None:
    cost, a, b = (torch.from_numpy(array).float().requires_grad_() for array in _random(8, 2, 3, 4))
    solved = solve(cost, a, b)
    assert torch.equal(solved.cost, cost)
    assert torch.equal(solved.a, a)
    assert torch.equal(solved.b, b)
    assert not any(tensor.requires_grad for tensor in (solved.cost, solved.plan, solved.value))
    assert repr(solved) == (
        "TransportPlan(plan=float32(2, 3, 4), value=float32(2,), "
        "potentials=(float32(2, 3), float32(2, 4)), degenerate=0, tied=0)"
    )
    assert repr(solved.certificate).startswith("Certificate(batch=2, marginal_error<=")


@pytest.mark.slow
def test_the_full_battery_is_certified_and_equals_pot() -> None:
    result = run_battery(100_000)
    assert result["certified"] == result["problems"] == 100_000
    assert result["gap"] <= 1e-12
    assert result["marginal_error"] <= 1e-13
    assert result["negative_reduced_cost"] <= 1.01e-13
    assert result["difference_to_pot"] <= 1e-9


@pytest.mark.parametrize("name", FAMILIES)
def test_values_without_plans_are_those_with_them(name: str) -> None:
    for rows, columns in ((1, 1), (14, 14), (40, 30)):
        problem = [
            torch.from_numpy(one) for one in FAMILIES[name](np.random.default_rng(5), 6, rows, columns)
        ]
        whole, values = solve(*problem), solve_values(*problem)
        assert isinstance(values, TransportValues)
        assert torch.equal(values.value, whole.value)
        assert all(map(torch.equal, values.potentials, whole.potentials))
        assert torch.equal(values.certificate.gap, whole.certificate.gap)
        assert torch.equal(values.certificate.marginal_error, whole.certificate.marginal_error)
        assert torch.equal(values.degenerate, whole.degenerate)
        assert torch.equal(values.tied, whole.tied)


def test_values_say_what_they_hold() -> None:
    values = solve_values(torch.rand(2, 3, 4), torch.full((2, 3), 1 / 3), torch.full((2, 4), 1 / 4))
    assert repr(values).startswith(
        "TransportValues(value=float32(2,), potentials=(float32(2, 3), float32(2, 4))"
    )
