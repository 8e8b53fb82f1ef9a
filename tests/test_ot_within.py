"""Transport to a stated accuracy: whatever the problem, the gap holds against the exact value."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from a2m2.bench.ot import FAMILIES, Batch
from a2m2.ot import NearPlan, TransportError, solve, solve_within

TOLERANCE = 1e-3


def _tensors(batch: Batch) -> list[torch.Tensor]:
    return [torch.from_numpy(array) for array in batch]


def _slow_walk(seed: int, nodes: int) -> Batch:
    """Neighbours alike, as in a long video in which little moves; every tenth step is a large one."""
    generator = np.random.default_rng(seed)
    steps = (
        generator.standard_normal((2, nodes, 16)) * np.where(np.arange(nodes) % 10 == 0, 1.0, 0.0003)[:, None]
    )
    path = steps.cumsum(1)
    path /= np.linalg.norm(path, axis=-1, keepdims=True)
    cost = 1 - path[:1] @ path[1:].transpose(0, 2, 1)
    weights = np.linspace(1, 2, nodes)[None] / (1.5 * nodes)
    return Batch(cost, weights, weights)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("sizes", [(90, 90), (110, 81), (9, 80)])
def test_the_gap_holds_on_every_family(name: str, sizes: tuple[int, int]) -> None:
    _check(FAMILIES[name](np.random.default_rng(5), 2, *sizes))


def _check(batch: Batch) -> NearPlan:
    """Gap, bound, plan and potentials hold against the exact solution."""
    near, best = solve_within(*_tensors(batch), tolerance=TOLERANCE), solve(*_tensors(batch))
    scale = np.maximum(np.abs(batch.cost).max((1, 2)), np.finfo(float).tiny)
    mass = batch.a.sum(1)
    value, exact = (values.numpy() / scale / mass for values in (near.value, best.value))
    bound, gap = near.bound.numpy() / scale / mass, near.gap.numpy() / scale / mass

    assert (gap <= TOLERANCE * np.abs(value) + 1e-12).all()
    assert (value >= exact - 1e-12).all()
    assert (bound <= exact + 1e-12).all()
    np.testing.assert_allclose(value - bound, gap, rtol=0, atol=1e-12)
    plan, (u, v) = near.plan.numpy(), (potential.numpy() for potential in near.potentials)
    assert plan.min() >= 0
    np.testing.assert_allclose(plan.sum(2) / mass[:, None], batch.a / mass[:, None], rtol=0, atol=1e-12)
    np.testing.assert_allclose(plan.sum(1) / mass[:, None], batch.b / mass[:, None], rtol=0, atol=1e-12)
    cost = batch.cost / scale[:, None, None]
    np.testing.assert_allclose((plan * cost).sum((1, 2)) / mass, value, rtol=0, atol=1e-12)
    assert (cost - (u[:, :, None] + v[:, None, :]) / scale[:, None, None]).min() >= -1e-12
    return near


def _equal(cost: np.ndarray) -> Batch:
    """Every node has the same weight."""
    batch, nodes, _ = cost.shape
    weights = np.full((batch, nodes), 1 / nodes)
    return Batch(cost, weights, weights)


@pytest.mark.parametrize("nodes", [80, 97, 128, 200])
@pytest.mark.parametrize("costs", ["walk", "random", "negative", "few values", "repeated"])
def test_equal_weights_are_auctioned_within_the_gap(nodes: int, costs: str) -> None:
    generator = np.random.default_rng(nodes)
    cost = {
        "walk": lambda: _slow_walk(nodes, nodes).cost,
        "random": lambda: generator.random((1, nodes, nodes)),
        "negative": lambda: -1e6 * generator.random((1, nodes, nodes)),
        "few values": lambda: generator.integers(1, 4, (1, nodes, nodes)) / 3,
        "repeated": lambda: generator.random((1, 1, nodes)).repeat(nodes, 1),
    }[costs]()
    near = _check(_equal(cost))

    assert not near.exact.any()
    assert ((near.plan > 0).sum((1, 2)) == nodes).all()
    again = solve_within(*_tensors(_equal(cost)), tolerance=TOLERANCE)
    for one, other in zip((near.plan, *near.potentials), (again.plan, *again.potentials), strict=True):
        assert torch.equal(one, other)


def test_nodes_without_weight_stay_out_of_the_auction() -> None:
    generator = np.random.default_rng(3)
    a, b = np.full((1, 100), 1 / 90), np.full((1, 95), 1 / 90)
    a[0, generator.choice(100, 10, replace=False)] = 0.0
    b[0, generator.choice(95, 5, replace=False)] = 0.0
    near = _check(Batch(generator.random((1, 100, 95)), a, b))

    assert not near.exact.any()
    assert float(near.plan[0][torch.from_numpy(a[0]) == 0].sum()) == 0


@pytest.mark.parametrize("tiny", [0.0, 1e-9])
def test_an_auction_that_leads_nowhere_ends_in_the_exact_solution(tiny: float) -> None:
    cost = np.random.default_rng(4).random((1, 96, 96)) * (1 - (1 - tiny) * np.eye(96))
    near = _check(_equal(cost))

    assert near.exact.all()


def test_a_slow_video_is_solved_on_fewer_nodes() -> None:
    for seed in range(3):
        batch = _slow_walk(seed, 200)
        near, best = solve_within(*_tensors(batch), tolerance=0.003), solve(*_tensors(batch))

        assert (near.nodes < 100).all()
        assert 0 <= float(near.value / best.value - 1) <= 0.003


@pytest.mark.parametrize("name", ["walks", "assignment", "zero weights"])
def test_tolerance_zero_is_the_exact_solution(name: str) -> None:
    tensors = _tensors(FAMILIES[name](np.random.default_rng(2), 2, 90, 90))
    near, best = solve_within(*tensors, tolerance=0.0), solve(*tensors)

    assert near.exact.all()
    assert torch.equal(near.plan, best.plan)
    assert torch.equal(near.value, best.value)


def test_results_do_not_depend_on_threads_or_on_the_rest_of_the_batch() -> None:
    tensors = _tensors(FAMILIES["walks"](np.random.default_rng(2), 4, 96, 96))
    together = solve_within(*tensors, num_threads=2)
    alone = [solve_within(*(tensor[k : k + 1] for tensor in tensors), num_threads=1) for k in range(4)]

    assert torch.equal(together.plan, torch.cat([one.plan for one in alone]))


def test_float32_problems_give_float32_plans() -> None:
    tensors = [tensor.float() for tensor in _tensors(_slow_walk(1, 128))]
    near = solve_within(*tensors, tolerance=0.01)

    assert near.plan.dtype == near.value.dtype == torch.float32
    torch.testing.assert_close(near.plan.sum(2), tensors[1], rtol=0, atol=1e-6)


def test_what_cannot_be_solved_is_refused_by_its_place() -> None:
    cost, a, b = _tensors(FAMILIES["walks"](np.random.default_rng(2), 3, 90, 90))
    with pytest.raises(TransportError, match="tolerance"):
        solve_within(cost, a, b, tolerance=1.0)
    cost[1, 2, 3] = torch.nan
    with pytest.raises(TransportError, match=r"cost\[1, 2, 3\]"):
        solve_within(cost, a, b)
