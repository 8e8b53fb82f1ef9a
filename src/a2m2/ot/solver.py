"""From tensors to the compiled kernel and back: memory, threads, devices."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Parameter

from a2m2.ot.addresses import address_table
from a2m2.ot.compiling import entry
from a2m2.ot.kernel import SOLVED, Problems, Results, solve_at
from a2m2.ot.lanes import WIDTH
from a2m2.ot.plan import TransportPlan, TransportValues
from a2m2.ot.refusals import check_form, refusal
from a2m2.ot.threads import in_parts
from a2m2.ot.workspace import Workspace, make_workspace

KEPT_ENTRIES = 64 * 64
"""Largest number of costs of a problem whose scratch memory, of 80 kB then, a thread keeps for the next call."""

DTYPES: dict[torch.dtype, np.dtype[np.floating]] = {
    torch.float32: np.dtype(np.float32),
    torch.float64: np.dtype(np.float64),
}
"""NumPy's dtype for each one that problems may have."""


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
    results = _solve(cost, a, b, num_threads, with_plan=True)
    return TransportPlan(results, constant(cost), constant(a), constant(b))


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
    return TransportValues(_solve(cost, a, b, num_threads, with_plan=False), cost.device)


@functools.cache
def _kernel() -> Callable[..., tuple[int, int]]:
    return entry(solve_at)


def pivot_cap(num_rows: int, num_columns: int) -> int:
    """Pivots after which a problem is given up: far more than any problem of the battery takes."""
    return 1000 + 100 * (num_rows + num_columns)


def constant(tensor: Tensor) -> Tensor:
    """The tensor without its history; itself where it has none."""
    return tensor.detach() if tensor.requires_grad else tensor


def host(tensor: Tensor) -> NDArray[np.floating]:
    """The tensor's values as a contiguous array in host memory, without a copy where it is one already."""
    local = tensor.detach() if tensor.is_cpu else tensor.detach().cpu()
    array: NDArray[np.floating] = local.contiguous().resolve_neg().numpy()
    return array


def in_memory(tensor: Tensor) -> Tensor:
    """The tensor as its address says it: contiguous, on the host; itself where it is so already."""
    plain = type(tensor) in (Tensor, Parameter) and tensor.is_cpu and tensor.is_contiguous()
    return tensor if plain and not tensor.is_neg() else torch.from_numpy(host(tensor))


class _Scratch(NamedTuple):
    """What a thread needs to solve problems of one size and dtype, and the table of it for the kernel."""

    sizes: tuple[int, int, torch.dtype]
    work: Workspace
    table: NDArray[np.int64]
    spare: NDArray[np.floating]


class _Kept(threading.local):
    """The last small scratch of each thread: making it takes longer than solving two problems."""

    scratch: _Scratch | None = None


_kept = _Kept()


def _scratch(num_rows: int, num_columns: int, dtype: torch.dtype) -> _Scratch:
    sizes = (num_rows, num_columns, dtype)
    kept = _kept.scratch
    if kept is not None and kept.sizes == sizes:
        return kept
    work = make_workspace(num_rows, num_columns)
    spare = np.zeros(num_rows * num_columns + WIDTH, DTYPES[dtype])
    scratch = _Scratch(sizes, work, address_table(work), spare)
    if num_rows * num_columns <= KEPT_ENTRIES:
        _kept.scratch = scratch
    return scratch


def _solve(cost: Tensor, a: Tensor, b: Tensor, num_threads: int | None, *, with_plan: bool) -> Results:
    check_form(cost, a, b, num_threads)
    cost, a, b = in_memory(cost), in_memory(a), in_memory(b)
    batch, num_rows, num_columns = cost.shape
    dtype = DTYPES[cost.dtype]
    results = Results(
        plan=np.empty((batch, num_rows, num_columns) if with_plan else (batch, 0, 0), dtype),
        value=np.empty(batch, dtype),
        u=np.empty((batch, num_rows), dtype),
        v=np.empty((batch, num_columns), dtype),
        evidence=np.empty((3, batch)),
        flags=np.empty((2, batch), np.bool_),
    )
    addresses = cost.data_ptr(), a.data_ptr(), b.data_ptr()
    max_pivots = pivot_cap(num_rows, num_columns)

    def solver() -> Callable[[int, int], tuple[int, int]]:
        scratch = _scratch(num_rows, num_columns, cost.dtype)

        def solve_part(first: int, last: int) -> tuple[int, int]:
            return _kernel()(
                *addresses,
                *(batch, num_rows, num_columns, first, last, max_pivots, scratch.table, scratch.spare),
                *results,
            )

        return solve_part

    outcomes = in_parts(solver, batch, batch * num_rows * num_columns, num_threads)
    for status, problem in outcomes:
        if status != SOLVED:
            raise refusal(status, problem, Problems(host(cost).reshape(-1), host(a), host(b)), max_pivots)
    return results
