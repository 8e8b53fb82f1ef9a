"""From the scores of many windows to a few segments: peaks and merging. Plain arrays, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from a2m2.recognition_records import Label
from a2m2.spotting.judging import Judgement
from a2m2.spotting_records import Segment

OVERLAP = 0.2
"""Temporal IoU above which the weaker of two windows is taken for the same action."""


def temporal_iou(
    start: float,
    end: float,
    starts: Float[np.ndarray, "window"],
    ends: Float[np.ndarray, "window"],
) -> Float[np.ndarray, "window"]:
    """Length that a stretch of time has in common with each window, over the length that either covers."""
    common = np.clip(np.minimum(end, ends) - np.maximum(start, starts), 0.0, None)
    either = (end - start) + (ends - starts) - common
    shares: Float[np.ndarray, "window"] = common / either
    return shares


def suppress(
    starts: Float[np.ndarray, "window"],
    ends: Float[np.ndarray, "window"],
    scores: Float[np.ndarray, "window"],
    *,
    overlap: float = OVERLAP,
) -> Int[np.ndarray, "kept"]:
    """Windows that no better kept window overlaps by more than ``overlap``, best first; of equals the first."""
    left = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(left):
        best = left[0]
        kept.append(int(best))
        left = left[1:]
        left = left[temporal_iou(starts[best], ends[best], starts[left], ends[left]) <= overlap]
    return np.array(kept, dtype=np.int64)


def find_segments(
    starts: Float[np.ndarray, "window"],
    ends: Float[np.ndarray, "window"],
    judgement: Judgement,
    probabilities: Float[np.ndarray, "window class"],
    *,
    classes: Sequence[Label],
    overlap: float = OVERLAP,
) -> tuple[Segment, ...]:
    """What the windows show, in order of time.

    Every window stands for its class of best rank; of those that count and overlap, the best stays, whatever their
    classes: a moment shows one action (our choice).
    """
    counted = np.flatnonzero(judgement.counts)
    best = judgement.ranks[counted].max(1, initial=-np.inf)
    kept = counted[suppress(starts[counted], ends[counted], best, overlap=overlap)]
    found = []
    for window in sorted(kept.tolist(), key=lambda window: (starts[window], ends[window])):
        label = int(judgement.ranks[window].argmax())
        segment = Segment(
            label=classes[label],
            start_seconds=float(starts[window]),
            end_seconds=float(ends[window]),
            score=float(judgement.scores[window, label]),
            probability=float(probabilities[window, label]),
        )
        found.append(segment)
    return tuple(found)


def merge(segments: Sequence[Segment], *, gap_seconds: float) -> tuple[Segment, ...]:
    """Segments of one class that follow each other within ``gap_seconds`` as one, with the better score of the two."""
    merged: list[Segment] = []
    for segment in segments:
        before = merged[-1] if merged else None
        if before is None or not _continues(before, segment, gap_seconds):
            merged.append(segment)
        else:
            better = max(before, segment, key=lambda one: one.score)
            end = max(before.end_seconds, segment.end_seconds)
            merged[-1] = replace(better, start_seconds=before.start_seconds, end_seconds=end)
    return tuple(merged)


def _continues(before: Segment, segment: Segment, gap_seconds: float) -> bool:
    return before.label == segment.label and segment.start_seconds - before.end_seconds <= gap_seconds
