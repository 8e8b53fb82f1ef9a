"""Figures over repeats of a run, such as training seeds, and over many comparisons. No torch.

Two kinds of luck are kept apart. The interval over *episodes* is that of :func:`a2m2.eval.stats.mean_interval` on the
mean of the repeats, episode by episode: it says how well these tasks are known. The interval over *repeats* is
Student's, of their means: it says what another training would give, and with three of them it is wide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from a2m2.eval.stats import mean_interval


@dataclass(frozen=True)
class RepeatedFigure:
    """A mean over episodes and repeats.

    Attributes:
        mean: over both.
        interval95: half-width over episodes, repeats averaged first.
        repeats: the mean of each repeat.
        repeats95: half-width over repeats (Student's t); 0 for a single one, which says nothing.
        episodes: number of episodes.
    """

    mean: float
    interval95: float
    repeats: tuple[float, ...]
    repeats95: float
    episodes: int


def over_repeats(values: Sequence[ArrayLike]) -> RepeatedFigure:
    """The figure of one value an episode, given once for each repeat over the same number of episodes.

    Raises:
        ValueError: no repeat, or repeats of different lengths.
    """
    arrays = [np.asarray(value, dtype=np.float64) for value in values]
    if not arrays or any(array.shape != arrays[0].shape for array in arrays):
        raise ValueError(
            f"expected repeats over the same episodes, got shapes {[array.shape for array in arrays]}"
        )
    mean, interval = mean_interval(np.mean(arrays, axis=0))
    means = tuple(float(array.mean()) for array in arrays)
    return RepeatedFigure(mean, interval, means, _student95(means), len(arrays[0]))


def _student95(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    quantile = float(stats.t.ppf(0.975, len(values) - 1))
    return quantile * float(np.std(values, ddof=1)) / math.sqrt(len(values))


def p_value(mean: float, interval95: float) -> float:
    """Two-sided probability of a mean at least as far from 0, given the half-width of its 95 % interval (normal).

    A mean without spread is certain: 0, or 1 when the mean itself is 0.
    """
    if interval95 == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stats.norm.sf(abs(mean) / (interval95 / 1.96)))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p values of a family of comparisons (Holm 1979): below α they hold together at level α.

    The i-th smallest of m is multiplied by m − i + 1; no adjusted value lies below that of a smaller one, none above 1.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return tuple(adjusted)


def growth(first: RepeatedFigure, last: RepeatedFigure) -> tuple[float, float]:
    """``last − first`` of two figures over different episodes, and its 95 % half-width (√ of the sum of squares)."""
    return last.mean - first.mean, math.hypot(first.interval95, last.interval95)
