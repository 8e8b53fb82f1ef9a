"""Episodes: a pure function of seed and index, fair, disjoint, and the same for ever."""

from __future__ import annotations

import contextlib
import hashlib
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from a2m2.data.episodes import EpisodeSampler, _below, draw, random_words
from a2m2.errors import EpisodeError
from a2m2.records import Episode, EpisodeRecord, episodes_digest


def sampler(
    counts: dict[str, int], *, way: int = 2, shot: int = 1, query: int = 1, seed: int = 0
) -> EpisodeSampler:
    names = sorted(counts)
    classes = [label for label, name in enumerate(names) for _ in range(counts[name])]
    return EpisodeSampler(classes, class_names=names, way=way, shot=shot, query=query, seed=seed)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(3, 9), min_size=2, max_size=7),
    index=st.integers(0, 10**9),
    seed=st.integers(-(2**70), 2**70),
    data=st.data(),
)
def test_every_episode_keeps_its_promises(
    sizes: list[int], index: int, seed: int, data: st.DataObject
) -> None:
    way = data.draw(st.integers(2, len(sizes)))
    shot = data.draw(st.integers(1, 2))
    counts = {f"c{i}": size for i, size in enumerate(sizes)}
    video_class = [label for label, size in enumerate(sizes) for _ in range(size)]
    e = sampler(counts, way=way, shot=shot, seed=seed).episode(index)
    assert e.index == index
    assert len(set(e.classes)) == len(e.classes) == len(e.support) == len(e.query) == way
    videos = [video for members in e.support + e.query for video in members]
    assert len(set(videos)) == len(videos) == way * (shot + 1)
    for label, support, query in zip(e.classes, e.support, e.query, strict=True):
        assert (len(support), len(query)) == (shot, 1)
        assert {video_class[video] for video in support + query} == {label}


def test_an_episode_depends_on_seed_and_index_alone() -> None:
    counts = {f"c{i}": 10 for i in range(8)}
    first = sampler(counts, way=5, seed=7)
    forward = [first.episode(i) for i in range(20)]
    again = sampler(counts, way=5, seed=7)
    assert [again.episode(i) for i in reversed(range(20))] == forward[::-1]
    random.seed(1)
    np.random.default_rng(1).random()
    assert first.episode(3) == forward[3]
    assert len({e.classes + e.support + e.query for e in forward}) == 20
    assert [sampler(counts, way=5, seed=8).episode(i) for i in range(20)] != forward


def test_the_drawing_is_the_same_for_ever() -> None:
    """A change here makes every published list of episodes another one."""
    drawn = sampler({f"c{i:02}": 100 for i in range(24)}, way=5, shot=1, query=1, seed=0)
    assert episodes_digest(drawn.episode(i) for i in range(1000)) == "76341aa42d2c8bd9"
    assert drawn.episode(0) == Episode(
        0,
        classes=(2, 9, 3, 6, 18),
        support=((248,), (934,), (302,), (682,), (1851,)),
        query=((220,), (988,), (367,), (624,), (1808,)),
    )


def test_the_stream_is_shake_256_of_the_episodes_name() -> None:
    raw = hashlib.shake_256(b"a2m2 episode 5 of seed -3").digest(8 * 40)
    expected = [int.from_bytes(raw[8 * i : 8 * i + 8], "little") for i in range(40)]
    for at_once in (1, 7, 40):
        assert list(islice(random_words(-3, 5, expected=at_once), 40)) == expected


@pytest.mark.parametrize("words_per_number", [1.5, 2, 3.5, 7.9])
def test_numbers_below_a_bound_are_exactly_uniform(words_per_number: float) -> None:
    """Of the 2^64 words, exactly floor(2^64 / bound) are accepted for each number: whole bins."""
    bound = int((1 << 64) / words_per_number)
    for number in (0, 1, 2, bound // 3, bound // 2 + 1, bound - 2, bound - 1):
        first, after = -(-(number << 64) // bound), -(-((number + 1) << 64) // bound)
        accepted = 0
        for word in range(first, after):
            with contextlib.suppress(StopIteration):  # a rejected word asks for another
                assert _below(iter([word]), bound) == number
                accepted += 1
        assert accepted == (1 << 64) // bound


def test_choices_are_uniform() -> None:
    counts = Counter(tuple(draw(random_words(0, i, expected=3), 5, 3)) for i in range(30_000))
    assert set(counts) == set(permutations(range(5), 3))
    assert chisquare(list(counts.values())).pvalue > 1e-3


def test_a_sample_of_everything_is_a_permutation() -> None:
    assert sorted(draw(random_words(1, 2, expected=9), 9, 9)) == list(range(9))


def test_classes_and_videos_are_drawn_equally_often() -> None:
    s = sampler({"a": 4, "b": 8, "c": 6, "d": 5}, way=2)
    episodes = [s.episode(i) for i in range(12_000)]
    assert chisquare(list(Counter(label for e in episodes for label in e.classes).values())).pvalue > 1e-3
    for role in ("support", "query"):
        used = Counter(video for e in episodes for members in getattr(e, role) for video in members)
        for members in (range(4), range(4, 12), range(12, 18), range(18, 23)):
            assert chisquare([used[video] for video in members]).pvalue > 1e-3


def test_the_numbering_of_classes_does_not_matter() -> None:
    """The same sorted videos under class lists in another order give the same videos."""
    names = ["wave", "clap", "jump", "bow"]
    labels = [i // 6 for i in range(24)]
    plain = EpisodeSampler(labels, class_names=names, way=3, shot=2, query=2, seed=4)
    turn = [2, 0, 3, 1]
    turned = EpisodeSampler(
        [turn.index(label) for label in labels],
        class_names=[names[i] for i in turn],
        way=3,
        shot=2,
        query=2,
        seed=4,
    )
    for i in range(50):
        a, b = plain.episode(i), turned.episode(i)
        assert (a.support, a.query) == (b.support, b.query)
        assert a.classes == tuple(turn[label] for label in b.classes)


def test_records_survive_json_whatever_counts_the_episodes() -> None:
    s = sampler({"a": 4, "b": 8})
    e = s.episode(np.int64(3))  # type: ignore[arg-type]
    assert e == s.episode(3)
    assert EpisodeRecord.from_line(EpisodeRecord(e, {"m": (0, 1)}).to_line()).episode == e
    assert episodes_digest([e]) == episodes_digest([s.episode(3)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"way": 1}, "^way must be at least 2, got 1; raise it$"),
        ({"shot": 0}, "^shot must be at least 1, got 0; raise it$"),
        ({"query": 0}, "^query must be at least 1, got 0; raise it$"),
        ({"way": 4}, "^4-way episodes need 4 classes, got 3 classes; lower way or add classes$"),
        (
            {"shot": 5, "query": 2},
            r"^shot 5 \+ query 2 needs 7 videos a class, but 'bow' has 5, 'wave' has 6; lower shot or query",
        ),
    ],
)
def test_splits_that_cannot_fill_the_episodes(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(EpisodeError, match=message):
        sampler({"wave": 6, "clap": 7, "bow": 5}, **arguments)


def test_many_small_classes_are_counted_and_empty_ones_named() -> None:
    expected = (
        "'c0' has 1, 'c1' has 1, 'c2' has 1, 'c3' has 1, 'c4' has 1 and 3 more classes are too small; lower"
    )
    with pytest.raises(EpisodeError, match=expected):
        sampler({f"c{i}": 1 for i in range(8)})
    with pytest.raises(EpisodeError, match="but 'b' has 0; lower shot"):
        sampler({"a": 5, "b": 0})
    with pytest.raises(
        EpisodeError, match=r"^2-way episodes need 2 classes, got 1 class; lower way or add classes$"
    ):
        sampler({"a": 5})


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match=r"^expected classes in 0 … 1, got 2 for video 1$"):
        EpisodeSampler([0, 2], class_names=["a", "b"], way=2, shot=1, query=1, seed=0)
    with pytest.raises(ValueError, match=r"^expected each class name once, got \['a', 'a'\]$"):
        EpisodeSampler([0, 1], class_names=["a", "a"], way=2, shot=1, query=1, seed=0)
    with pytest.raises(ValueError, match=r"^expected an episode index of 0 or more, got -1$"):
        sampler({"a": 5, "b": 5}).episode(-1)


def test_drawing_is_fast() -> None:
    """Generous against noisy machines; about 10 µs is usual."""
    s = sampler({f"c{i}": 100 for i in range(24)}, way=5)

    def seconds() -> Iterator[float]:
        for start in range(5):
            before = time.perf_counter()
            for i in range(200):
                s.episode(200 * start + i)
            yield (time.perf_counter() - before) / 200

    assert min(seconds()) < 250e-6


def test_listing_and_drawing_need_no_torch() -> None:
    code = "import sys, a2m2.data, a2m2.checks, a2m2.eval.stats; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-B", "-c", code], check=True)


def test_an_episode_is_made_of_plain_tuples() -> None:
    e = sampler({"a": 4, "b": 8}).episode(0)
    assert isinstance(e, Episode)
    assert type(e.classes) is type(e.support) is type(e.support[0]) is tuple
    assert all(type(video) is int for members in e.support + e.query for video in members)
