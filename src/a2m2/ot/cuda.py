"""The solver on a GPU: a CUDA kernel, one warp a problem, for very many small problems whose costs are there already.

Problems, conventions, errors and results are those of :func:`a2m2.ot.solve`; so are the pivoting rules and the
certificate, in float64. Which of several optimal plans comes back may differ. Nothing but the status of the problems
is copied to the host. It needs Numba's CUDA target (extra ``cuda``), which is imported with the first call; nothing
else of this package calls it.
"""

from __future__ import annotations

import functools
import warnings
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from a2m2.ot.errors import GpuError
from a2m2.ot.kernel import SOLVED, Problems
from a2m2.ot.plan import DeviceResults, TransportPlan, TransportValues
from a2m2.ot.refusals import check_form, refusal
from a2m2.ot.solver import DTYPES, constant, host, pivot_cap

SHARED_BYTES = 48 * 1024
"""Shared memory that a block may ask for on every GPU that CUDA knows."""

LARGEST_SIDE = 128
"""Most rows, and most columns: the place of a cost has 14 bits."""

FEW_REGISTERS = 64
"""Registers of a thread that leave an SM room for 32 warps, as many as it holds blocks (our choice: see
``python -m a2m2.bench.ot_gpu``). Large problems have no limit, for shared memory leaves room for fewer."""


def solve(
    cost: Float[Tensor, "batch row column"], a: Float[Tensor, "batch row"], b: Float[Tensor, "batch column"]
) -> TransportPlan:
    """As :func:`a2m2.ot.solve`, for tensors on a GPU; the results are tensors there.

    The kernel runs on PyTorch's current stream; the call waits for it, to see that all problems were solved. The plans
    take as much memory as the costs, everything else ``8 (rows + columns + 4)`` bytes a problem or less. Costs that are
    not contiguous are copied.

    Args:
        cost: ``(batch, row, column)``, finite, of any sign. A problem has to fit into 48 KiB of shared memory
            (:func:`fits`): up to 85 by 85 in float32 and 64 by 64 in float64.
        a: ``(batch, row)``.
        b: ``(batch, column)``.

    Raises:
        GpuError: tensors on another device, problems that are too large, no CUDA target of Numba.
        TransportError: what :func:`a2m2.ot.solve` refuses.
        UncertifiedError: the number of pivots reached its cap.
    """
    return TransportPlan(_solve(cost, a, b, with_plan=True), constant(cost), constant(a), constant(b))


def solve_values(
    cost: Float[Tensor, "batch row column"], a: Float[Tensor, "batch row"], b: Float[Tensor, "batch column"]
) -> TransportValues:
    """As :func:`solve`, without plans: nothing the size of the costs is made beside a contiguous copy."""
    return TransportValues(_solve(cost, a, b, with_plan=False), cost.device)


def fits(rows: int, columns: int, dtype: torch.dtype = torch.float32) -> bool:
    """Whether problems of this size can be solved here."""
    return max(rows, columns) <= LARGEST_SIDE and shared_bytes(rows, columns, dtype) <= SHARED_BYTES


def shared_bytes(rows: int, columns: int, dtype: torch.dtype) -> int:
    """Shared memory that a problem takes."""
    size: int = _kernels().room_for(rows, columns).bytes(rows, DTYPES[dtype].itemsize)
    return size


def registers_for(rows: int, columns: int) -> int | None:
    """Most registers of a thread; None for no limit."""
    return FEW_REGISTERS if rows + columns <= 2 * 32 else None


def kernel_for(rows: int, columns: int, dtype: torch.dtype, max_registers: int | None) -> Any:
    """The kernel of Numba for problems of this size; the first call with it compiles it."""
    kernels = _kernels()
    return kernels.kernel_for(DTYPES[dtype], kernels.room_for(rows, columns), max_registers)


@functools.cache
def _kernels() -> ModuleType:
    try:
        from a2m2.ot import warp_kernel
    except ImportError as error:
        raise GpuError(
            f"solving on a GPU needs Numba's CUDA target ({error}); install it with pip install 'a2m2[cuda]'"
        ) from None
    return warp_kernel


def _solve(cost: Tensor, a: Tensor, b: Tensor, *, with_plan: bool) -> DeviceResults:
    check_form(cost, a, b, None)
    batch, num_rows, num_columns = cost.shape
    _check_place(cost)
    if not fits(num_rows, num_columns, cost.dtype):
        raise GpuError(
            f"expected problems that fit into {SHARED_BYTES // 1024} KiB of shared memory, up to 85 by 85 in float32 "
            f"and 64 by 64 in float64, got {num_rows} by {num_columns} in {cost.dtype}; solve them on the host: "
            "a2m2.ot.solve"
        )
    cost, a, b = (tensor.detach().contiguous().resolve_neg() for tensor in (cost, a, b))
    flat = cost.view(-1)
    results = DeviceResults(
        plan=cost.new_zeros(cost.shape if with_plan else (batch, 0, 0)),
        value=cost.new_empty(batch),
        u=torch.empty_like(a),
        v=torch.empty_like(b),
        evidence=cost.new_empty((3, batch), dtype=torch.float64),
        flags=cost.new_empty((2, batch), dtype=torch.uint8),
    )
    status = cost.new_empty(batch, dtype=torch.uint8)
    max_pivots = pivot_cap(num_rows, num_columns)
    if batch:
        kernel = kernel_for(num_rows, num_columns, cost.dtype, registers_for(num_rows, num_columns))
        launch((flat, a, b), results, status, max_pivots, with_plan=with_plan, kernel=kernel)
        unsolved = torch.nonzero(status != SOLVED)
        if len(unsolved):
            problem = int(unsolved[0])
            problems = Problems(host(flat), host(a), host(b))
            raise refusal(int(status[problem]), problem, problems, max_pivots)
    return results._replace(flags=results.flags.view(torch.bool))


def launch(
    inputs: tuple[Tensor, Tensor, Tensor],
    results: DeviceResults,
    status: Tensor,
    max_pivots: int,
    *,
    with_plan: bool,
    kernel: Any,
) -> None:
    """Start a kernel on PyTorch's current stream and do not wait for it.

    Args:
        inputs: costs, flat, and both weights, contiguous.
        results: where they go; plans are zero.
        status: ``(batch,)`` uint8, where :data:`a2m2.ot.kernel.SOLVED` or why not goes.
        max_pivots: after which a problem is given up.
        with_plan: whether plans are wanted.
        kernel: of :func:`kernel_for`.

    Raises:
        GpuError: Numba and other packages do not go together.
    """
    cost, a, b = inputs
    room = _kernels().room_for(a.shape[1], b.shape[1])
    plan = results.plan.view(-1) if with_plan else results.value
    arrays = [_shared(tensor) for tensor in (cost, a, b, plan, *results[1:], status)]
    costs_bytes = a.shape[1] * room.stride * cost.element_size()
    with warnings.catch_warnings():
        # Few problems leave most of a GPU idle; that is the caller's business.
        warnings.filterwarnings("ignore", message=".*under-utilization.*")
        try:
            kernel[len(status), 32, _stream(cost), costs_bytes](
                *arrays[:3], max_pivots, arrays[3], with_plan, *arrays[4:]
            )
        except AttributeError as error:
            raise GpuError(
                f"Numba's CUDA target does not go with what else is installed ({error}); pip install 'a2m2[cuda]' "
                "takes versions that do"
            ) from error


def _check_place(cost: Tensor) -> None:
    from_simulator = _simulated()
    if cost.is_cuda == from_simulator:
        expected = "the host, for Numba's simulator is on" if from_simulator else "a CUDA device"
        raise GpuError(f"expected tensors on {expected}, got {cost.device}; move them, or call a2m2.ot.solve")
    if cost.is_cuda:
        from numba import cuda

        try:
            with torch.cuda.device(cost.device):
                current = cuda.get_current_device().id
        except cuda.CudaSupportError as error:
            raise GpuError(f"Numba finds no GPU where PyTorch does ({error}); see numba -s") from None
        if current != cost.device.index:
            raise GpuError(
                f"expected tensors on cuda:{current}, the GPU that Numba uses in this thread, got {cost.device}; "
                f"call numba.cuda.select_device({cost.device.index}) in it before"
            )


def _simulated() -> bool:
    _kernels()
    from a2m2.ot.warp import SIMULATED

    return SIMULATED


def _shared(tensor: Tensor) -> Any:
    """The tensor's memory as Numba takes it, on the host for the simulator."""
    if not tensor.is_cuda:
        return tensor.numpy()
    from numba import cuda

    return cuda.as_cuda_array(tensor, sync=False)


def _stream(tensor: Tensor) -> Any:
    if not tensor.is_cuda:
        return 0
    from numba import cuda

    number = torch.cuda.current_stream(tensor.device).cuda_stream
    return cuda.external_stream(number) if number else 0
