"""Leaving one out, and what is calibrated on it: against loops, by hand, with too few clips."""

from __future__ import annotations

import numpy as np
import pytest

from a2m2.recognize.confidence import (
    FROZEN_DEFAULT,
    TRAINED_DEFAULT,
    calibrate,
    expected_sharpness,
    fit_sharpness,
    fit_threshold,
    probabilities,
)
from a2m2.recognize.leave_one_out import (
    accuracy,
    calibration_error,
    can_be_left_out,
    known_and_unknown,
    leave_one_out,
    left_out_scores,
)
from a2m2.recognize.report import ClassReport, Confusion, LeaveOneOut
from reference import recognition as slow

LABELS = np.array([0, 0, 0, 1, 1, 2])
CONTENTS = ["a", "b", "c", "d", "d", "e"]


@pytest.fixture
def table() -> np.ndarray:
    drawn = np.random.default_rng(0).normal(size=(6, 6))
    return drawn + drawn.T


def test_left_out_scores_are_the_loop(table: np.ndarray) -> None:
    found = left_out_scores(table, LABELS, CONTENTS, num_classes=3)
    np.testing.assert_allclose(found, slow.left_out_scores(table, LABELS.tolist(), CONTENTS, 3))
    # Clips 3 and 4 are copies of each other, clip 5 is alone in its class: none of them can be left out.
    assert can_be_left_out(found).tolist() == [True, True, True, False, False, False]


def test_a_clip_never_sees_itself(table: np.ndarray) -> None:
    changed = table.copy()
    np.fill_diagonal(changed, 100.0)
    changed[3, 4] = changed[4, 3] = 100.0
    np.testing.assert_array_equal(
        left_out_scores(changed, LABELS, CONTENTS, num_classes=3),
        left_out_scores(table, LABELS, CONTENTS, num_classes=3),
    )


def test_known_and_unknown_by_hand() -> None:
    scores = np.array([[5.0, 1.0, 2.0], [1.0, 4.0, 3.0], [2.0, 6.0, np.nan]])
    known, unknown = known_and_unknown(scores, np.array([0, 1, 2]))
    assert known.tolist() == [5.0, 4.0]
    # The third clip is alone in its class: it can still play the unknown one.
    assert unknown.tolist() == [2.0, 3.0, 6.0]
    known, unknown = known_and_unknown(np.array([[5.0], [4.0]]), np.array([0, 0]))
    assert (known.tolist(), unknown.tolist()) == ([5.0, 4.0], [])


def test_report_by_hand() -> None:
    scores = np.array([[5.0, 1.0], [2.0, 3.0], [4.0, 4.5], [1.0, 6.0], [7.0, 2.0]])
    labels = np.array([0, 0, 0, 1, 1])
    report = leave_one_out(
        scores,
        labels,
        names=["a0", "a1", "a2", "b0", "b1"],
        contents=["0", "1", "2", "0", "4"],
        classes=("a", "b"),
        confidence=FROZEN_DEFAULT.at(12.5),
        expected=1.0,
        setting="stage mid",
        settings_tried=2,
    )
    assert report.classes == (ClassReport("a", 3, 3, 1), ClassReport("b", 2, 2, 1))
    assert report.confusions == (Confusion("a", "b", 2), Confusion("b", "a", 1))
    assert [(clip.name, clip.nearest, clip.lead) for clip in report.suspicious] == [
        ("b1", "a", 5.0),
        ("a1", "b", 1.0),
        ("a2", "b", 0.5),
    ]
    assert report.copies == (("a0", "b0"),)
    assert (report.num_clips, report.num_tested, report.accuracy) == (5, 5, 2 / 5)
    assert report.unknown_auroc == pytest.approx(slow.area_under_roc([5, 3, 4.5, 6, 7], [1, 3, 4.5, 1, 7]))
    assert (report.calibrated, report.setting, report.settings_tried) == (False, "stage mid", 2)
    assert accuracy(scores, labels) == report.accuracy


def test_one_clip_a_class_can_say_little() -> None:
    scores = np.array([[np.nan, 1.0], [1.0, np.nan]])
    assert accuracy(scores, np.array([0, 1])) is None
    assert calibration_error(scores, np.array([0, 1]), expected=1.0) is None
    report = leave_one_out(
        scores,
        np.array([0, 1]),
        names=["a", "b"],
        contents=["a", "b"],
        classes=("a", "b"),
        confidence=FROZEN_DEFAULT.at(12.5),
        expected=1.0,
        setting="",
        settings_tried=1,
    )
    assert isinstance(report, LeaveOneOut)
    assert (report.accuracy, report.unknown_auroc, report.suspicious) == (None, None, ())


@pytest.mark.parametrize("expected", [0.3, 1.0, 20.0])
def test_sharpness_is_the_likeliest(expected: float) -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 20)
    scores = rng.normal(size=(20, 3)) + 1.5 * np.eye(3)[labels]

    def loss(sharpness: float) -> float:
        return slow.sharpness_loss(scores, labels.tolist(), sharpness, expected, 0.5)

    best = fit_sharpness(scores, labels, expected=expected)
    assert all(loss(best) < loss(factor * best) for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0))
    assert fit_sharpness(10 * scores, labels, expected=expected / 10) == pytest.approx(best / 10)
    flat = fit_sharpness(scores, labels, expected=None)
    assert min(flat, expected) <= best <= max(flat, expected)


def test_sharpness_stays_finite_and_honest() -> None:
    labels = np.array([0, 1, 0, 1])
    scores = 2.0 * np.eye(2)[labels]
    # All right, or all wrong: a few clips move what is expected, and no further.
    assert 1 < fit_sharpness(scores, labels, expected=1.0) < 2
    assert 0.3 < fit_sharpness(scores, 1 - labels, expected=1.0) < 1
    assert fit_sharpness(scores, labels, expected=None) == pytest.approx(1e3)
    assert fit_sharpness(scores, 1 - labels, expected=None) == pytest.approx(1e-3)


def test_more_clips_a_class_are_expected_to_be_sharper() -> None:
    default = FROZEN_DEFAULT.at(1.0)
    for clips, others in ((1, 1), (2, 1), (3, 2), (10, 9)):
        labels = np.repeat(np.arange(4), clips)
        assert expected_sharpness(default, labels) == pytest.approx(12.5 * others**0.5)


def test_threshold_refuses_and_lets_in_equally_often() -> None:
    rng = np.random.default_rng(2)
    known, unknown = rng.normal(5, 1, 30), rng.normal(2, 0.5, 50)
    refused, let_in = slow.error_shares(fit_threshold(known, unknown), known.tolist(), unknown.tolist())
    assert refused == pytest.approx(let_in)
    assert refused < 0.1
    assert fit_threshold(np.array([4.0, 4.0]), np.array([1.0])) == 2.5


def test_too_few_clips_leave_the_defaults() -> None:
    rng = np.random.default_rng(3)
    labels = np.array([0, 1] * 4)
    scores = rng.normal(size=(8, 2)) + np.eye(2)[labels]
    known, unknown = scores.max(1), scores.min(1)
    default = FROZEN_DEFAULT.at(12.5)
    assert calibrate(scores[:3], labels[:3], known[:3], unknown, default=default, expected=1.0) == default
    assert calibrate(scores, labels, known, unknown[:0], default=default, expected=1.0) == default
    found = calibrate(scores, labels, known, unknown, default=default, expected=1.0)
    assert found.calibrated
    assert found.sharpness == fit_sharpness(scores, labels, expected=1.0)
    assert found.threshold == fit_threshold(known, unknown)


def test_defaults_follow_the_temperature() -> None:
    """The same two videos are as alike, and the same answer as sure, whatever τ is."""
    for default in (FROZEN_DEFAULT, TRAINED_DEFAULT):
        for temperature in (1.0, 12.5, 30.0):
            found = default.at(temperature)
            assert found.threshold == pytest.approx(default.threshold * temperature)
            assert found.sharpness * temperature == pytest.approx(default.sharpness)
            assert not found.calibrated


def test_calibration_error_uses_what_the_others_set() -> None:
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, 12)
    scores = rng.normal(size=(12, 3)) + 2 * np.eye(3)[labels]
    sure, right = [], []
    for clip in range(12):
        others = [other for other in range(12) if other != clip]
        sharpness = fit_sharpness(scores[others], labels[others], expected=2.0)
        chances = probabilities(scores[[clip]], sharpness)[0]
        sure.append(float(chances.max()))
        right.append(bool(chances.argmax() == labels[clip]))
    assert calibration_error(scores, labels, expected=2.0) == pytest.approx(
        slow.calibration_error(sure, right, 10)
    )
