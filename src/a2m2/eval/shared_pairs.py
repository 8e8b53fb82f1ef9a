"""Answers read from a table of pair scores, where episodes are many and videos few.

Ten thousand 24-way episodes ask for 29 million pairs of videos; 2,400 videos have 2.9 million. For a matcher whose
score is a mean over pairs, each pair is scored once, and an episode costs no more than looking up.

A looked-up score differs from the episode's own by rounding. Where the best two classes of a query are nearly a tie,
see :mod:`a2m2.eval.clear_answers`, the episode is matched after all. Records are then the same, byte for byte, as
without a table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from a2m2.errors import A2M2Error
from a2m2.eval.clear_answers import clear_answers, tolerance_of
from a2m2.eval.gpu_scores import DeviceScores
from a2m2.eval.pair_table import class_scores, pair_scores
from a2m2.eval.sources import DescriptorSource, FixedSource
from a2m2.matching import Matcher
from a2m2.records import Episode

_MOST_VIDEOS = 8192
"""A table of more would take over 256 MiB."""


@dataclass(frozen=True, eq=False)
class SharedPairs:
    """Scores of all pairs of videos.

    Attributes:
        table: score of every query against every support video.
        tolerance: least lead of an answer that is read from it.
    """

    table: Float[np.ndarray, "video video"]
    tolerance: float

    def answers(self, episodes: Sequence[Episode]) -> list[tuple[int, ...] | None]:
        """For each episode the best class of every query, or None where one of them is nearly a tie."""
        return clear_answers(class_scores(self.table, episodes), self.tolerance)


def share_pairs(
    matcher: Matcher,
    source: DescriptorSource,
    draw: Callable[[int], Episode],
    num_episodes: int,
    logits: Callable[[Episode], Float[np.ndarray, "query way"]],
    *,
    num_threads: int,
    there: DeviceScores | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SharedPairs | None:
    """A table for these episodes, or None where it would not pay or the matcher needs more than pairs.

    Args:
        matcher: scores pairs.
        source: of the descriptors.
        draw: gives episode i.
        num_episodes: how many there are.
        logits: an episode's scores as the matcher gives them.
        num_threads: for the table.
        there: the same matcher and descriptors on a GPU, if there is one to work with.
        progress: told how many pairs are scored.
    """
    if not matcher.mean_of_pairs or not isinstance(source, FixedSource) or num_episodes == 0:
        return None
    number = len(source.descriptors)
    first = draw(0)
    asked = num_episodes * sum(map(len, first.query)) * sum(map(len, first.support))
    if number > _MOST_VIDEOS or asked < number * (number + 1) // (2 if matcher.symmetric else 1):
        return None
    try:
        table = pair_scores(
            matcher,
            source.descriptors,
            num_threads=num_threads,
            dtype=np.float32,
            there=there,
            progress=progress,
        )
    except (A2M2Error, ValueError, torch.cuda.OutOfMemoryError):
        return None  # such as a video without usable descriptors: the episode that meets it will name it
    if not np.isfinite(table).all():
        return None
    tolerance = tolerance_of(
        lambda sample: class_scores(table, sample), draw, num_episodes, logits, spread=float(np.ptp(table))
    )
    return None if tolerance is None else SharedPairs(table, tolerance)
