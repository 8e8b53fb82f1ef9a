"""The earth mover's distance as a differentiable function, by the envelope theorem.

At the optimum the derivative of the value is that of the Lagrangian with plan and potentials held fixed:
``∂EMD/∂c_ij = x_ij``, ``∂EMD/∂a_i = u_i``, ``∂EMD/∂b_j = v_j``. Nothing is differentiated through the
solver. Where the optimum is not unique (flags ``tied`` and ``degenerate``) these are one supergradient in
``c`` and one subgradient in ``(a, b)``: the value is concave in the costs and convex in the weights.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from a2m2.ot.errors import TransportError
from a2m2.ot.plan import TransportPlan, TransportValues
from a2m2.ot.refusals import bad_weights, check_form
from a2m2.ot.solver import host, solve, solve_values

Solved = TypeVar("Solved", bound=TransportValues)
Result = TypeVar("Result")


class _Value(torch.autograd.Function):
    """The value of a solved batch, tied to the tensors of its problem.

    The gradient in the costs needs the plan; without one the costs must not want any.
    """

    @staticmethod
    def forward(ctx: Any, cost: Tensor, a: Tensor, b: Tensor, solved: TransportValues) -> Tensor:
        plan = [solved.plan] if isinstance(solved, TransportPlan) else []
        ctx.save_for_backward(*solved.potentials, *plan)
        return solved.value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        u, v, *plan = ctx.saved_tensors
        wants_cost, wants_a, wants_b, _ = ctx.needs_input_grad
        return (
            gradient[:, None, None] * plan[0] if wants_cost else None,
            gradient[:, None] * u if wants_a else None,
            gradient[:, None] * v if wants_b else None,
            None,
        )


def emd(
    cost: Float[Tensor, "batch row column"],
    a: Float[Tensor, "batch row"],
    b: Float[Tensor, "batch column"],
    *,
    num_threads: int | None = None,
) -> Float[Tensor, " batch"]:
    """Exact earth mover's distance of weights normalised to sum 1, differentiable in all three arguments.

    ``EMD(c, a, b) = min Σ c_ij x_ij`` over plans with marginals ``a / Σa`` and ``b / Σb``. The normalisation
    is part of the function: scaling ``a`` or ``b`` changes nothing, and the free constant of the potentials
    cancels. First derivatives only; a second backward raises. Autocast is off inside. Arguments and errors
    are those of :func:`a2m2.ot.solve`, except that the sums of ``a`` and ``b`` need not agree. Plans are made
    only where the gradient in ``cost`` is wanted: it is the plan.

    Returns:
        ``(batch,)``, in the dtype of the arguments, as are the gradients.

    Example:
        >>> import torch
        >>> from a2m2.ot import emd
        >>> cost = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]], requires_grad=True)
        >>> emd(cost, torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, 3.0]])).sum().backward()
        >>> cost.grad
        tensor([[[0.2500, 0.2500],
                 [0.0000, 0.5000]]])
    """
    wants_plan = torch.is_grad_enabled() and isinstance(cost, Tensor) and cost.requires_grad
    if wants_plan:
        return _value_of(solve, cost, a, b, num_threads)[0]
    return _value_of(solve_values, cost, a, b, num_threads)[0]


def emd_with_plan(
    cost: Float[Tensor, "batch row column"],
    a: Float[Tensor, "batch row"],
    b: Float[Tensor, "batch column"],
    *,
    num_threads: int | None = None,
) -> tuple[Float[Tensor, " batch"], TransportPlan]:
    """As :func:`emd`, together with the solution it comes from, which carries no gradient.

    The solution's ``a`` and ``b`` are the normalised weights.
    """
    return _value_of(solve, cost, a, b, num_threads)


def _value_of(
    solver: Callable[..., Solved], cost: Tensor, a: Tensor, b: Tensor, num_threads: int | None
) -> tuple[Tensor, Solved]:
    check_form(cost, a, b, num_threads)
    with torch.autocast(device_type=cost.device.type, enabled=False):
        normal_a, normal_b, solved = solve_shares(
            functools.partial(solver, num_threads=num_threads), cost, a, b
        )
        value: Tensor = _Value.apply(cost, normal_a, normal_b, solved)
    return value, solved


def solve_shares(
    solver: Callable[[Tensor, Tensor, Tensor], Result], cost: Tensor, a: Tensor, b: Tensor
) -> tuple[Tensor, Tensor, Result]:
    """The weights normalised to sum 1, and what ``solver`` makes of them; refusals name the weights that came."""
    normal_a, normal_b = a / a.sum(-1, keepdim=True), b / b.sum(-1, keepdim=True)
    try:
        return normal_a, normal_b, solver(cost, normal_a, normal_b)
    except TransportError as error:
        # Say it of the weights that came, not of what division by their sum made of them.
        raise (bad_weights("a", host(a)) or bad_weights("b", host(b)) or error) from None
