"""Scores with the products on a GPU and transport on the host.

Descriptors of all videos lie on the GPU once. Each thread asks for a block of pairs, which is one batch of products in
a queue of its own, and solves their transport while the blocks of the other threads are multiplied.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from a2m2.devices import own_stream
from a2m2.errors import A2M2Error
from a2m2.eval.clear_answers import clear_answers, tolerance_of
from a2m2.eval.sources import DescriptorSource, FixedSource
from a2m2.matching import A2Matcher, Matcher
from a2m2.records import Episode
from a2m2.structures import Descriptors

_ENTRIES = 2**22
"""Costs in one block: 16 MB, of which a dozen copies are made on the way."""

_SPARE = 0.5
"""Share of the GPU's free memory that descriptors may take."""


@dataclass(frozen=True, eq=False)
class DeviceScores:
    """An A² matcher and the descriptors of all videos, both where products are made.

    Attributes:
        matcher: a mean of pairs, in evaluation mode.
        descriptors: of all videos.
    """

    matcher: A2Matcher
    descriptors: Descriptors

    @property
    def side(self) -> int:
        """Videos on each side of a block of pairs."""
        return max(1, int(_ENTRIES**0.5) // self.descriptors.values.shape[1])

    def of_pairs(self, query: slice, support: slice) -> Float[Tensor, "query support"]:
        """Scores of videos that stand side by side, on the host."""
        with torch.inference_mode(), own_stream(self.descriptors.values.device):
            return self.matcher.episode_scores(self._rows(support), self._rows(query))[0]

    def of_episodes(self, episodes: Sequence[Episode]) -> Float[np.ndarray, "episode query way"]:
        """Scores of episodes of one way, shot and number of queries."""
        support = torch.tensor([episode.support for episode in episodes])
        query = torch.tensor([episode.query for episode in episodes]).flatten(1)
        way, shot = support.shape[1:]
        pairs = query.shape[1] * way * shot * self.descriptors.values.shape[1] ** 2
        at_once = max(1, _ENTRIES // pairs)
        device = self.descriptors.values.device
        parts = []
        with torch.inference_mode(), own_stream(device):
            for some, asked in zip(support.flatten(1).split(at_once), query.split(at_once), strict=True):
                supports, queries = (self.descriptors[each.flatten().to(device)] for each in (some, asked))
                scores = self.matcher.episode_scores(supports, queries, num_episodes=len(some))
                parts.append(scores.unflatten(-1, (way, shot)).mean(-1))
        scores_of_all: Float[np.ndarray, "episode query way"] = torch.cat(parts).numpy()
        return scores_of_all

    def _rows(self, rows: slice) -> Descriptors:
        whole = self.descriptors
        return replace(whole, values=whole.values[rows], spans=whole.spans[rows], energy=whole.energy[rows])


@dataclass(frozen=True, eq=False)
class BlockAnswers:
    """Answers of whole blocks of episodes.

    Attributes:
        scores: gives those of the episodes.
        tolerance: least lead of an answer that is taken from it.
    """

    scores: DeviceScores
    tolerance: float

    def answers(self, episodes: Sequence[Episode]) -> list[tuple[int, ...] | None]:
        """For each episode the best class of every query, or None where one of them is nearly a tie."""
        try:
            scores = self.scores.of_episodes(episodes)
        except (A2M2Error, ValueError, torch.cuda.OutOfMemoryError):
            return [None] * len(episodes)  # matched one by one, where an error names its episode
        return clear_answers(scores, self.tolerance)


def scores_on(
    device: torch.device, matcher: Matcher, source: DescriptorSource, kept: dict[int, Descriptors]
) -> DeviceScores | None:
    """Matcher and descriptors on a GPU; None on the CPU, or where a GPU is of no use.

    That is for matchers other than A² with a target a video, for descriptors that every episode changes, and for more
    of them than half the GPU's free memory.

    Args:
        device: the GPU, or the CPU.
        matcher: scores pairs.
        source: of the descriptors.
        kept: descriptors that are there already, by the identity of their source; added to.
    """
    useful = isinstance(matcher, A2Matcher) and matcher.mean_of_pairs and isinstance(source, FixedSource)
    if device.type == "cpu" or not useful:
        return None
    assert isinstance(matcher, A2Matcher)
    assert isinstance(source, FixedSource)
    if id(source) not in kept:
        if source.descriptors.values.nbytes > _SPARE * torch.cuda.mem_get_info()[0]:
            return None
        kept[id(source)] = source.descriptors.to(device)
    there = copy.deepcopy(matcher).to(device)
    torch.cuda.synchronize()  # threads read both in queues of their own
    return DeviceScores(there, kept[id(source)])


def block_answers(
    scores: DeviceScores,
    draw: Callable[[int], Episode],
    num_episodes: int,
    logits: Callable[[Episode], Float[np.ndarray, "query way"]],
) -> BlockAnswers | None:
    """Answers by blocks, or None where the scores of the first episodes are not those of the matcher but for rounding.

    Args:
        scores: of pairs.
        draw: gives episode i.
        num_episodes: how many there are.
        logits: an episode's scores as the matcher gives them.
    """
    try:
        tolerance = tolerance_of(scores.of_episodes, draw, num_episodes, logits)
    except (A2M2Error, ValueError, torch.cuda.OutOfMemoryError):
        return None  # a video without usable descriptors: the episode that meets it will name it
    return None if tolerance is None else BlockAnswers(scores, tolerance)
