"""Several methods side by side over the same episodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from a2m2.devices import CPU
from a2m2.errors import A2M2Error
from a2m2.eval.gpu_scores import BlockAnswers, block_answers, scores_on
from a2m2.eval.shared_pairs import SharedPairs, share_pairs
from a2m2.eval.sources import DescriptorSource
from a2m2.eval.threads import map_in_threads
from a2m2.matching import Matcher
from a2m2.records import Episode, EpisodeRecord
from a2m2.structures import Descriptors, Evidence, Match

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
    share: bool = True,
    device: torch.device = CPU,
    progress: Callable[[str, int, int], None] | None = None,
) -> Iterator[EpisodeRecord]:
    """Records of episodes 0 … num_episodes − 1, in order.

    Args:
        contestants: methods to run, of different names.
        draw: gives episode i; a pure function.
        num_episodes: how many.
        num_threads: episodes matched at the same time.
        observer: sees every plan.
        share: score each pair of videos once for all episodes where that is less work, which it is for many episodes
            of few videos; not with an observer. The records do not depend on it.
        device: where cosines are computed for A² without an observer, a block of episodes at a time; transport, and
            whatever is nearly a tie, is the host's business. The records do not depend on it.
        progress: told after every block.
    """
    known_by: dict[str, SharedPairs | BlockAnswers] = {}
    if observer is None:
        kept: dict[int, Descriptors] = {}
        for contestant in contestants:
            found = _known_by(
                contestant,
                draw,
                num_episodes,
                num_threads=num_threads,
                share=share,
                device=device,
                kept=kept,
                progress=progress,
            )
            if found is not None:
                known_by[contestant.name] = found

    def run_block(start: int) -> list[EpisodeRecord]:
        episodes = [draw(index) for index in range(start, min(start + _BLOCK, num_episodes))]
        known = {name: found.answers(episodes) for name, found in known_by.items()}
        return [
            _run_one(
                contestants, episode, {name: answers[place] for name, answers in known.items()}, observer
            )
            for place, episode in enumerate(episodes)
        ]

    done = 0
    for block in map_in_threads(run_block, range(0, num_episodes, _BLOCK), num_threads=num_threads):
        yield from block
        done += len(block)
        if progress is not None:
            progress("episodes", done, num_episodes)


def _known_by(
    contestant: Contestant,
    draw: Callable[[int], Episode],
    num_episodes: int,
    *,
    num_threads: int,
    share: bool,
    device: torch.device,
    kept: dict[int, Descriptors],
    progress: Callable[[str, int, int], None] | None,
) -> SharedPairs | BlockAnswers | None:
    """What gives a contestant's answers to most episodes without its matching them one by one."""

    def logits(episode: Episode) -> NDArray[np.floating]:
        with torch.inference_mode():
            _, match = next(match_episode([contestant], episode))
        scores: NDArray[np.floating] = match.logits.cpu().numpy()
        return scores

    matcher, source = contestant.matcher, contestant.source
    there = scores_on(device, matcher, source, kept)
    if share:
        table = share_pairs(
            matcher,
            source,
            draw,
            num_episodes,
            logits,
            num_threads=num_threads,
            there=there,
            progress=None if progress is None else partial(progress, "comparing videos"),
        )
        if table is not None:
            return table
    return None if there is None else block_answers(there, draw, num_episodes, logits)


def _run_one(
    contestants: Sequence[Contestant],
    episode: Episode,
    known: Mapping[str, tuple[int, ...] | None],
    observer: Observer | None,
) -> EpisodeRecord:
    """The record of an episode; contestants whose answers are known are not asked."""
    answers = dict(known)
    # Inference mode is a property of the thread, so it is entered here and not around the pool.
    with torch.inference_mode():
        asked = [contestant for contestant in contestants if known.get(contestant.name) is None]
        for contestant, match in match_episode(asked, episode):
            answers[contestant.name] = tuple(match.logits.argmax(1).tolist())
            if observer is not None and match.evidence is not None:
                observer(contestant.name, episode, match.evidence)
    in_order = ((contestant.name, answers[contestant.name]) for contestant in contestants)
    return EpisodeRecord(episode, {name: answer for name, answer in in_order if answer is not None})
