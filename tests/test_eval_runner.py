"""Running episodes: order, threads, sharing of descriptors, bad scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from a2m2.data import EpisodeSampler
from a2m2.errors import A2M2Error
from a2m2.eval.runner import Contestant, run_episodes
from a2m2.eval.sources import DescriptorSource, FixedSource
from a2m2.matching import A2Matcher, DiagonalMatcher, ProtoNetMatcher
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
