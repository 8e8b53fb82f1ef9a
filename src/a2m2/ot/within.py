"""Transport of long videos to a stated accuracy: by auction or coarse to fine, with a bound on the whole problem."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from a2m2.ot.coarse_to_fine import Within, make_room, solve_range_within
from a2m2.ot.compiling import entry
from a2m2.ot.differentiable import solve_shares
from a2m2.ot.errors import TransportError
from a2m2.ot.kernel import Problems
from a2m2.ot.lanes import WIDTH
from a2m2.ot.plan import TransportPlan
from a2m2.ot.refusals import check_form
from a2m2.ot.solver import host, pivot_cap, solve
from a2m2.ot.threads import in_parts
from a2m2.ot.workspace import make_workspace

SMALLEST = 80
"""Problems with fewer rows or columns are solved exactly: on pairs of clips of 48 and 64 candidates that was faster,
of 96 and more it was not."""


@dataclass(frozen=True, eq=False)
class NearPlan:
    """Plans whose cost is proved to be within a tolerance of the least.

    Attributes:
        plan: ``(batch, rows, columns)`` with the marginals of the problem.
        value: ``(batch,)``, its cost: at least the least cost, at most ``gap`` more.
        potentials: ``u (batch, rows)`` and ``v (batch, columns)`` with ``u_i + v_j ≤ c_ij``, up to the rounding of
            their dtype.
        bound: ``(batch,)`` float64, ``Σ a_i u_i + Σ b_j v_j``: no plan costs less.
        gap: ``(batch,)`` float64, ``value - bound`` before rounding.
        nodes: ``(batch, 2)``, the numbers of nodes of the problem that was solved, after grouping.
        exact: ``(batch,)`` bool, whether the whole problem was solved exactly.
    """

    plan: Float[Tensor, "batch row column"]
    value: Float[Tensor, " batch"]
    potentials: tuple[Float[Tensor, "batch row"], Float[Tensor, "batch column"]]
    bound: Float[Tensor, " batch"]
    gap: Float[Tensor, " batch"]
    nodes: Int[Tensor, "batch 2"]
    exact: Bool[Tensor, " batch"]


def solve_within(
    cost: Float[Tensor, "batch row column"],
    a: Float[Tensor, "batch row"],
    b: Float[Tensor, "batch column"],
    *,
    tolerance: float = 1e-3,
    num_threads: int | None = None,
) -> NearPlan:
    """Plans that cost at most ``tolerance`` (relative) more than the best, proved problem by problem.

    Potentials that are feasible on the whole cost matrix (c-transform) bound what any plan costs. Where as many rows as
    columns have weight, and all the same, plan and potentials are those of an auction, several times as fast as the
    exact solver. Otherwise neighbouring rows and columns that are alike become groups; the grouped problem is solved
    until a bound says that it is near enough; its plan is spread over the members. Where that is not within the
    tolerance, or grouping leaves too many nodes, the whole problem is pivoted until it is. What fails is solved
    exactly. Grouping pays where neighbours are alike, as the candidates of a long video are; the result holds for any
    problem. Gradients are not recorded.

    Args:
        cost: as for :func:`a2m2.ot.solve`, which also says what is refused.
        a: likewise.
        b: likewise.
        tolerance: largest ``(value - bound) / |value|``; 0 solves exactly.
        num_threads: upper limit; None takes PyTorch's number of threads.

    Raises:
        TransportError: as :func:`a2m2.ot.solve`; a tolerance outside [0, 1).

    Example:
        >>> import torch
        >>> from a2m2.ot import solve_within
        >>> place = torch.arange(64.0) / 64
        >>> cost, weights = (place[:, None] - place.square())[None].abs(), torch.full((1, 64), 1 / 64)
        >>> near = solve_within(cost, weights, weights, tolerance=0.01)
        >>> bool(near.gap <= 0.01 * near.value)
        True
    """
    check_form(cost, a, b, num_threads)
    if not 0 <= tolerance < 1:
        raise TransportError(f"expected a tolerance in [0, 1), got {tolerance}")
    batch, rows, columns = cost.shape
    if tolerance == 0 or min(rows, columns) < SMALLEST:
        return _exact(solve(cost, a, b, num_threads=num_threads))
    problems = Problems(host(cost).reshape(-1), host(a), host(b))
    results = _empty(batch, rows, columns, problems.flat.dtype)
    _run(problems, results, tolerance, num_threads)
    rest = np.flatnonzero(~results.reached)
    if rest.size:
        _solve_exactly(rest, cost, a, b, num_threads, results)

    def tensor(array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(cost.device)

    return NearPlan(
        plan=tensor(results.plan),
        value=tensor(results.value),
        potentials=(tensor(results.u), tensor(results.v)),
        bound=tensor(results.bound),
        gap=tensor(results.gap),
        nodes=tensor(results.nodes),
        exact=tensor(~results.reached),
    )


def emd_within(
    cost: Float[Tensor, "batch row column"],
    a: Float[Tensor, "batch row"],
    b: Float[Tensor, "batch column"],
    *,
    tolerance: float = 1e-3,
    num_threads: int | None = None,
) -> NearPlan:
    """As :func:`solve_within`, of weights normalised to sum 1: its ``value`` is that of :func:`a2m2.ot.emd`, or up to
    ``tolerance`` (relative) above. Autocast is off inside. Gradients are not recorded.
    """
    check_form(cost, a, b, num_threads)
    solver = functools.partial(solve_within, tolerance=tolerance, num_threads=num_threads)
    with torch.autocast(device_type=cost.device.type, enabled=False), torch.no_grad():
        return solve_shares(solver, cost, a, b)[2]


def _exact(solved: TransportPlan) -> NearPlan:
    gap = solved.certificate.gap
    batch, rows, columns = solved.plan.shape
    return NearPlan(
        plan=solved.plan,
        value=solved.value,
        potentials=solved.potentials,
        bound=solved.value.double() - gap,
        gap=gap,
        nodes=torch.tensor([[rows, columns]], device=gap.device).repeat(batch, 1),
        exact=torch.ones(batch, dtype=torch.bool, device=gap.device),
    )


@functools.cache
def _kernel() -> Callable[..., None]:
    return entry(solve_range_within)


def _empty(batch: int, rows: int, columns: int, dtype: np.dtype[np.floating]) -> Within:
    return Within(
        plan=np.empty((batch, rows, columns), dtype),
        value=np.empty(batch, dtype),
        u=np.empty((batch, rows), dtype),
        v=np.empty((batch, columns), dtype),
        bound=np.empty(batch),
        gap=np.empty(batch),
        nodes=np.tile(np.array([rows, columns]), (batch, 1)),
        reached=np.zeros(batch, np.bool_),
    )


def _run(problems: Problems, results: Within, tolerance: float, num_threads: int | None) -> None:
    batch, rows = problems.a.shape
    columns = problems.b.shape[1]

    def solver() -> Callable[[int, int], None]:
        work, room = make_workspace(rows, columns), make_room(rows, columns)
        # Whole lanes end with the problem, or there must be room behind it.
        room_behind = rows * columns + WIDTH if columns % WIDTH else 0
        spare = np.zeros(room_behind, problems.flat.dtype)

        def try_part(first: int, last: int) -> None:
            _kernel()(problems, first, last, pivot_cap(rows, columns), tolerance, work, room, spare, results)

        return try_part

    in_parts(solver, batch, problems.flat.size, num_threads)


def _solve_exactly(
    rest: NDArray[np.intp], cost: Tensor, a: Tensor, b: Tensor, num_threads: int | None, results: Within
) -> None:
    """Solve the problems ``rest``. Refusals name a problem's place in the whole batch."""
    whole = rest.size == len(cost)
    index = torch.from_numpy(rest).to(cost.device)
    try:
        solved = (
            solve(cost, a, b, num_threads=num_threads)
            if whole
            else solve(cost[index], a[index], b[index], num_threads=num_threads)
        )
    except TransportError:
        if not whole:
            solve(cost, a, b, num_threads=num_threads)
        raise
    results.plan[rest] = host(solved.plan)
    results.value[rest] = host(solved.value)
    results.u[rest] = host(solved.potentials[0])
    results.v[rest] = host(solved.potentials[1])
    results.gap[rest] = host(solved.certificate.gap)
    results.bound[rest] = results.value[rest] - results.gap[rest]
    results.nodes[rest] = cost.shape[1:]
