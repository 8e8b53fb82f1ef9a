"""The differentiable distance: finite differences where it is smooth, convexity and concavity everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from a2m2.bench.ot_problems import FAMILIES, walks
from a2m2.ot import emd, emd_with_plan, solve


def _problem(name: str, seed: int, batch: int, rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    cost, a, b = map(torch.from_numpy, FAMILIES[name](np.random.default_rng(seed), batch, rows, columns))
    return cost, a, b


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 4), (3, 3), (4, 5), (8, 6)])
@pytest.mark.parametrize("name", ["walks", "random", "negative costs"])
def test_gradients_equal_finite_differences(name: str, rows: int, columns: int) -> None:
    cost, a, b = _problem(name, 11, 2, rows, columns)
    a, b = a * 1.7, b * 0.4
    solved = emd_with_plan(cost, a, b)[1]
    assert not solved.degenerate.any()
    assert not solved.tied.any()
    inputs = [tensor.requires_grad_() for tensor in (cost, a, b)]
    assert torch.autograd.gradcheck(emd, inputs, eps=1e-7, atol=1e-7, rtol=1e-5)


def test_gradients_at_the_size_of_the_paper() -> None:
    cost, a, b = _problem("walks", 12, 3, 14, 14)
    inputs = [tensor.requires_grad_() for tensor in (cost, a, b)]
    gradients = torch.autograd.grad(emd(cost, a, b).sum(), inputs)
    generator = torch.Generator().manual_seed(0)
    for index, (tensor, gradient) in enumerate(zip(inputs, gradients, strict=True)):
        direction = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        step = 1e-7 * tensor.detach().abs().min() * direction
        ends = [
            emd(*(end if k == index else other for k, other in enumerate(inputs))).sum()
            for end in (tensor + step, tensor - step)
        ]
        slope = (ends[0] - ends[1]) / 2
        torch.testing.assert_close((gradient * step).sum(), slope, rtol=1e-5, atol=1e-15)


def test_cost_gradient_is_the_plan_and_weight_gradients_are_projected_potentials() -> None:
    cost, a, b = _problem("random", 13, 4, 7, 9)
    inputs = [tensor.requires_grad_() for tensor in (cost, a, b)]
    value, solved = emd_with_plan(cost, a, b)
    of_cost, of_a, of_b = torch.autograd.grad(value.sum(), inputs)
    assert torch.equal(of_cost, solved.plan)
    u, v = solved.potentials
    torch.testing.assert_close(of_a, u - (a * u).sum(1, keepdim=True), rtol=0, atol=1e-14)
    torch.testing.assert_close(of_b, v - (b * v).sum(1, keepdim=True), rtol=0, atol=1e-14)


def test_scale_of_weights_changes_nothing() -> None:
    cost, a, b = _problem("random", 14, 4, 7, 9)
    torch.testing.assert_close(emd(cost, a * 5, b / 3), emd(cost, a, b), rtol=1e-14, atol=0)
    a = a.requires_grad_()
    (gradient,) = torch.autograd.grad(emd(cost, a, b).sum(), a)
    torch.testing.assert_close((gradient * a).sum(1), torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-15)


@given(name=st.sampled_from(sorted(FAMILIES)), seed=st.integers(0, 10_000), step=st.floats(1e-6, 1.0))
@settings(max_examples=150, deadline=None)
def test_the_value_is_concave_in_costs_and_convex_in_weights(name: str, seed: int, step: float) -> None:
    cost, a, b = _problem(name, seed, 1, 5, 6)
    scale = max(cost.abs().max().item(), 1e-300)
    cost, a, b = cost / scale, a / a.sum(), b / b.sum()
    generator = np.random.default_rng(seed + 1)
    new_cost = cost + step * torch.from_numpy(generator.standard_normal(cost.shape))
    new_a = a + step * torch.from_numpy(generator.random(a.shape))
    new_b = b + step * torch.from_numpy(generator.random(b.shape))
    new_a, new_b = new_a / new_a.sum(), new_b / new_b.sum()
    here = solve(cost, a, b)
    u, v = here.potentials
    above = here.value + (here.plan * (new_cost - cost)).sum()
    assert solve(new_cost, a, b).value <= above + 1e-12
    below = here.value + (u * (new_a - a)).sum() + (v * (new_b - b)).sum()
    assert solve(cost, new_a, new_b).value >= below - 1e-12


def test_value_and_gradients_keep_the_dtype_of_the_arguments() -> None:
    inputs = [
        torch.from_numpy(array).float().requires_grad_()
        for array in walks(np.random.default_rng(1), 3, 14, 14)
    ]
    value = emd(*inputs)
    gradients = torch.autograd.grad(value.sum(), inputs)
    assert {tensor.dtype for tensor in (value, *gradients)} == {torch.float32}


def test_autocast_changes_nothing() -> None:
    inputs = [torch.from_numpy(array).float() for array in walks(np.random.default_rng(2), 3, 14, 14)]
    expected = emd(*inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(emd(*inputs), expected)


def test_only_wanted_gradients_are_made() -> None:
    cost, a, b = _problem("random", 15, 2, 4, 4)
    a = a.requires_grad_()
    emd(cost, a, b).sum().backward()
    assert cost.grad is None
    assert a.grad is not None
    assert not emd(cost, a.detach(), b).requires_grad


def test_second_derivatives_are_refused() -> None:
    cost, a, b = _problem("random", 16, 2, 4, 4)
    cost = cost.requires_grad_()
    (gradient,) = torch.autograd.grad((emd(cost, a, b) ** 2).sum(), cost, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        gradient.sum().backward()


def test_an_empty_batch_has_gradients_too() -> None:
    cost = torch.zeros(0, 3, 5, requires_grad=True)
    emd(cost, torch.zeros(0, 3), torch.zeros(0, 5)).sum().backward()
    assert cost.grad is not None
    assert cost.grad.shape == (0, 3, 5)


def test_the_plan_has_no_gradient_and_holds_normalised_weights() -> None:
    cost, a, b = (tensor.requires_grad_() for tensor in _problem("integers", 17, 2, 4, 4))
    value, solved = emd_with_plan(cost, a, b)
    assert value.requires_grad
    assert not any(tensor.requires_grad for tensor in (solved.plan, solved.value, solved.a, solved.b))
    torch.testing.assert_close(solved.a.sum(1), torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-15)
    assert torch.equal(value.detach(), solved.value)


def test_plans_are_made_only_for_the_gradient_in_the_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    cost, a, b = map(torch.from_numpy, walks(np.random.default_rng(4), 3, 9, 7))
    a.requires_grad_()
    reference, _ = emd_with_plan(cost, a, b)
    reference.sum().backward()
    assert a.grad is not None
    expected, a.grad = a.grad, None

    def no_plan(*problem: object, **options: object) -> None:
        raise AssertionError("a plan was made")

    monkeypatch.setattr("a2m2.ot.differentiable.solve", no_plan)
    value = emd(cost, a, b)
    value.sum().backward()
    assert torch.equal(value, reference)
    assert torch.equal(a.grad, expected)
    with torch.no_grad():
        assert torch.equal(emd(cost.clone().requires_grad_(), a, b), reference)
    with pytest.raises(AssertionError, match="a plan was made"):
        emd(cost.requires_grad_(), a, b)
