"""Slow loops for spotting, written from the definitions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def slow_suppress(
    starts: Sequence[float], ends: Sequence[float], scores: Sequence[float], overlap: float
) -> list[int]:
    """Non-maximum suppression: of the windows left, keep the best, drop what overlaps it, and again."""
    left = list(range(len(scores)))
    kept = []
    while left:
        best = left[0]
        for window in left:
            if scores[window] > scores[best]:
                best = window
        kept.append(best)
        remaining = []
        for window in left:
            if window == best:
                continue
            common = min(ends[best], ends[window]) - max(starts[best], starts[window])
            common = max(common, 0.0)
            union = (ends[best] - starts[best]) + (ends[window] - starts[window]) - common
            if common / union <= overlap:
                remaining.append(window)
        left = remaining
    return kept


def slow_counts(
    pairs: np.ndarray, labels: Sequence[int], calibrated: float, known: Sequence[float]
) -> tuple[np.ndarray, list[bool]]:
    """Ranks and which windows count, one number at a time."""
    num_windows, num_supports = pairs.shape
    num_classes = max(labels) + 1
    standing = np.zeros_like(pairs)
    for support in range(num_supports):
        column = sorted(pairs[:, support].tolist())
        half = num_windows // 2
        middle = column[half] if num_windows % 2 else (column[half - 1] + column[half]) / 2
        spread = sum(abs(value - middle) for value in column) / num_windows
        for window in range(num_windows):
            standing[window, support] = (pairs[window, support] - middle) / spread
    ranks = np.zeros((num_windows, num_classes))
    scores = np.zeros((num_windows, num_classes))
    for window in range(num_windows):
        for label in range(num_classes):
            members = [support for support in range(num_supports) if labels[support] == label]
            ranks[window, label] = sum(standing[window, support] for support in members) / len(members)
            scores[window, label] = sum(pairs[window, support] for support in members) / len(members)
    best = [max(row) for row in ranks.tolist()]
    middle = float(np.median(best))
    spread = 1.2533 * sum(abs(value - middle) for value in best) / len(best)
    counts = []
    for window in range(num_windows):
        label = int(np.argmax(ranks[window]))
        score = scores[window, label]
        stands_out = best[window] >= middle + 1.7 * spread and score >= calibrated
        sure = bool(known) and score >= max(calibrated, float(np.quantile(known, 0.75)))
        counts.append(bool(stands_out or sure))
    return ranks, counts
