"""A solved batch of transport problems: plans, values, potentials, and the evidence that they are optimal."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor


def _shape(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{tuple(tensor.shape)}"


@dataclass(frozen=True, eq=False, repr=False)
class Certificate:
    """How well each solution holds, measured in float64 before it is rounded to the dtype of the problem.

    By weak duality, a plan whose marginals are right and whose potentials leave no reduced cost negative
    costs at most ``gap`` more than any other plan.

    Attributes:
        marginal_error: ``(batch,)`` float64, largest ``|Σ_j x_ij - a_i|`` or ``|Σ_i x_ij - s·b_j|``, in units
            of mass, with ``s = Σa / Σb`` (1 up to rounding).
        least_reduced_cost: ``(batch,)`` float64, ``min (c_ij - u_i - v_j)`` over nodes of positive weight, in
            units of cost; 0 up to rounding.
        gap: ``(batch,)`` float64, ``|Σ c_ij x_ij - Σ a_i u_i - Σ s·b_j v_j|``, in units of cost times mass.
    """

    marginal_error: Float[Tensor, " batch"]
    least_reduced_cost: Float[Tensor, " batch"]
    gap: Float[Tensor, " batch"]

    def __repr__(self) -> str:
        batch = self.gap.shape[0]
        if batch == 0:
            return "Certificate(batch=0)"
        return (
            f"Certificate(batch={batch}, marginal_error<={self.marginal_error.max():.1e}, "
            f"least_reduced_cost>={self.least_reduced_cost.min():.1e}, gap<={self.gap.max():.1e})"
        )


@dataclass(frozen=True, eq=False, repr=False)
class TransportValues:
    """The optimal values of ``min Σ c_ij x_ij`` subject to ``x ≥ 0``, ``Σ_j x_ij = a_i``, ``Σ_i x_ij = b_j``.

    All tensors are constants (no gradient) on the device of the problem: ``rows + columns`` numbers a problem.

    Attributes:
        value: ``(batch,)``, ``Σ c_ij x_ij``.
        potentials: ``u (batch, rows)`` and ``v (batch, columns)``, optimal for the dual
            ``max Σ a_i u_i + Σ b_j v_j`` subject to ``u_i + v_j ≤ c_ij``. They are fixed only up to
            ``(+k, -k)``; here ``Σ a_i u_i = Σ b_j v_j`` (our choice: it treats rows and columns alike).
        certificate: the evidence.
        degenerate: ``(batch,)`` bool, an arc of the optimal tree carries no mass (1e-12 of the total or
            less) or a weight is zero: the potentials may not be unique, and the value then has a kink in
            ``a`` and ``b``.
        tied: ``(batch,)`` bool, an arc outside the tree has no reduced cost (2e-12 of the largest cost or
            less): the plan may not be unique, and the value then has a kink in ``cost``.
    """

    value: Float[Tensor, " batch"]
    potentials: tuple[Float[Tensor, "batch row"], Float[Tensor, "batch column"]]
    certificate: Certificate
    degenerate: Bool[Tensor, " batch"]
    tied: Bool[Tensor, " batch"]

    def __repr__(self) -> str:
        return f"TransportValues({self._summary()})"

    def _summary(self) -> str:
        u, v = self.potentials
        return (
            f"value={_shape(self.value)}, potentials=({_shape(u)}, {_shape(v)}), "
            f"degenerate={int(self.degenerate.sum())}, tied={int(self.tied.sum())}"
        )


@dataclass(frozen=True, eq=False, repr=False)
class TransportPlan(TransportValues):
    """The values, the optimal plans they belong to, and the problems as they were given.

    At most ``rows + columns - 1`` entries of a plan are non-zero.

    Attributes:
        cost: ``(batch, rows, columns)``.
        a: ``(batch, rows)``.
        b: ``(batch, columns)``.
        plan: ``(batch, rows, columns)``, the optimal ``x``.
    """

    cost: Float[Tensor, "batch row column"]
    a: Float[Tensor, "batch row"]
    b: Float[Tensor, "batch column"]
    plan: Float[Tensor, "batch row column"]

    def __repr__(self) -> str:
        return f"TransportPlan(plan={_shape(self.plan)}, {self._summary()})"
