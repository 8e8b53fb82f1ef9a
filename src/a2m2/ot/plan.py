"""A solved batch of transport problems: plans, values, potentials, and the evidence that they are optimal.

The tensors share the memory of the kernel's results and are made when they are asked for: a caller that wants values
alone does not pay for ten others.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from a2m2.ot.kernel import Results


def _shape(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{tuple(tensor.shape)}"


class DeviceResults(NamedTuple):
    """:class:`a2m2.ot.kernel.Results` in the memory of another device."""

    plan: Tensor
    value: Tensor
    u: Tensor
    v: Tensor
    evidence: Tensor
    flags: Tensor


class _Lazy:
    """Results in host memory, to be read as tensors on ``device``; or there already."""

    def __init__(self, results: Results | DeviceResults, device: torch.device) -> None:
        self._results, self._device = results, device

    def _tensor(self, array: NDArray[Any] | Tensor) -> Tensor:
        if isinstance(array, Tensor):
            return array
        if torch.is_inference_mode_enabled():
            # A tensor that is made in this mode could not take part in a backward pass outside of it.
            with torch.inference_mode(False):
                return torch.from_numpy(array).to(self._device)
        tensor = torch.from_numpy(array)
        return tensor if self._device.type == "cpu" else tensor.to(self._device)


class Certificate(_Lazy):
    """How well each solution holds, measured in float64 before it is rounded to the dtype of the problem.

    By weak duality, a plan whose marginals are right and whose potentials leave no reduced cost negative
    costs at most ``gap`` more than any other plan.
    """

    @cached_property
    def marginal_error(self) -> Float[Tensor, " batch"]:
        """``(batch,)`` float64, largest ``|Σ_j x_ij - a_i|`` or ``|Σ_i x_ij - s·b_j|``, in units of mass.

        Here ``s = Σa / Σb``, which is 1 up to rounding.
        """
        return self._tensor(self._results.evidence[0])

    @cached_property
    def least_reduced_cost(self) -> Float[Tensor, " batch"]:
        """``(batch,)`` float64, ``min (c_ij - u_i - v_j)`` over nodes of positive weight, in units of cost.

        It is 0 up to rounding.
        """
        return self._tensor(self._results.evidence[1])

    @cached_property
    def gap(self) -> Float[Tensor, " batch"]:
        """``(batch,)`` float64, ``|Σ c_ij x_ij - Σ a_i u_i - Σ s·b_j v_j|``, in units of cost times mass."""
        return self._tensor(self._results.evidence[2])

    def __repr__(self) -> str:
        batch = self.gap.shape[0]
        if batch == 0:
            return "Certificate(batch=0)"
        return (
            f"Certificate(batch={batch}, marginal_error<={self.marginal_error.max():.1e}, "
            f"least_reduced_cost>={self.least_reduced_cost.min():.1e}, gap<={self.gap.max():.1e})"
        )


class TransportValues(_Lazy):
    """The optimal values of ``min Σ c_ij x_ij`` subject to ``x ≥ 0``, ``Σ_j x_ij = a_i``, ``Σ_i x_ij = b_j``.

    All tensors are constants (no gradient) on the device of the problem: ``rows + columns`` numbers a problem.
    """

    @cached_property
    def value(self) -> Float[Tensor, " batch"]:
        """``(batch,)``, ``Σ c_ij x_ij``."""
        return self._tensor(self._results.value)

    @cached_property
    def potentials(self) -> tuple[Float[Tensor, "batch row"], Float[Tensor, "batch column"]]:
        """``u (batch, rows)`` and ``v (batch, columns)``, optimal for the dual.

        The dual is ``max Σ a_i u_i + Σ b_j v_j`` subject to ``u_i + v_j ≤ c_ij``. They are fixed only up to
        ``(+k, -k)``; here ``Σ a_i u_i = Σ b_j v_j`` (our choice: it treats rows and columns alike).
        """
        return self._tensor(self._results.u), self._tensor(self._results.v)

    @cached_property
    def certificate(self) -> Certificate:
        """The evidence."""
        return Certificate(self._results, self._device)

    @cached_property
    def degenerate(self) -> Bool[Tensor, " batch"]:
        """``(batch,)``: an arc of the optimal tree carries no mass (1e-12 of the total or less) or a weight is zero.

        The potentials may then not be unique, and the value has a kink in ``a`` and ``b``.
        """
        return self._tensor(self._results.flags[0])

    @cached_property
    def tied(self) -> Bool[Tensor, " batch"]:
        """``(batch,)``: an arc outside the tree has no reduced cost (2e-12 of the largest cost or less).

        The plan may then not be unique, and the value has a kink in ``cost``.
        """
        return self._tensor(self._results.flags[1])

    def __repr__(self) -> str:
        return f"TransportValues({self._summary()})"

    def _summary(self) -> str:
        u, v = self.potentials
        return (
            f"value={_shape(self.value)}, potentials=({_shape(u)}, {_shape(v)}), "
            f"degenerate={int(self.degenerate.sum())}, tied={int(self.tied.sum())}"
        )


class TransportPlan(TransportValues):
    """The values, the optimal plans they belong to, and the problems as they were given.

    Attributes:
        cost: ``(batch, rows, columns)``.
        a: ``(batch, rows)``.
        b: ``(batch, columns)``.
    """

    def __init__(self, results: Results | DeviceResults, cost: Tensor, a: Tensor, b: Tensor) -> None:
        super().__init__(results, cost.device)
        self.cost: Float[Tensor, "batch row column"] = cost
        self.a: Float[Tensor, "batch row"] = a
        self.b: Float[Tensor, "batch column"] = b

    @cached_property
    def plan(self) -> Float[Tensor, "batch row column"]:
        """``(batch, rows, columns)``, the optimal ``x``: at most ``rows + columns - 1`` entries are not zero."""
        return self._tensor(self._results.plan)

    def __repr__(self) -> str:
        return f"TransportPlan(plan={_shape(self.plan)}, {self._summary()})"
