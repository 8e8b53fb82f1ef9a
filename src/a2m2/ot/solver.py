"""From tensors to the compiled kernel and back: memory, threads, devices."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from a2m2.ot.compiling import entry
from a2m2.ot.kernel import SOLVED, Problems, Results, solve_range
from a2m2.ot.lanes import WIDTH
from a2m2.ot.plan import Certificate, TransportPlan, TransportValues
from a2m2.ot.refusals import check_form, refusal
from a2m2.ot.workspace import make_workspace

ENTRIES_PER_THREAD = 40_000
"""Cost entries a thread must get to be worth its start: about a third of a millisecond of solving."""


def solve(
    cost: Float[Tensor, "batch row column"],
    a: Float[Tensor, "batch row"],
    b: Float[Tensor, "batch column"],
    *,
    num_threads: int | None = None,
) -> TransportPlan:
    """Solve a batch of exact optimal-transport problems by the primal network simplex.

    ``min Σ c_ij x_ij`` subject to ``x ≥ 0``, ``Σ_j x_ij = a_i``, ``Σ_i x_ij = b_j``. Arguments and results
    share one dtype, float32 or float64; the arithmetic is float64. The results do not depend on
    ``num_threads`` or on what else is in the batch. Gradients are not recorded: see :func:`a2m2.ot.emd`.

    Args:
        cost: ``(batch, row, column)``, finite, of any sign; the batch may be empty. Tensors on other devices
            are copied to the host, and the results back.
        a: ``(batch, row)`` weights, non-negative with a positive sum. Zero weights are allowed.
        b: ``(batch, column)`` weights whose sums equal those of ``a`` to 1e-6 relative; the difference
            counts as rounding and is absorbed by scaling ``b``.
        num_threads: upper limit; None takes PyTorch's number of threads. Small batches use fewer.

    Raises:
        TransportError: wrong shape or dtype, a NaN or infinite cost, a negative, NaN or infinite weight,
            weights that are all zero, unequal sums.
        UncertifiedError: the number of pivots reached its cap; ``python -m a2m2.bench.ot`` counts how often.

    Example:
        >>> import torch
        >>> from a2m2.ot import solve
        >>> cost = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
        >>> solve(cost, torch.tensor([[0.5, 0.5]]), torch.tensor([[0.25, 0.75]])).value
        tensor([0.2500])
    """
    solved, plan = _solve(cost, a, b, num_threads, with_plan=True)
    return TransportPlan(**vars(solved), cost=cost.detach(), a=a.detach(), b=b.detach(), plan=plan)


def solve_values(
    cost: Float[Tensor, "batch row column"],
    a: Float[Tensor, "batch row"],
    b: Float[Tensor, "batch column"],
    *,
    num_threads: int | None = None,
) -> TransportValues:
    """As :func:`solve`, without plans: nothing the size of the costs is made beside a contiguous host copy.

    Arguments, errors and all numbers are those of :func:`solve`. Contiguous costs on the host are not copied.

    Example:
        >>> import torch
        >>> from a2m2.ot import solve_values
        >>> cost = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
        >>> solve_values(cost, torch.tensor([[0.5, 0.5]]), torch.tensor([[0.25, 0.75]])).value
        tensor([0.2500])
    """
    solved, _ = _solve(cost, a, b, num_threads, with_plan=False)
    return solved


def _solve(
    cost: Tensor, a: Tensor, b: Tensor, num_threads: int | None, *, with_plan: bool
) -> tuple[TransportValues, Tensor]:
    check_form(cost, a, b, num_threads)
    problems = Problems(host(cost).reshape(-1), host(a), host(b))
    (batch, num_rows), num_columns = a.shape, b.shape[1]
    results = empty_results(batch, num_rows, num_columns, problems.flat.dtype, with_plan=with_plan)
    wanted = torch.get_num_threads() if num_threads is None else num_threads
    num_ranges = max(1, min(wanted, batch, problems.flat.size // ENTRIES_PER_THREAD))
    _run(problems, results, num_ranges)

    def tensor(array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array) if cost.is_cpu else torch.from_numpy(array).to(cost.device)

    values = TransportValues(
        value=tensor(results.value),
        potentials=(tensor(results.u), tensor(results.v)),
        certificate=Certificate(
            tensor(results.marginal_error), tensor(results.least_reduced_cost), tensor(results.gap)
        ),
        degenerate=tensor(results.degenerate),
        tied=tensor(results.tied),
    )
    return values, tensor(results.plan)


@functools.cache
def _kernel() -> Callable[..., tuple[int, int]]:
    return entry(solve_range)


def pivot_cap(num_rows: int, num_columns: int) -> int:
    """Pivots after which a problem is given up: far more than any problem of the battery takes."""
    return 1000 + 100 * (num_rows + num_columns)


def host(tensor: Tensor) -> NDArray[np.floating]:
    """The tensor's values as a contiguous array in host memory, without a copy where it is one already."""
    local = tensor.detach() if tensor.is_cpu else tensor.detach().cpu()
    array: NDArray[np.floating] = local.contiguous().numpy()
    return array


def empty_results(
    batch: int, num_rows: int, num_columns: int, dtype: np.dtype[np.floating], *, with_plan: bool
) -> Results:
    """Room for the results of a batch, with plans or without."""
    evidence = np.empty((3, batch))
    flags = np.empty((2, batch), np.bool_)
    return Results(
        plan=np.empty((batch, num_rows, num_columns) if with_plan else (batch, 0, 0), dtype),
        value=np.empty(batch, dtype),
        u=np.empty((batch, num_rows), dtype),
        v=np.empty((batch, num_columns), dtype),
        marginal_error=evidence[0],
        least_reduced_cost=evidence[1],
        gap=evidence[2],
        degenerate=flags[0],
        tied=flags[1],
    )


def _run(problems: Problems, results: Results, num_ranges: int) -> None:
    """Solve the batch in ``num_ranges`` contiguous ranges, each in a thread of its own.

    Plain threads over a kernel that releases the interpreter lock, and not Numba's parallel loops: Numba's
    portable threading layer aborts the process when two Python threads enter it at once.
    """
    batch, num_rows = problems.a.shape
    num_columns = problems.b.shape[1]
    max_pivots = pivot_cap(num_rows, num_columns)

    def solve_part(first: int, last: int) -> tuple[int, int]:
        work = make_workspace(num_rows, num_columns)
        spare = np.zeros(num_rows * num_columns + WIDTH, problems.flat.dtype)
        return _kernel()(problems, first, last, max_pivots, work, spare, results)

    if num_ranges == 1:
        outcomes = [solve_part(0, batch)]
    else:
        edges = [batch * k // num_ranges for k in range(num_ranges + 1)]
        with ThreadPoolExecutor(num_ranges) as pool:
            outcomes = list(pool.map(solve_part, edges[:-1], edges[1:]))
    for status, problem in outcomes:
        if status != SOLVED:
            raise refusal(status, problem, problems, max_pivots)
