"""Several methods side by side over the same episodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from a2m2.errors import A2M2Error
from a2m2.eval.sources import DescriptorSource
from a2m2.eval.threads import map_in_threads
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
        block = range(start, min(start + _BLOCK, num_episodes))
        return [_run_one(contestants, draw(index), observer) for index in block]

    done = 0
    for block in map_in_threads(run_block, range(0, num_episodes, _BLOCK), num_threads=num_threads):
        yield from block
        done += len(block)
        if progress is not None:
            progress("episodes", done, num_episodes)


def _run_one(contestants: Sequence[Contestant], episode: Episode, observer: Observer | None) -> EpisodeRecord:
    predictions = {}
    # Inference mode is a property of the thread, so it is entered here and not around the pool.
    with torch.inference_mode():
        for contestant, match in match_episode(contestants, episode):
            predictions[contestant.name] = tuple(match.logits.argmax(1).tolist())
            if observer is not None and match.evidence is not None:
                observer(contestant.name, episode, match.evidence)
    return EpisodeRecord(episode, predictions)
