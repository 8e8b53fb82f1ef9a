"""An episode as plain code scores it, beside the batched matcher: repeated cosines, then one ``cv2.EMD`` a pair.

Two loops with the scores of :class:`a2m2.matching.A2Matcher`. ``repeated`` does as DeepEMD's code does: the candidates
of all pairs of an episode are repeated against each other in one tensor. ``pair by pair`` repeats those of one pair at
a time, which stays in the cache. Both take cosines and cross-reference weights from ``torch``, transport from OpenCV.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from a2m2.errors import A2M2Error
from a2m2.matching import A2Matcher, pair_cosines
from a2m2.matching.node_weights import FLOOR, node_weights
from a2m2.ot import emd
from a2m2.structures import Descriptors


class Timed(NamedTuple):
    """Scores ``(query, support)`` and processor seconds: of the cosines, and of weights and transport."""

    scores: Float[np.ndarray, "query support"]
    cosines: float
    transport: float


def measure_episode(
    query: Descriptors, support: Descriptors, *, rounds: int
) -> tuple[dict[str, Timed], dict[str, Timed]]:
    """Median times in one thread, the ways taking turns; and, for each way, how many times slower than the matcher.

    Args:
        query: of the episode.
        support: one video a class.
        rounds: turns.

    Returns:
        The times of ``matcher``, ``repeated`` and ``pair by pair``; and ratios in place of seconds.

    Raises:
        A2M2Error: OpenCV is not installed.
    """
    cv2 = _opencv()
    ways: dict[str, Callable[[Descriptors, Descriptors], Timed]] = {
        "matcher": _matcher,
        "repeated": lambda q, s: _repeated(cv2, q, s),
        "pair by pair": lambda q, s: _pair_by_pair(cv2, q, s),
    }
    threads, cv2_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    spent: dict[str, list[Timed]] = {name: [] for name in ways}
    try:
        with torch.inference_mode():
            for _ in range(rounds):
                for name, way in ways.items():
                    # The second of two calls counts, so that none pays for the memory that another left behind.
                    way(query, support)
                    spent[name].append(way(query, support))
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(cv2_threads)
    ours = spent["matcher"]
    times = {name: _median(turns) for name, turns in spent.items()}
    ratios = {
        name: _median([_over(theirs, own) for theirs, own in zip(turns, ours, strict=True)])
        for name, turns in spent.items()
    }
    return times, ratios


def _median(turns: Sequence[Timed]) -> Timed:
    cosines = statistics.median(turn.cosines for turn in turns)
    return Timed(turns[0].scores, cosines, statistics.median(turn.transport for turn in turns))


def _over(theirs: Timed, ours: Timed) -> Timed:
    return Timed(theirs.scores, theirs.cosines / ours.cosines, theirs.transport / ours.transport)


def whole_ratio(times: dict[str, Timed], name: str) -> float:
    """How many times longer an episode takes than with the matcher."""
    theirs, ours = times[name], times["matcher"]
    return (theirs.cosines + theirs.transport) / (ours.cosines + ours.transport)


def _matcher(query: Descriptors, support: Descriptors) -> Timed:
    """What :class:`A2Matcher` does, with a clock between its two parts."""
    matcher = A2Matcher(num_threads=1)
    start = time.thread_time()
    cosines = pair_cosines(query, support)
    middle = time.thread_time()
    weights = node_weights(
        cosines, matcher.weights, source=matcher.weight_source, sharpness=matcher.sharpness
    )
    cost = 1 - cosines.centred
    value = emd(cost.flatten(0, 1), *(weight.flatten(0, 1) for weight in weights), num_threads=1)
    scores = matcher.temperature() * (1 - value.view(cost.shape[:2]))
    end = time.thread_time()
    return Timed(scores.numpy(), middle - start, end - middle)


def _repeated(cv2: Any, query: Descriptors, support: Descriptors) -> Timed:
    start = time.thread_time()
    raw = _repeated_cosines(query.values, support.values)
    centred = _repeated_cosines(*_centred(query, support))
    middle = time.thread_time()
    weights = (_shares(raw.mean(-1)).numpy(), _shares(raw.mean(-2)).numpy())
    cost = (1 - centred).numpy()
    scores = np.empty(cost.shape[:2], np.float32)
    for place in np.ndindex(*scores.shape):
        scores[place] = _score(cv2, cost[place], weights[0][place], weights[1][place])
    return Timed(scores, middle - start, time.thread_time() - middle)


def _repeated_cosines(
    query: Float[Tensor, "query node dim"], support: Float[Tensor, "support node dim"]
) -> Float[Tensor, "query support node node"]:
    num_query, num_node, _ = query.shape
    left = query[:, None].repeat(1, len(support), 1, 1)[:, :, :, None].repeat(1, 1, 1, num_node, 1)
    right = support[None].repeat(num_query, 1, 1, 1)[:, :, None]
    return functional.cosine_similarity(left, right, dim=-1)


def _pair_by_pair(cv2: Any, query: Descriptors, support: Descriptors) -> Timed:
    begin = time.thread_time()
    centred_query, centred_support = _centred(query, support)
    scores = np.empty((len(query), len(support)), np.float32)
    transport = 0.0
    for i, j in np.ndindex(*scores.shape):
        raw = _pair_cosines(query.values[i], support.values[j])
        centred = _pair_cosines(centred_query[i], centred_support[j])
        start = time.thread_time()
        weights = (_shares(raw.mean(1)).numpy(), _shares(raw.mean(0)).numpy())
        scores[i, j] = _score(cv2, (1 - centred).numpy(), *weights)
        transport += time.thread_time() - start
    return Timed(scores, time.thread_time() - begin - transport, transport)


def _pair_cosines(query: Float[Tensor, "node dim"], support: Float[Tensor, "node dim"]) -> Tensor:
    left = query[:, None].repeat(1, len(support), 1)
    right = support[None].repeat(len(query), 1, 1)
    return functional.cosine_similarity(left, right, dim=-1)


def _centred(query: Descriptors, support: Descriptors) -> tuple[Tensor, Tensor]:
    if query.mean is None:
        return query.values, support.values
    return query.values - query.mean, support.values - query.mean


def _shares(similarity: Float[Tensor, "*pair node"]) -> Float[Tensor, "*pair node"]:
    weights = similarity.relu() + FLOOR
    return weights / weights.sum(-1, keepdim=True)


def _score(cv2: Any, cost: np.ndarray, query: np.ndarray, support: np.ndarray) -> float:
    value, _, _ = cv2.EMD(query[:, None], support[:, None], cv2.DIST_USER, cost)
    return 12.5 * (1 - value)


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise A2M2Error("the comparison needs OpenCV; install it with pip install 'a2m2[compare]'") from error
    return cv2
