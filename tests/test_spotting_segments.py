"""From scores to segments: suppression and judgement against slow loops, hand-made curves, merging."""

from __future__ import annotations

import numpy as np
import pytest

from a2m2.spotting.curve import MOMENTS, score_curve
from a2m2.spotting.judging import FEWEST, Judgement, judge
from a2m2.spotting.segments import find_segments, merge, suppress, temporal_iou
from a2m2.spotting_records import Segment
from reference.spotting import slow_counts, slow_suppress


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.5])
def test_suppression_is_that_of_the_slow_loop(seed: int, overlap: float) -> None:
    rng = np.random.default_rng(seed)
    starts = np.round(rng.uniform(0, 20, 120), 1)
    ends = starts + rng.choice([1.0, 1.5, 2.0], 120)
    scores = rng.integers(0, 30, 120) / 10  # with ties
    kept = suppress(starts, ends, scores, overlap=overlap)
    assert kept.tolist() == slow_suppress(starts, ends, scores, overlap)
    assert suppress(starts[:0], ends[:0], scores[:0]).tolist() == []


def test_temporal_iou_by_hand() -> None:
    shares = temporal_iou(0.0, 2.0, np.array([0.0, 1.0, 2.0, 0.5]), np.array([2.0, 3.0, 4.0, 1.5]))
    assert shares.tolist() == [1.0, 1 / 3, 0.0, 0.5]


@pytest.mark.parametrize("seed", range(6))
def test_judgement_is_that_of_the_slow_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = [0, 0, 1, 1, 1]
    pairs = rng.normal(2.0, 1.0, (FEWEST + seed, 5))
    pairs[3, :2] += 6
    known = rng.normal(4.5, 0.3, 5 if seed % 2 else 0)
    judged = judge(pairs, np.array(labels), calibrated=3.0, known=known)
    ranks, counts = slow_counts(pairs, labels, 3.0, known.tolist())
    np.testing.assert_allclose(judged.ranks, ranks)
    assert judged.counts.tolist() == counts
    assert judged.counts[3]


def test_a_recording_of_nothing_enrolled_shows_nothing() -> None:
    pairs = np.random.default_rng(0).normal(1.0, 0.5, (2000, 4))
    judged = judge(pairs, np.array([0, 0, 1, 1]), calibrated=3.5, known=np.array([5.0, 6.0]))
    assert not judged.counts.any()


def test_a_recording_of_nothing_but_enrolled_actions_is_not_refused() -> None:
    pairs = np.random.default_rng(0).normal(7.0, 0.2, (200, 4))
    judged = judge(pairs, np.array([0, 0, 1, 1]), calibrated=3.5, known=np.array([5.0, 6.0, 6.5]))
    assert judged.counts.mean() > 0.9


def test_few_windows_are_judged_by_the_recogniser_alone() -> None:
    pairs = np.array([[1.0, 2.0], [4.0, 3.0], [3.6, 0.0]])
    judged = judge(pairs, np.array([0, 1]), calibrated=3.5, known=np.array([9.0]))
    assert judged.counts.tolist() == [False, True, True]
    np.testing.assert_array_equal(judged.ranks, pairs)
    assert judge(
        pairs, np.array([0, 1]), calibrated=0.0, known=np.zeros(0), threshold=3.8
    ).counts.tolist() == [
        False,
        True,
        False,
    ]
    assert judge(pairs[:0], np.array([0, 1]), calibrated=0.0, known=np.zeros(0)).counts.tolist() == []


def test_segments_of_a_hand_made_curve() -> None:
    starts = np.arange(0.0, 10.0, 0.5)
    scores = np.full((20, 2), 0.1)
    scores[4:7, 0] = [0.6, 0.9, 0.7]  # around 2.5 s
    scores[6, 1] = 0.8  # the same moment, weaker, another class
    scores[14, 1] = 0.65
    judgement = Judgement(scores, scores, scores.max(1) >= 0.5)
    found = find_segments(starts, starts + 2.0, judgement, scores, classes=("left", "right"))
    assert found == (Segment("left", 2.5, 4.5, 0.9, 0.9), Segment("right", 7.0, 9.0, 0.65, 0.65))
    none = Judgement(scores, scores, np.zeros(20, bool))
    assert find_segments(starts, starts + 2.0, none, scores, classes=("left", "right")) == ()


def test_merging_joins_only_what_follows_closely_in_one_class() -> None:
    segments = (
        Segment("a", 0.0, 1.0, 0.5, 0.9),
        Segment("a", 1.4, 2.0, 0.7, 0.8),
        Segment("b", 2.1, 3.0, 0.6, 0.6),
        Segment("a", 3.0, 4.0, 0.4, 0.7),
        Segment("a", 5.0, 6.0, 0.3, 0.7),
    )
    merged = merge(segments, gap_seconds=0.5)
    assert merged == (Segment("a", 0.0, 2.0, 0.7, 0.8), *segments[2:])
    assert merge(segments, gap_seconds=0.0) == segments
    assert merge((), gap_seconds=1.0) == ()


def test_the_curve_holds_the_best_window_of_every_moment() -> None:
    middles = np.array([0.1, 0.2, 0.9])
    scores = np.array([[1.0, 5.0], [2.0, 3.0], [4.0, 4.0]])
    curve = score_curve(middles, scores, duration_seconds=1.0)
    assert curve.seconds == (0.125, 0.375, 0.625, 0.875)
    assert curve.scores == ((2.0, None, None, 4.0), (5.0, None, None, 4.0))
    assert len(score_curve(middles, scores, duration_seconds=1e4).seconds) == MOMENTS
