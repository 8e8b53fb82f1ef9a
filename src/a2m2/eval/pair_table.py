"""Scores of all pairs of videos at once: what many episodes on few videos come down to.

A matcher whose score for a class is the mean over its support videos of a score of two videos (``mean_of_pairs``) needs
no more than one table. Episodes are then looked up in it: 10,000 episodes of 720 videos ask for 250,000 to 1,250,000
pairs, of which only 518,400 differ, or half of them where two videos have one score either way.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from a2m2.eval.threads import map_in_threads
from a2m2.matching import Matcher
from a2m2.records import Episode
from a2m2.structures import Descriptors

_BLOCK = 16
_EPISODES = 1000
"""Episodes looked up at a time."""


def pair_scores(
    matcher: Matcher,
    descriptors: Descriptors,
    *,
    num_threads: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Float[np.ndarray, "query support"]:
    """Score of every video as query against every video as only support of a class.

    Raises:
        ValueError: a matcher that is not a mean of pairs.
    """
    if not matcher.mean_of_pairs:
        raise ValueError(
            f"expected a matcher whose scores are means over pairs, got {type(matcher).__name__}"
        )
    number = len(descriptors)
    every = torch.arange(number)

    def score(start: int) -> torch.Tensor:
        """Scores of a block of queries; what an earlier block knows already is left out."""
        first = start if matcher.symmetric else 0
        with torch.inference_mode():
            support, query = descriptors[every[first:]], descriptors[every[start : start + _BLOCK]]
            return matcher(support, every[: number - first], query, num_classes=number - first).logits

    table = np.empty((number, number))
    starts = range(0, number, _BLOCK)
    for start, block in zip(starts, map_in_threads(score, starts, num_threads=num_threads), strict=True):
        stop = start + len(block)
        table[start:stop, number - block.shape[1] :] = block
        if matcher.symmetric:
            table[start:, start:stop] = block.T
        if progress is not None:
            progress(stop, number)
    return table


def episode_accuracies(
    table: Float[np.ndarray, "query support"], episodes: Iterable[Episode]
) -> NDArray[np.float64]:
    """Share of queries in each episode whose best class is their own; all of one way, shot and query."""
    stream = iter(episodes)
    parts = []
    while chunk := list(itertools.islice(stream, _EPISODES)):
        support = np.array([episode.support for episode in chunk])
        query = np.array([episode.query for episode in chunk])
        number, way, num_query = query.shape
        scores = table[query.reshape(number, -1, 1), support.reshape(number, 1, -1)]
        answers = scores.reshape(number, way * num_query, way, -1).mean(-1).argmax(-1)
        parts.append((answers == np.repeat(np.arange(way), num_query)).mean(-1))
    return np.concatenate(parts)
