"""Exact optimal transport for very many small problems, batched and differentiable.

:func:`solve` gives plans with potentials and a certificate of optimality, :func:`solve_values` the same without
plans; :func:`emd` gives the distance with its gradient, :func:`emd_with_plan` also the solution it comes from. The
solver is a primal network simplex compiled by Numba; it depends on nothing else of this package. Problems
that are on a GPU already: :mod:`a2m2.ot.cuda`.
"""

from a2m2.ot.differentiable import emd, emd_with_plan
from a2m2.ot.errors import TransportError, UncertifiedError
from a2m2.ot.plan import Certificate, TransportPlan, TransportValues
from a2m2.ot.solver import solve, solve_values
from a2m2.ot.within import NearPlan, emd_within, solve_within

__all__ = [
    "Certificate",
    "NearPlan",
    "TransportError",
    "TransportPlan",
    "TransportValues",
    "UncertifiedError",
    "emd",
    "emd_with_plan",
    "emd_within",
    "solve",
    "solve_values",
    "solve_within",
]
