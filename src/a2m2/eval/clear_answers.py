"""Answers from scores that are the matcher's but for rounding: only those that rounding cannot have changed.

Scores that were computed beside other videos, with two videos in changed places, or on another device differ in their
last digits. So the first episodes are matched both ways, and an answer counts as clear where the best two classes of
a query are at least 64 times as far apart as the largest difference that was seen there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from a2m2.records import Episode

_SAMPLE = 8
"""Episodes that are matched both ways."""

_SAFETY = 64
_MOST_ROUNDING = 1e-4
"""Largest difference, as a share of the spread of the scores, that can be rounding."""


def clear_answers(
    scores: Float[np.ndarray, "episode query way"], tolerance: float
) -> list[tuple[int, ...] | None]:
    """For each episode the best class of every query, or None where one of them leads by no more than ``tolerance``."""
    first, second = np.moveaxis(-np.partition(-scores, 1)[..., :2], -1, 0)
    clear = (first - second > tolerance).all(-1).tolist()
    best = scores.argmax(-1).tolist()
    return [tuple(answers) if sure else None for answers, sure in zip(best, clear, strict=True)]


def tolerance_of(
    scores: Callable[[Sequence[Episode]], Float[np.ndarray, "episode query way"]],
    draw: Callable[[int], Episode],
    num_episodes: int,
    logits: Callable[[Episode], Float[np.ndarray, "query way"]],
    *,
    spread: float | None = None,
) -> float | None:
    """Least lead of a clear answer, or None where scores differ by more than rounding.

    Args:
        scores: those to be judged, of episodes.
        draw: gives episode i.
        num_episodes: how many there are.
        logits: an episode's scores as the matcher gives them.
        spread: from the smallest to the largest score; of the sample's when None.
    """
    sample = [draw(index) for index in range(min(_SAMPLE, num_episodes))]
    judged = scores(sample)
    differences = judged - np.stack([logits(episode) for episode in sample])
    spread = float(np.ptp(judged)) if spread is None else spread
    largest = max(float(np.abs(differences).max()), float(np.finfo(np.float32).eps) * spread)
    # Not a number is no rounding either.
    return _SAFETY * largest if largest <= _MOST_ROUNDING * spread else None
