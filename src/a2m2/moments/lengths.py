"""How long a descriptor is, and of which blocks it is made."""

from __future__ import annotations

from typing import Literal

from a2m2.moments.triangle import triu_length

Order = Literal["first", "second", "third", "brownian", "first+second"]
Root = Literal["newton_schulz", "log_euclidean", "cholesky", "none"]


def block_sizes(order: Order, channels: int, *, sketch_length: int) -> tuple[int, ...]:
    """Sizes of the blocks of a descriptor of ``channels`` calibrated channels.

    A block is centred and normalised alone, so the cosine of two descriptors is the mean of their blocks' cosines.

    Args:
        order: which statistic of a window.
        channels: after calibration, difference channels included.
        sketch_length: length of a sketched third moment; the others do without.
    """
    if order == "first":
        return (channels,)
    if order == "third":
        return (sketch_length,)
    if order == "first+second":
        return (channels, triu_length(channels))
    return (triu_length(channels),)
