"""Which windows count: what enrolling has shown, corrected by what the recording itself looks like. Without torch.

A threshold that whole clips have set is too low for a recording: of thousands of windows cut anywhere, the best that
show nothing score as high as clips of an enrolled action. But most windows show nothing that is enrolled, so how each
enrolled clip scores against all of them says what nothing looks like to that clip, in this recording. No label of the
recording is used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

SPREADS = 1.7
"""Spreads above the middle from which a window stands out; chosen on classes of the split val."""
SURE = 0.75
"""Share of the left-out clips that score lower than a window that needs not stand out; chosen likewise."""
FEWEST = 200
"""Windows, about half a minute of them, below which a recording says nothing about itself."""

_NORMAL = 1.2533
"""From a mean absolute deviation to the standard deviation of a normal distribution."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """What is made of the windows of a recording.

    Attributes:
        scores: of each window for each class, the recogniser's.
        ranks: likewise, in the units in which windows are compared with each other.
        counts: whether a window shows its class of best rank.
    """

    scores: Float[np.ndarray, "window class"]
    ranks: Float[np.ndarray, "window class"]
    counts: Bool[np.ndarray, "window"]


def judge(
    pairs: Float[np.ndarray, "window support"],
    labels: Int[np.ndarray, "support"],
    *,
    calibrated: float,
    known: Float[np.ndarray, "known"],
    threshold: float | None = None,
    background: Float[np.ndarray, "past support"] | None = None,
) -> Judgement:
    """Which windows count (our choice).

    The rank of a window for a class is the mean over the class's clips of (score − median) / mean absolute deviation,
    both over all windows of the recording. A window counts

    * when its best rank lies 1.7 spreads (of 1.2533 mean absolute deviations) above the median of all best ranks, and
      its score is not below the recogniser's threshold; or
    * when it scores higher than three of four enrolled clips that were left out: a recording of nothing but enrolled
      actions must not hide them all.

    With fewer than 200 windows to compare with, ranks are scores, and the recogniser's threshold decides alone.

    Args:
        pairs: score of each window for each enrolled clip.
        labels: class of each enrolled clip, from 0.
        calibrated: the recogniser's threshold for clips.
        known: best scores of enrolled clips that were left out; may be empty.
        threshold: instead of all this, the score from which a window counts.
        background: windows to compare with where they are not the same ones, such as those of the last minutes.
    """
    compared = pairs if background is None else background
    scores = class_means(pairs, labels)
    speaks = len(compared) >= FEWEST
    ranks = class_means(_standing(pairs, compared), labels) if speaks else scores
    rows = np.arange(len(pairs))
    score = scores[rows, ranks.argmax(1)] if len(pairs) else np.zeros(0)
    if threshold is not None:
        return Judgement(scores, ranks, score >= threshold)
    if not speaks:
        return Judgement(scores, ranks, score >= calibrated)
    everywhere = class_means(_standing(compared, compared), labels).max(1)
    middle = np.median(everywhere)
    # Not the median deviation: it is 0 where most of a recording is a still picture.
    spread = _NORMAL * np.abs(everywhere - middle).mean()
    counts = (ranks.max(1, initial=-np.inf) >= middle + SPREADS * spread) & (score >= calibrated)
    if len(known):
        counts |= score >= max(calibrated, float(np.quantile(known, SURE)))
    return Judgement(scores, ranks, counts)


def class_means(
    values: Float[np.ndarray, "window support"], labels: Int[np.ndarray, "support"]
) -> Float[np.ndarray, "window class"]:
    """Mean over the clips of each class."""
    columns = [values[:, labels == label].mean(1) for label in range(int(labels.max()) + 1)]
    return np.stack(columns, axis=1)


def _standing(
    pairs: Float[np.ndarray, "window support"], compared: Float[np.ndarray, "past support"]
) -> Float[np.ndarray, "window support"]:
    """How far each window stands above the others in the eyes of each enrolled clip."""
    middle = np.median(compared, axis=0)
    spread = np.abs(compared - middle).mean(0)
    standing: Float[np.ndarray, "window support"] = (pairs - middle) / np.maximum(spread, 1e-9)
    return standing
