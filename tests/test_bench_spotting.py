"""The benchmark of spotting: right segments and kinds of mistakes, counted by hand."""

from __future__ import annotations

import pytest

from a2m2.bench.spotting import Score, draw_cast, score_segments, table
from a2m2.spotting_records import Segment
from a2m2.synth.recording import TimedAction

TRUTH = (
    TimedAction("kick", 1.0, 3.0),
    TimedAction("serve", 5.0, 7.0),
    TimedAction("other", 9.0, 11.0),
    TimedAction("kick", 13.0, 15.0),
)


def segment(label: str, start: float, end: float, score: float = 1.0) -> Segment:
    return Segment(label, start, end, score, 0.9)


def test_every_kind_of_segment() -> None:
    found = [
        segment("kick", 1.2, 3.2, 5.0),  # right
        segment("kick", 0.5, 3.0, 4.0),  # the same once more
        segment("kick", 5.0, 7.0),  # is a serve
        segment("serve", 9.0, 11.0),  # is not enrolled
        segment("serve", 20.0, 22.0),  # is nothing
        segment("kick", 14.2, 16.2, 0.5),  # badly placed: 0.8 of 3.2 s in common
    ]
    score = score_segments(found, TRUTH, known=("kick", "serve"), overlap=0.5)
    assert (score.right, score.found, score.wanted) == (1, 6, 3)
    assert score.mistakes == {"boundary": 2, "confused": 1, "unknown let in": 1, "background": 1}
    assert score.precision == pytest.approx(1 / 6)
    assert score.recall == pytest.approx(1 / 3)
    assert score.f1 == pytest.approx(2 / 9)
    loose = score_segments(found, TRUTH, known=("kick", "serve"), overlap=0.25)
    assert loose.right == 2


def test_nothing_found_and_nothing_to_find() -> None:
    assert score_segments((), TRUTH, known=("kick",), overlap=0.5).f1 == 0.0
    assert score_segments((), TRUTH[2:3], known=("kick",), overlap=0.5).f1 == 1.0


def test_casts_are_of_the_split_and_disjoint() -> None:
    known, unknown = draw_cast("sequences", "val", 4, seed=1)
    assert (len(known), len(unknown)) == (3, 5)
    assert len({one.name for one in (*known, *unknown)}) == 8
    assert {one.split for one in (*known, *unknown)} == {"val"}
    assert draw_cast("sequences", "val", 4, seed=1) == (known, unknown)


def test_the_table_gives_an_interval_over_recordings() -> None:
    none = {"boundary": 0, "confused": 1, "unknown let in": 0, "background": 0}
    half, whole = Score(1, 2, 2, none), Score(2, 2, 2, none)  # type: ignore[arg-type]
    figures = table({"sets": [{0.5: half, 0.3: whole}, {0.5: whole, 0.3: whole}]})
    row = figures.markdown().splitlines()[2]
    # Two recordings: Student's 12.706 times 0.3536 / sqrt 2.
    assert row.startswith("| sets | 2 | 75.0 ± 317.7 | 100.0 ± 0.0 |")
    assert row.endswith("| 0 | 2 | 0 | 0 | 3 | 4 |")
