"""Several methods side by side over the same episodes.

Threads share out episodes, never the arithmetic inside one: with one thread or many, every number is the same.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch

from a2m2.errors import A2M2Error
from a2m2.eval.sources import DescriptorSource
from a2m2.matching import Matcher
from a2m2.records import Episode, EpisodeRecord
from a2m2.structures import Evidence, Match

_BLOCK = 50
"""Episodes that a thread takes at a time."""


@dataclass(frozen=True, eq=False)
class Contestant:
    """A method that is ready to run.

    Attributes:
        name: its name in the records.
        source: gives its descriptors; methods that read the same descriptors share one.
        matcher: scores them.
    """

    name: str
    source: DescriptorSource
    matcher: Matcher


Observer = Callable[[str, Episode, Evidence], None]
"""Called as ``observer(method, episode, evidence)`` for every method with a plan, from several threads."""


def match_episode(contestants: Sequence[Contestant], episode: Episode) -> Iterator[tuple[Contestant, Match]]:
    """Each contestant's scores; descriptors are fetched once a source.

    Raises:
        A2M2Error: scores that are not finite; the episode and the method are named.
    """
    support = [video for members in episode.support for video in members]
    query = [video for members in episode.query for video in members]
    labels = torch.arange(len(episode.support)).repeat_interleave(len(episode.support[0]))
    fetched = {}
    for contestant in contestants:
        key = id(contestant.source)
        if key not in fetched:
            fetched[key] = contestant.source.episode(support, query)
        supports, queries = fetched[key]
        match = contestant.matcher(supports, labels, queries, num_classes=len(episode.classes))
        if not torch.isfinite(match.logits).all():
            raise A2M2Error(
                f"method {contestant.name} gave scores that are not finite in episode {episode.index}; "
                "check its descriptors for NaN"
            )
        yield contestant, match


def run_episodes(
    contestants: Sequence[Contestant],
    draw: Callable[[int], Episode],
    num_episodes: int,
    *,
    num_threads: int = 2,
    observer: Observer | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Iterator[EpisodeRecord]:
    """Records of episodes 0 … num_episodes − 1, in order.

    Args:
        contestants: methods to run.
        draw: gives episode i; a pure function.
        num_episodes: how many.
        num_threads: episodes matched at the same time.
        observer: sees every plan.
        progress: told after every block.
    """

    def run_block(start: int) -> list[EpisodeRecord]:
        return [
            _run_one(contestants, draw(index), observer)
            for index in range(start, min(start + _BLOCK, num_episodes))
        ]

    with _one_thread_an_operation(), ThreadPoolExecutor(num_threads) as pool:
        starts = iter(range(0, num_episodes, _BLOCK))
        pending: deque[Future[list[EpisodeRecord]]] = deque()
        try:
            for start in starts:
                pending.append(pool.submit(run_block, start))
                if len(pending) > 2 * num_threads:
                    yield from pending.popleft().result()
                    _report(progress, start, pending, num_episodes)
            while pending:
                yield from pending.popleft().result()
                _report(progress, num_episodes, pending, num_episodes)
        finally:
            for future in pending:
                future.cancel()


def _run_one(contestants: Sequence[Contestant], episode: Episode, observer: Observer | None) -> EpisodeRecord:
    predictions = {}
    # Inference mode is a property of the thread, so it is entered here and not around the pool.
    with torch.inference_mode():
        for contestant, match in match_episode(contestants, episode):
            predictions[contestant.name] = tuple(match.logits.argmax(1).tolist())
            if observer is not None and match.evidence is not None:
                observer(contestant.name, episode, match.evidence)
    return EpisodeRecord(episode, predictions)


def _report(
    progress: Callable[[str, int, int], None] | None, submitted: int, pending: Sequence[object], total: int
) -> None:
    if progress is not None:
        progress("episodes", max(0, min(submitted, total) - len(pending) * _BLOCK), total)


@contextlib.contextmanager
def _one_thread_an_operation() -> Iterator[None]:
    """One thread inside each tensor operation while episodes run in parallel; restored afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
