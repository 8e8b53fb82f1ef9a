"""Schedules: equal parts at timing 0, a compact action at a random time at timing 1."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from a2m2.synth.draws import Draws
from a2m2.synth.timing import draw_order, draw_schedule


@pytest.mark.parametrize("timing", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("num_actions", [2, 3, 4])
def test_spans_lie_in_the_clip_in_order_without_overlap(timing, num_actions):
    for i in range(200):
        spans = np.array(draw_schedule(Draws(i), num_actions, timing).spans)
        assert spans.shape == (num_actions, 2)
        assert spans.min() >= 0.0
        assert spans.max() <= 1.0
        assert (np.diff(spans.reshape(-1)) >= -1e-12).all()
        assert (spans[:, 1] > spans[:, 0]).all()


def test_timing_0_cuts_the_clip_into_equal_parts():
    schedule = draw_schedule(Draws("any"), 3, 0.0)
    np.testing.assert_allclose(schedule.spans, [[0, 1 / 3], [1 / 3, 2 / 3], [2 / 3, 1]], atol=1e-12)
    assert schedule.warps == (1.0, 1.0, 1.0)


def test_timing_1_starts_a_compact_action_at_random():
    spans = np.array([draw_schedule(Draws(i), 3, 1.0).spans for i in range(500)])
    start, share = spans[:, 0, 0], spans[:, -1, 1] - spans[:, 0, 0]
    assert share.min() >= 0.45 - 1e-9
    assert share.max() <= 0.65 + 1e-9
    assert start.std() > 0.12
    assert (start < 0.05).mean() > 0.15
    assert (start > 0.3).mean() > 0.2
    assert np.log(spans[:, 0, 1] - spans[:, 0, 0]).std() > 0.2


def test_start_spreads_with_the_knob():
    spread = [
        np.std([draw_schedule(Draws(i), 3, timing).spans[0][0] for i in range(300)])
        for timing in (0.0, 0.5, 1.0)
    ]
    assert spread[0] < 1e-12
    assert spread[1] > 0.4 * spread[2]
    assert spread[2] > spread[1]


def test_progress_runs_from_0_to_1_over_the_span():
    schedule = draw_schedule(Draws("progress"), 2, 1.0)
    (start, end), times = schedule.spans[1], np.linspace(0.0, 1.0, 201)
    progress = schedule.progress(1, times)
    assert (progress[times <= start] == 0.0).all()
    assert (progress[times >= end] == 1.0).all()
    assert (np.diff(progress) >= 0.0).all()


def test_order_is_canonical_at_0_and_uniform_at_1():
    assert {draw_order(Draws(i), 3, 0.0) for i in range(50)} == {(0, 1, 2)}
    counts = Counter(draw_order(Draws(i), 3, 1.0) for i in range(1200))
    assert len(counts) == 6
    assert max(counts.values()) < 1.35 * 200
    half = sum(draw_order(Draws(i), 3, 0.5) == (0, 1, 2) for i in range(1200)) / 1200
    assert half == pytest.approx(0.5 + 0.5 / 6, abs=0.05)


def test_beta_and_normal_have_their_moments():
    draws = Draws("moments")
    beta = np.array([draws.beta(0.7) for _ in range(4000)])
    normal = np.array([draws.normal() for _ in range(4000)])
    assert beta.mean() == pytest.approx(0.5, abs=0.02)
    assert beta.var() == pytest.approx(0.25 / 2.4, rel=0.06)
    assert normal.mean() == pytest.approx(0.0, abs=0.05)
    assert normal.std() == pytest.approx(1.0, abs=0.04)


def test_beta_refuses_shapes_it_cannot_draw():
    with pytest.raises(ValueError, match=r"expected a Beta shape in \(0, 1\], got 2"):
        Draws("beta").beta(2.0)
