"""Running episodes: order, threads, sharing of descriptors, bad scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from a2m2.data import EpisodeSampler
from a2m2.errors import A2M2Error
from a2m2.eval import pair_table
from a2m2.eval.runner import Contestant, match_episode, run_episodes
from a2m2.eval.shared_pairs import share_pairs
from a2m2.eval.sources import DescriptorSource, FixedSource
from a2m2.matching import A2Matcher, DiagonalMatcher, Matcher, OTAMMatcher, ProtoNetMatcher
from a2m2.records import Episode
from a2m2.structures import Descriptors
from matching_fixtures import random_descriptors

CLASSES = [index // 8 for index in range(48)]


class CountingSource(DescriptorSource):
    """Counts how often an episode is fetched."""

    def __init__(self, descriptors: Descriptors) -> None:
        self.fixed = FixedSource(descriptors)
        self.num_calls = 0

    def episode(self, support: Sequence[int], query: Sequence[int]) -> tuple[Descriptors, Descriptors]:
        self.num_calls += 1
        return self.fixed.episode(support, query)


@pytest.fixture
def descriptors() -> Descriptors:
    noise = random_descriptors(48, seed=0, dtype=torch.float32)
    signal = random_descriptors(6, seed=1, dtype=torch.float32).values.repeat_interleave(8, dim=0)
    return replace(noise, values=signal + 0.5 * noise.values)


@pytest.fixture
def sampler() -> EpisodeSampler:
    names = [f"class{index}" for index in range(6)]
    return EpisodeSampler(CLASSES, class_names=names, way=5, shot=2, query=3, seed=4)


def test_any_number_of_threads_gives_the_same_records(
    descriptors: Descriptors, sampler: EpisodeSampler
) -> None:
    source = FixedSource(descriptors)
    contestants = [
        Contestant("a2", source, A2Matcher(num_threads=1)),
        Contestant("proto", source, ProtoNetMatcher()),
    ]
    runs = [
        list(run_episodes(contestants, sampler.episode, 230, num_threads=threads)) for threads in (1, 2, 5)
    ]
    assert runs[0] == runs[1] == runs[2]
    assert [record.episode.index for record in runs[0]] == list(range(230))
    accuracy = sum(record.num_correct("a2") for record in runs[0]) / (230 * 15)
    assert accuracy > 0.6


def test_methods_on_the_same_descriptors_fetch_them_once(
    descriptors: Descriptors, sampler: EpisodeSampler
) -> None:
    source = CountingSource(descriptors)
    contestants = [Contestant(str(index), source, DiagonalMatcher()) for index in range(3)]
    list(run_episodes(contestants, sampler.episode, 7, num_threads=1))
    assert source.num_calls == 7


def test_progress_reaches_the_end(descriptors: Descriptors, sampler: EpisodeSampler) -> None:
    seen: list[tuple[str, int, int]] = []
    contestants = [Contestant("proto", FixedSource(descriptors), ProtoNetMatcher())]
    list(run_episodes(contestants, sampler.episode, 501, progress=lambda *step: seen.append(step)))
    assert seen[-1] == ("episodes", 501, 501)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_threads_inside_operations_are_restored(descriptors: Descriptors, sampler: EpisodeSampler) -> None:
    before = torch.get_num_threads()
    contestants = [Contestant("proto", FixedSource(descriptors), ProtoNetMatcher())]
    list(run_episodes(contestants, sampler.episode, 3))
    assert torch.get_num_threads() == before


def test_scores_that_are_not_finite_name_episode_and_method(
    descriptors: Descriptors, sampler: EpisodeSampler
) -> None:
    values = descriptors.values.clone()
    values[sampler.episode(0).query[0][0]] = torch.nan
    contestants = [Contestant("proto", FixedSource(replace(descriptors, values=values)), ProtoNetMatcher())]
    with pytest.raises(
        A2M2Error, match=r"method proto gave scores that are not finite in episode 0; check its desc"
    ):
        list(run_episodes(contestants, sampler.episode, 3))


@pytest.mark.parametrize("tile", [48, 7])
def test_scores_of_pairs_are_shared_without_a_change_in_the_records(
    tile: int, descriptors: Descriptors, sampler: EpisodeSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_table, "_TILE", tile)
    # Copies of videos make ties, which the episode itself has to settle.
    values = descriptors.values.clone()
    values[9::8] = values[8:-1:8]
    source = FixedSource(replace(descriptors, values=values))
    contestants = [
        Contestant("proto", source, ProtoNetMatcher()),
        Contestant("a2", source, A2Matcher(num_threads=1)),
        Contestant("otam", source, OTAMMatcher()),
        Contestant("diagonal", source, DiagonalMatcher()),
    ]
    plain, *shared = (
        [
            record.to_line()
            for record in run_episodes(contestants, sampler.episode, 120, num_threads=threads, share=share)
        ]
        for share, threads in ((False, 2), (True, 1), (True, 3))
    )
    assert plain == shared[0] == shared[1]


def logits_of(contestant: Contestant, episode: Episode) -> np.ndarray:
    _, match = next(match_episode([contestant], episode))
    return match.logits.numpy()


def test_nearly_equal_classes_are_left_to_the_episode(
    descriptors: Descriptors, sampler: EpisodeSampler
) -> None:
    copies = replace(descriptors, values=descriptors.values[torch.arange(48) % 8])
    for given, has_ties in ((descriptors, False), (copies, True)):
        source = FixedSource(given)
        contestant = Contestant("a2", source, A2Matcher(num_threads=1))
        logits = partial(logits_of, contestant)
        shared = share_pairs(contestant.matcher, source, sampler.episode, 60, logits, num_threads=1)
        assert shared is not None
        episodes = [sampler.episode(index) for index in range(60)]
        best = [np.sort(logits(episode), axis=1) for episode in episodes]
        tied = [bool((scores[:, -1] - scores[:, -2] < 1e-5).any()) for scores in best]
        assert any(tied) == has_ties
        assert [answers is None for answers in shared.answers(episodes)] == tied


@pytest.mark.parametrize(
    ("matcher", "num_episodes", "pays"),
    [
        (A2Matcher(num_threads=1), 8, True),
        (A2Matcher(num_threads=1), 7, False),
        (OTAMMatcher(), 16, True),
        (OTAMMatcher(), 15, False),
        (A2Matcher(shots="union"), 100, False),
        (ProtoNetMatcher(), 100, False),
    ],
)
def test_pairs_are_shared_where_episodes_ask_for_more_than_there_are(
    matcher: Matcher, num_episodes: int, pays: bool, descriptors: Descriptors, sampler: EpisodeSampler
) -> None:
    """An episode asks for 15 × 10 pairs; 48 videos have 1,176 with themselves, and 2,304 in order."""
    source = FixedSource(descriptors)
    logits = partial(logits_of, Contestant("one", source, matcher))
    with torch.inference_mode():
        shared = share_pairs(matcher, source, sampler.episode, num_episodes, logits, num_threads=1)
        counting = CountingSource(descriptors)
        assert share_pairs(matcher, counting, sampler.episode, 100, logits, num_threads=1) is None
    assert (shared is not None) == pays


def test_scores_that_are_no_mean_of_pairs_are_not_shared(
    descriptors: Descriptors, sampler: EpisodeSampler
) -> None:
    """The first episodes are matched both ways: a difference beyond rounding tells."""
    source = FixedSource(descriptors)
    contestant = Contestant("a2", source, A2Matcher(num_threads=1))

    def changed(episode: Episode) -> np.ndarray:
        return logits_of(contestant, episode) + 0.01

    assert share_pairs(contestant.matcher, source, sampler.episode, 60, changed, num_threads=1) is None


def test_a_video_without_numbers_is_met_by_its_episode(
    descriptors: Descriptors, sampler: EpisodeSampler
) -> None:
    values = descriptors.values.clone()
    values[sampler.episode(3).query[0][0]] = torch.nan
    source = FixedSource(replace(descriptors, values=values))
    contestants = [Contestant("diagonal", source, DiagonalMatcher())]
    with pytest.raises(A2M2Error, match="method diagonal gave scores that are not finite in episode"):
        list(run_episodes(contestants, sampler.episode, 60))


def test_gathered_descriptors_are_those_of_the_videos(descriptors: Descriptors) -> None:
    source = FixedSource(descriptors)
    with torch.inference_mode():
        source.episode([1, 2], [3])
    for videos in ([5, 4], [7], [9, 9, 2]):
        support, query = source.episode(videos, videos[::-1])
        index = torch.tensor(videos)
        for found, expected in ((support, descriptors[index]), (query, descriptors[index.flip(0)])):
            for name in ("values", "spans", "energy"):
                assert torch.equal(getattr(found, name), getattr(expected, name))
