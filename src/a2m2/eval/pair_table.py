"""Scores of all pairs of videos at once: what many episodes on few videos come down to.

A matcher whose score for a class is the mean over its support videos of a score of two videos (``mean_of_pairs``) needs
no more than one table. Episodes are then looked up in it: 10,000 episodes of 720 videos ask for 250,000 to 1,250,000
pairs, of which only 518,400 differ, or half of them where two videos have one score either way.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from a2m2.eval.gpu_scores import DeviceScores
from a2m2.eval.threads import map_in_threads
from a2m2.matching import Matcher
from a2m2.records import Episode
from a2m2.structures import Descriptors

_TILE = 48
"""Videos on each side of what is scored at a time: large enough for the product, small enough for the cache."""

_EPISODES = 1000
"""Episodes looked up at a time."""


def pair_scores(
    matcher: Matcher,
    descriptors: Descriptors,
    *,
    num_threads: int = 2,
    dtype: type[np.floating] = np.float64,
    there: DeviceScores | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Float[np.ndarray, "query support"]:
    """Score of every video as query against every video as only support of a class.

    Args:
        matcher: a mean of pairs.
        descriptors: of all videos.
        num_threads: tiles scored at the same time; scores do not depend on it.
        dtype: of the table.
        there: the same matcher and descriptors on a GPU, if there is one to work with.
        progress: told how many of the pairs are scored.

    Raises:
        ValueError: a matcher that is not a mean of pairs.
    """
    if not matcher.mean_of_pairs:
        raise ValueError(
            f"expected a matcher whose scores are means over pairs, got {type(matcher).__name__}"
        )
    number = len(descriptors)
    side = _TILE if there is None else there.side
    starts = range(0, number, side)
    tiles = [
        (row, column)
        for row in starts
        for column in (range(row, number, side) if matcher.symmetric else starts)
    ]

    def score(tile: tuple[int, int]) -> torch.Tensor:
        if there is not None:
            row, column = tile
            return there.of_pairs(slice(row, row + side), slice(column, column + side))
        query, support = (_rows(descriptors, start, start + side) for start in tile)
        with torch.inference_mode():
            labels = torch.arange(len(support), device=support.values.device)
            return matcher(support, labels, query, num_classes=len(support)).logits

    table = np.empty((number, number), dtype)
    total = sum(min(side, number - row) * min(side, number - column) for row, column in tiles)
    done = 0
    for (row, column), scores in zip(
        tiles, map_in_threads(score, tiles, num_threads=num_threads), strict=True
    ):
        block = scores.cpu().numpy()
        height, width = block.shape
        table[row : row + height, column : column + width] = block
        if matcher.symmetric:
            table[column : column + width, row : row + height] = block.T
        done += block.size
        if progress is not None:
            progress(done, total)
    return table


def _rows(descriptors: Descriptors, start: int, stop: int) -> Descriptors:
    """Videos that stand side by side, without a copy."""
    return replace(
        descriptors,
        values=descriptors.values[start:stop],
        spans=descriptors.spans[start:stop],
        energy=descriptors.energy[start:stop],
    )


def class_scores(
    table: Float[np.ndarray, "video video"], episodes: Sequence[Episode]
) -> Float[np.ndarray, "episode query way"]:
    """Mean score of each query against the supports of each class; episodes of one way, shot and query."""
    support = np.array([episode.support for episode in episodes])
    query = np.array([episode.query for episode in episodes])
    number, way, shot = support.shape
    scores = table[query.reshape(number, -1, 1), support.reshape(number, 1, -1)]
    return scores.reshape(number, -1, way, shot).mean(-1)


def episode_accuracies(
    table: Float[np.ndarray, "query support"], episodes: Iterable[Episode]
) -> NDArray[np.float64]:
    """Share of queries in each episode whose best class is their own; all of one way, shot and query."""
    stream = iter(episodes)
    parts = []
    while chunk := list(itertools.islice(stream, _EPISODES)):
        answers = class_scores(table, chunk).argmax(-1)
        way, num_query = len(chunk[0].query), len(chunk[0].query[0])
        parts.append((answers == np.repeat(np.arange(way), num_query)).mean(-1))
    return np.concatenate(parts)
