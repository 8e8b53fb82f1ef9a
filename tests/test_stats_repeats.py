"""Figures over repeats and corrections for many comparisons: by hand, and by their laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2m2.eval.repeats import growth, holm, over_repeats, p_value
from a2m2.eval.stats import mean_interval


def test_repeats_are_averaged_before_the_interval_over_episodes() -> None:
    first, second = np.array([0.0, 1.0, 1.0, 0.0]), np.array([1.0, 0.0, 1.0, 1.0])
    figure = over_repeats([first, second])
    averaged = [0.5, 0.5, 1.0, 0.5]
    assert (figure.mean, figure.interval95) == mean_interval(averaged)
    assert figure.repeats == (0.5, 0.75)
    assert figure.episodes == 4


def test_interval_over_repeats_is_students() -> None:
    """Three repeats at 0.4, 0.5, 0.6: standard deviation 0.1, t(0.975, 2) = 4.3027."""
    figure = over_repeats([[0.4], [0.5], [0.6]])
    assert figure.repeats95 == pytest.approx(4.302653 * 0.1 / math.sqrt(3), rel=1e-6)
    assert over_repeats([[0.4]]).repeats95 == 0


def test_repeats_over_other_episodes_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"expected repeats over the same episodes, got shapes \[\(1,\), \(2,\)\]"
    ):
        over_repeats([[0.5], [0.5, 0.5]])
    with pytest.raises(ValueError, match="expected repeats over the same episodes"):
        over_repeats([])


def test_p_value_of_a_mean_at_the_end_of_its_interval_is_five_per_cent() -> None:
    assert p_value(0.02, 0.02) == pytest.approx(0.05, abs=1e-4)
    assert p_value(-0.02, 0.02) == p_value(0.02, 0.02)
    assert p_value(0.0, 0.02) == pytest.approx(1.0)
    assert (p_value(0.1, 0.0), p_value(0.0, 0.0)) == (0.0, 1.0)


def test_p_values_are_uniform_where_nothing_differs() -> None:
    rng = np.random.default_rng(0)
    draws = [p_value(*mean_interval(rng.normal(size=200))) for _ in range(2000)]
    shares = [np.mean(np.array(draws) < level) for level in (0.05, 0.25, 0.5)]
    np.testing.assert_allclose(shares, (0.05, 0.25, 0.5), atol=0.03)


def test_holm_by_hand() -> None:
    """Sorted 0.01, 0.02, 0.04 become 3 · 0.01, 2 · 0.02, 1 · 0.04, none below the one before."""
    assert holm([0.04, 0.01, 0.02]) == pytest.approx((0.04, 0.03, 0.04))
    assert holm([0.02, 0.025, 0.9]) == pytest.approx((0.06, 0.06, 0.9))
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_the_raw_values_and_bonferroni_and_keeps_their_order(values: list[float]) -> None:
    adjusted = holm(values)
    for raw, corrected in zip(values, adjusted, strict=True):
        assert raw <= corrected <= min(1.0, len(values) * raw) + 1e-12
    order = np.argsort(values, kind="stable")
    assert all(np.diff(np.array(adjusted)[order]) >= 0)


def test_growth_adds_the_squares_of_both_intervals() -> None:
    first, last = over_repeats([[0.0, 0.2]]), over_repeats([[0.5, 0.9]])
    difference, interval = growth(first, last)
    assert difference == pytest.approx(0.6)
    assert interval == pytest.approx(math.hypot(first.interval95, last.interval95))
