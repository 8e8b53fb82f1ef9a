"""Geometry of film strips: what lies where, and that neighbours meet."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2m2.records import FilmStrip
from a2m2.report.timeline import WIDTH, TimeAxis, frames_per_candidate, place_candidates


def strip_of(
    times: Sequence[float],
    duration: float,
    windows: Sequence[tuple[int, int, int]],
    *,
    stretches: Sequence[float] | None = None,
) -> FilmStrip:
    """A strip whose candidates are ``(scale, first frame, one past the last)``."""
    if stretches is None:
        stretches = [0.0, *((a + b) / 2 for a, b in itertools.pairwise(times)), duration]
    return FilmStrip(
        video="v.mp4",
        class_name="c",
        thumbnails=tuple(f"{i}.jpg" for i in range(len(times))),
        frame_seconds=tuple(times),
        duration_seconds=duration,
        spans=tuple((stretches[first], stretches[last]) for _, first, last in windows),
        scale=tuple(scale for scale, _, _ in windows),
    )


def pyramid(num_frames: int, windows: Sequence[int]) -> list[tuple[int, int, int]]:
    return [
        (k, first, first + window)
        for k, window in enumerate(windows)
        for first in range(0, num_frames - window + 1, window)
    ]


@given(
    times=st.lists(st.floats(0, 100), min_size=1, max_size=12, unique=True).map(sorted),
    rest=st.floats(0.01, 10),
)
def test_single_frames_attach_to_the_centres_of_their_slots(times: list[float], rest: float) -> None:
    num_frames = len(times)
    placed = place_candidates(strip_of(times, times[-1] + rest, pyramid(num_frames, (1,))))
    if len({b - a for a, b in itertools.pairwise([0.0, *times])} & {0.0}):
        return
    for i, anchor in enumerate(placed):
        assert anchor.lane == 0
        assert anchor.x == pytest.approx((i + 0.5) * WIDTH / num_frames, abs=1e-6)


def test_brackets_tile_the_strip_in_lanes_by_length() -> None:
    times = [0.1, 0.35, 0.6, 1.4, 1.5, 2.0, 2.2, 2.9]
    placed = place_candidates(strip_of(times, 3.0, pyramid(8, (1, 2, 4))))
    pairs, fours = placed[8:12], placed[12:]
    for lane, anchors in ((1, pairs), (2, fours)):
        assert [a.lane for a in anchors] == [lane] * len(anchors)
        assert anchors[0].left == pytest.approx(0)
        assert anchors[-1].right == pytest.approx(WIDTH)
        for a, b in itertools.pairwise(anchors):
            assert a.right == pytest.approx(b.left)
        for anchor in anchors:
            assert anchor.x == pytest.approx((anchor.left + anchor.right) / 2)


def test_lanes_follow_length_and_not_the_scales_numbers() -> None:
    windows = [
        (0, 0, 4),
        (0, 4, 8),
        *((1, i, i + 1) for i in range(8)),
        *((2, i, i + 2) for i in range(0, 8, 2)),
    ]
    placed = place_candidates(strip_of([i + 0.5 for i in range(8)], 8.0, windows))
    assert [a.lane for a in placed] == [2, 2, *[0] * 8, *[1] * 4]


def test_overlapping_windows_do_not_share_a_lane() -> None:
    windows = [(0, first, first + 4) for first in range(5)]
    placed = place_candidates(strip_of([i + 0.5 for i in range(8)], 8.0, windows))
    for a, b in itertools.combinations(placed, 2):
        assert a.lane != b.lane or a.right <= b.left + 1e-6 or b.right <= a.left + 1e-6
    assert {a.lane for a in placed} == {1, 2, 3, 4}


def test_alike_candidates_are_spread_over_what_they_cover() -> None:
    """Four regions of each of two frames; likewise the candidates of several shots."""
    windows = [(0, first, first + 1) for first in range(2) for _ in range(4)]
    placed = place_candidates(strip_of([0.5, 1.5], 2.0, windows))
    assert [a.x for a in placed] == pytest.approx([(i + 0.5) * WIDTH / 8 for i in range(8)])


def test_repeated_frames_of_a_short_clip_stay_apart() -> None:
    """A clip of two frames asked for six repeats each of them; no candidate lands on another."""
    times = [0.0, 0.0, 0.0, 0.04, 0.04, 0.04]
    placed = place_candidates(strip_of(times, 0.08, pyramid(6, (1,))))
    xs = [a.x for a in placed]
    assert xs == sorted(xs)
    assert len({round(x) for x in xs}) == 6


def test_single_frame_video() -> None:
    (anchor,) = place_candidates(strip_of([0.0], 0.04, [(0, 0, 1)]))
    assert (anchor.left, anchor.x, anchor.right) == (0, WIDTH / 2, WIDTH)


def test_moments_outside_the_video_lie_at_its_ends() -> None:
    axis = TimeAxis.of(strip_of([0.5, 1.5], 2.0, [(0, 0, 1)]))
    assert axis.stretch(-3.0, 9.0) == (0.0, WIDTH)
    assert axis.stretch(0.0, 1.0) == (0.0, WIDTH / 2)


@given(
    times=st.lists(st.floats(0, 50), min_size=1, max_size=9).map(sorted),
    moments=st.lists(st.floats(0, 60), min_size=2, max_size=9).map(sorted),
)
def test_time_never_runs_backwards(times: list[float], moments: list[float]) -> None:
    axis = TimeAxis.of(strip_of(times, times[-1], [(0, 0, 1)]))
    for side in (axis.left, axis.right):
        xs = [side(moment) for moment in moments]
        assert all(a <= b + 1e-6 for a, b in itertools.pairwise(xs))
        assert all(0 <= x <= WIDTH for x in xs)
    assert all(axis.left(moment) <= axis.right(moment) + 1e-6 for moment in moments)


def test_frames_per_candidate() -> None:
    strip = strip_of([i + 0.5 for i in range(8)], 8.0, pyramid(8, (1, 2, 4)))
    assert frames_per_candidate(strip) == pytest.approx({0: 1, 1: 2, 2: 4})
