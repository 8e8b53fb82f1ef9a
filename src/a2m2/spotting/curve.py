"""Scores along a recording, thinned to what a picture can show."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from a2m2.spotting_records import Curve

MOMENTS = 600
"""Most moments of a curve."""
_FINEST_SECONDS = 0.25


def score_curve(
    middles: Float[np.ndarray, "window"],
    scores: Float[np.ndarray, "window class"],
    *,
    duration_seconds: float,
) -> Curve:
    """Of the windows whose middle lies around each moment, the best score of each class."""
    number = max(1, min(MOMENTS, round(duration_seconds / _FINEST_SECONDS)))
    step = duration_seconds / number
    best = np.full((number, scores.shape[1]), -np.inf)
    if len(scores):
        moments = np.clip((middles / step).astype(np.int64), 0, number - 1)
        np.maximum.at(best, moments, scores)
    return Curve(
        seconds=tuple(((np.arange(number) + 0.5) * step).tolist()),
        scores=tuple(
            tuple(score if np.isfinite(score) else None for score in column) for column in best.T.tolist()
        ),
    )
