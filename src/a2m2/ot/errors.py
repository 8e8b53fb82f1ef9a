"""What the solver refuses."""

from __future__ import annotations


class TransportError(ValueError):
    """A transport problem that cannot be solved as given; the message says what was expected and what came.

    It is the base of all errors of this room.
    """


class UncertifiedError(TransportError):
    """A problem for which the pivots ran out before optimality was proved; no plan is returned for it."""


class GpuError(TransportError):
    """A batch that cannot be solved on a GPU: the place, the size, or something that is not installed."""
