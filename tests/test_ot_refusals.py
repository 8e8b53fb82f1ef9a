"""What the solver refuses, word for word."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor

from a2m2.ot import TransportError, UncertifiedError, emd, solve, solver


def _problem(batch: int = 3, rows: int = 2, columns: int = 4) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "cost": torch.rand(batch, rows, columns, generator=generator),
        "a": torch.full((batch, rows), 1 / rows),
        "b": torch.full((batch, columns), 1 / columns),
    }


def _with(name: str, index: tuple[int, ...], number: float) -> dict[str, Tensor]:
    problem = _problem()
    problem[name][index] = number
    return problem


def _changed(**changes: object) -> dict[str, object]:
    return {**_problem(), **changes}


FORMS = {
    "expected cost as a torch tensor, got list": _changed(cost=[[1.0]]),
    "expected b as a torch tensor, got NoneType": _changed(b=None),
    "expected cost of shape (batch, row, column), none of the last two 0, got (2, 4)": _changed(
        cost=torch.rand(2, 4)
    ),
    "expected cost of shape (batch, row, column), none of the last two 0, got (3, 0, 4)": _changed(
        cost=torch.rand(3, 0, 4)
    ),
    "expected a of shape (3, 2) to match cost, got (3, 4)": _changed(a=torch.ones(3, 4)),
    "expected a of shape (3, 2) to match cost, got (2,)": _changed(a=torch.ones(2)),
    "expected b of shape (3, 4) to match cost, got (2, 4)": _changed(b=torch.ones(2, 4)),
    "expected cost, a and b all float32 or all float64, got torch.float32, torch.float64, torch.float32": _changed(
        a=torch.full((3, 2), 0.5, dtype=torch.float64)
    ),
    "expected cost, a and b all float32 or all float64, got torch.float16, torch.float16, torch.float16": {
        name: tensor.half() for name, tensor in _problem().items()
    },
    "expected cost, a and b on one device, got cpu, meta, cpu": _changed(a=torch.ones(3, 2, device="meta")),
    "expected num_threads of at least 1 or None, got 0": _changed(num_threads=0),
}

VALUES = {
    "expected finite costs, got nan at cost[2, 1, 3]": _with("cost", (2, 1, 3), float("nan")),
    "expected finite costs, got inf at cost[0, 0, 0]": _with("cost", (0, 0, 0), float("inf")),
    "expected finite costs, got -inf at cost[1, 1, 2]": _with("cost", (1, 1, 2), -float("inf")),
    "expected finite non-negative weights, got -0.5 at a[1, 0]": _with("a", (1, 0), -0.5),
    "expected finite non-negative weights, got nan at b[2, 3]": _with("b", (2, 3), float("nan")),
    "expected finite non-negative weights, got inf at b[0, 1]": _with("b", (0, 1), float("inf")),
    "expected weights with a positive finite sum, got the sum 0.0 for a[1]": _with("a", (1,), 0.0),
    "expected weights with a positive finite sum, got the sum 0.0 for b[2]": _with("b", (2,), 0.0),
}


@pytest.mark.parametrize("function", [solve, emd])
@pytest.mark.parametrize(("text", "problem"), (FORMS | VALUES).items(), ids=list(FORMS | VALUES))
def test_wrong_problems_are_refused(function: object, text: str, problem: dict[str, object]) -> None:
    with pytest.raises(TransportError, match=f"^{re.escape(text)}$"):
        function(**problem)


def test_unequal_sums_are_refused_by_solve_alone() -> None:
    problem = _with("b", (1, 0), 0.5)
    text = "expected equal sums of a and b (to 1e-6 relative), got 1 and 1.25 in problem 1; "
    with pytest.raises(
        TransportError, match=f"^{re.escape(text)}divide each by its sum, or call emd, which does$"
    ):
        solve(**problem)
    assert emd(**problem).shape == (3,)


@pytest.mark.parametrize("excess", [1.1e-6, -1.1e-6])
def test_the_limit_of_unequal_sums_is_one_in_a_million(excess: float) -> None:
    cost, a, b = (tensor.double() for tensor in _problem().values())
    solve(cost, a, b * (1 + 0.9 * excess))
    with pytest.raises(TransportError, match="expected equal sums"):
        solve(cost, a, b * (1 + excess))


def test_an_uncertified_problem_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "pivot_cap", lambda num_rows, num_columns: 1)
    generator = torch.Generator().manual_seed(0)
    weights = torch.full((4, 20), 0.05)
    text = (
        "expected an optimal plan within 1 pivots, got none for problem 0 of shape (20, 20); its costs or weights "
        "are beyond float64: rescale them"
    )
    with pytest.raises(UncertifiedError, match=f"^{re.escape(text)}$"):
        solve(torch.rand(4, 20, 20, generator=generator), weights, weights)


def test_the_first_bad_problem_is_named_whatever_the_threads() -> None:
    weights = torch.full((2000, 8), 0.125)
    cost = torch.rand(2000, 8, 8, generator=torch.Generator().manual_seed(0))
    cost[700, 1, 2] = cost[1500, 0, 0] = float("nan")
    for num_threads in (1, 2, 3):
        with pytest.raises(TransportError, match=r"got nan at cost\[700, 1, 2\]$"):
            solve(cost, weights, weights, num_threads=num_threads)


def test_refusals_are_value_errors() -> None:
    assert issubclass(TransportError, ValueError)
    assert issubclass(UncertifiedError, TransportError)
