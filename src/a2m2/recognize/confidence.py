"""From scores to probabilities, and when to answer "unknown": two numbers, calibrated on left-out clips.

Probabilities are softmax(β · score): β, the sharpness, is the likeliest one given the left-out clips and what other
classes have shown about it. The threshold lies where a clip of an enrolled class and one of a class that is not
enrolled are refused and let in equally often, as far as the left-out scores tell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import brentq
from scipy.special import softmax

_SHARPNESS_RANGE = (1e-3, 1e3)
_SPREAD = 0.5
"""Standard deviation of log β around what is expected; chosen on validation classes."""
_FEWEST = 4
"""Scores on either side below which a threshold is not calibrated."""


@dataclass(frozen=True)
class Confidence:
    """How scores become probabilities and refusals.

    Attributes:
        sharpness: β, factor of the scores in the softmax.
        threshold: best scores below it are answered "unknown".
        calibrated: whether both come from left-out clips; else they are the shipped defaults.
    """

    sharpness: float
    threshold: float
    calibrated: bool


@dataclass(frozen=True)
class DefaultConfidence:
    """What stands in for a calibration where there are too few clips for one.

    Attributes:
        sharpness, threshold: for scores of temperature 1.
    """

    sharpness: float
    threshold: float

    def at(self, temperature: float) -> Confidence:
        """For scores of temperature τ, which are τ times as large as 1 − EMD."""
        return Confidence(self.sharpness / temperature, self.threshold * temperature, calibrated=False)


def expected_sharpness(default: Confidence, labels: Int[np.ndarray, "clip"]) -> float:
    """β to expect of left-out clips: a score is a mean over a class's other clips, so its noise falls with their root.

    Args:
        default: for one clip a class.
        labels: class of every enrolled clip, from 0.
    """
    others = len(labels) / (int(labels.max()) + 1) - 1
    return default.sharpness * max(others, 1.0) ** 0.5


FROZEN_DEFAULT = DefaultConfidence(12.5, 0.2)
"""Best for one clip a class with motion filters, over all tasks of ``python -m a2m2.bench.recognition``."""

TRAINED_DEFAULT = DefaultConfidence(22.0, 0.43)
"""Likewise with a trained network without a cohort, over validation classes of sets and sequences."""

COHORT_DEFAULT = DefaultConfidence(30.0, 0.06)
"""Likewise with the shipped network and scores relative to its cohort: about the median of what is best for validation
classes of sets, permuted sets, sequences and figures, 17 to 39."""


def probabilities(
    scores: Float[np.ndarray, "clip class"], sharpness: float
) -> Float[np.ndarray, "clip class"]:
    """softmax(β · score) over the classes."""
    chances: Float[np.ndarray, "clip class"] = softmax(sharpness * scores, axis=1)
    return chances


def fit_sharpness(
    scores: Float[np.ndarray, "clip class"], labels: Int[np.ndarray, "clip"], *, expected: float | None
) -> float:
    """The likeliest β: that of the labels' likelihood times a log-normal prior around what is expected.

    A handful of clips that are all right would claim certainty without a prior, and one mistake among them chance.
    Outside 0.001 … 1000 the nearer end is taken.

    Args:
        scores: at least one clip and two classes.
        labels: their classes.
        expected: median of the prior; None for none, where clips are many.
    """
    wanted = float(scores[np.arange(len(labels)), labels].sum())

    def slope(log_sharpness: float) -> float:
        """Of the negative logarithm of both."""
        sharpness = float(np.exp(log_sharpness))
        likelihood = sharpness * (float((probabilities(scores, sharpness) * scores).sum()) - wanted)
        prior = 0.0 if expected is None else (log_sharpness - float(np.log(expected))) / _SPREAD**2
        return likelihood + prior

    low, high = np.log(_SHARPNESS_RANGE)
    if slope(low) >= 0:
        return _SHARPNESS_RANGE[0]
    if slope(high) <= 0:
        return _SHARPNESS_RANGE[1]
    return float(np.exp(brentq(slope, low, high, xtol=1e-10)))


def fit_threshold(known: Float[np.ndarray, "known"], unknown: Float[np.ndarray, "unknown"]) -> float:
    """The score with equal shares of two normal distributions beyond it: known ones below, unknown ones above.

        (μ_known · σ_unknown + μ_unknown · σ_known) / (σ_known + σ_unknown)

    Two means and two spreads are about what a handful of scores can tell; counting errors is not (our choice).
    """
    spread_known, spread_unknown = float(known.std()), float(unknown.std())
    total = spread_known + spread_unknown
    if total == 0:
        return float(known.mean() + unknown.mean()) / 2
    return float(known.mean() * spread_unknown + unknown.mean() * spread_known) / total


def calibrate(
    scores: Float[np.ndarray, "clip class"],
    labels: Int[np.ndarray, "clip"],
    known: Float[np.ndarray, "known"],
    unknown: Float[np.ndarray, "unknown"],
    *,
    default: Confidence,
    expected: float,
) -> Confidence:
    """Sharpness and threshold from left-out clips, or the defaults where there are too few.

    Args:
        scores: of clips that could be left out, for every class.
        labels: their classes.
        known: their best scores.
        unknown: best scores of clips whose class was left out.
        default: where there are fewer than four scores on either side.
        expected: sharpness, see :func:`expected_sharpness`.
    """
    if min(len(known), len(unknown)) < _FEWEST:
        return default
    sharpness = fit_sharpness(scores, labels, expected=expected)
    return Confidence(sharpness, fit_threshold(known, unknown), calibrated=True)
