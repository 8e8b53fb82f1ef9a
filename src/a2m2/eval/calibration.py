"""What confidences and scores are worth: expected calibration error, and the area under the ROC curve.

Both are pure functions of plain numbers and work without torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, *, num_bins: int = 10) -> float:
    """Mean distance between how sure the answers were and how often they were right.

        ECE = Σ_b (n_b / n) · |mean correct in b − mean confidence in b|

    over bins of equal width on [0, 1]; a bin takes its upper edge, the first also 0. Source: Guo et al., ICML 2017
    (arXiv 1706.04599), equation 3.

    Args:
        confidence: ``(answer,)`` probability that each answer claims to be right.
        correct: ``(answer,)`` whether it was.
        num_bins: number of bins.

    Raises:
        ValueError: no answer, other lengths, a confidence outside [0, 1], or no bin.
    """
    sure, right = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if sure.ndim != 1 or sure.shape != right.shape or not len(sure):
        raise ValueError(
            f"expected one confidence and one outcome an answer, got shapes {sure.shape} and {right.shape}"
        )
    if not ((sure >= 0) & (sure <= 1)).all():
        raise ValueError(f"expected confidences from 0 to 1, got {sure.min():g} to {sure.max():g}")
    if num_bins < 1:
        raise ValueError(f"expected num_bins >= 1, got {num_bins}")
    bins = np.clip(np.ceil(sure * num_bins).astype(int) - 1, 0, num_bins - 1)
    gaps = np.bincount(bins, weights=right - sure, minlength=num_bins)
    return float(np.abs(gaps).sum() / len(sure))


def area_under_roc(positive: ArrayLike, negative: ArrayLike) -> float:
    """How often a score of ``positive`` is above one of ``negative``, over all pairs; a tie counts half.

    The area under the curve of hits against false alarms: 1 where every positive lies above every negative, ½ where
    the scores say nothing.

    Raises:
        ValueError: one of them is empty, or holds what is not a number.
    """
    above, below = np.asarray(positive, np.float64).ravel(), np.asarray(negative, np.float64).ravel()
    if not len(above) or not len(below):
        raise ValueError(f"expected scores on both sides, got {len(above)} and {len(below)}")
    if np.isnan(above).any() or np.isnan(below).any():
        raise ValueError("expected scores that are numbers, got NaN")
    ordered = np.sort(below)
    smaller = np.searchsorted(ordered, above, side="left")
    not_larger = np.searchsorted(ordered, above, side="right")
    return float((smaller + not_larger).sum() / (2 * len(above) * len(below)))
