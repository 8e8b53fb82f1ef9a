"""Scores of all pairs of videos at once: what many episodes on few videos come down to.

A matcher whose score for a class is the mean over its support videos of a score of two videos (``mean_of_pairs``) needs
no more than one table. Episodes are then looked up in it: 10,000 episodes of 720 videos ask for 250,000 to 1,250,000
pairs, of which only 518,400 differ.
"""

from __future__ import annotations

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
        with torch.inference_mode():
            query = descriptors[every[start : start + _BLOCK]]
            return matcher(descriptors, every, query, num_classes=number).logits

    rows: list[torch.Tensor] = []
    for block in map_in_threads(score, range(0, number, _BLOCK), num_threads=num_threads):
        rows.append(block)
        if progress is not None:
            progress(sum(map(len, rows)), number)
    return torch.cat(rows).double().numpy()


def episode_accuracies(
    table: Float[np.ndarray, "query support"], episodes: Iterable[Episode]
) -> NDArray[np.float64]:
    """Share of queries in each episode whose best class is their own."""
    return np.array([_accuracy(table, episode) for episode in episodes])


def _accuracy(table: NDArray[np.float64], episode: Episode) -> float:
    support, query = np.array(episode.support), np.array(episode.query)
    way, num_query = query.shape
    scores = table[query.reshape(-1, 1), support.reshape(1, -1)]
    answers = scores.reshape(way * num_query, way, -1).mean(-1).argmax(1)
    return float((answers == np.repeat(np.arange(way), num_query)).mean())
