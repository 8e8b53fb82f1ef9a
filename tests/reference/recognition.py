"""What a recogniser computes as slow loops, one clip and one pair at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np


def calibration_error(confidence: Sequence[float], correct: Sequence[bool], num_bins: int) -> float:
    """Σ_b (n_b / n) |accuracy of b − mean confidence of b|, bins (lower, upper], the first with 0."""
    total = 0.0
    for index in range(num_bins):
        lower, upper = index / num_bins, (index + 1) / num_bins
        members = [
            (sure, right)
            for sure, right in zip(confidence, correct, strict=True)
            if lower < sure <= upper or (index == 0 and sure == 0)
        ]
        if members:
            gap = sum(right for _, right in members) / len(members) - sum(s for s, _ in members) / len(
                members
            )
            total += len(members) / len(confidence) * abs(gap)
    return total


def area_under_roc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Share of pairs in the right order, ties counted half."""
    wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    return wins / (len(positive) * len(negative))


def left_out_scores(
    table: np.ndarray, labels: Sequence[int], contents: Sequence[str], num_classes: int
) -> np.ndarray:
    """Mean over the other clips of each class; clips of the same content are left out together."""
    scores = np.full((len(table), num_classes), np.nan)
    for clip in range(len(table)):
        for label in range(num_classes):
            others = [
                table[clip, other]
                for other in range(len(table))
                if labels[other] == label and contents[other] != contents[clip]
            ]
            if others:
                scores[clip, label] = sum(others) / len(others)
    return scores


def sharpness_loss(
    scores: np.ndarray, labels: Sequence[int], sharpness: float, expected: float, spread: float
) -> float:
    """Negative logarithm of the labels' likelihood and of a log-normal prior around ``expected``."""
    loss = (math.log(sharpness / expected) / spread) ** 2 / 2
    for row, label in zip(scores, labels, strict=True):
        loss += math.log(sum(math.exp(sharpness * score) for score in row)) - sharpness * row[label]
    return loss


def error_shares(threshold: float, known: Sequence[float], unknown: Sequence[float]) -> tuple[float, float]:
    """Share of known ones below the threshold and of unknown ones above it, each side taken as normal."""

    def normal(values: Sequence[float]) -> NormalDist:
        mean = sum(values) / len(values)
        return NormalDist(mean, math.sqrt(sum((value - mean) ** 2 for value in values) / len(values)))

    return normal(known).cdf(threshold), 1 - normal(unknown).cdf(threshold)
