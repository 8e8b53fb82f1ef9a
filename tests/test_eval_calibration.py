"""Expected calibration error and the area under the ROC curve: by hand, against loops, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from a2m2.eval.calibration import area_under_roc, expected_calibration_error
from reference import recognition as slow


def test_calibration_error_by_hand() -> None:
    # (0, ½]: sure 0.2 and 0.4, one right: |0.5 − 0.3|. (½, 1]: sure 0.9, 0.9, 0.6, two right: |2/3 − 0.8|.
    sure, right = [0.2, 0.4, 0.9, 0.9, 0.6], [True, False, True, True, False]
    assert expected_calibration_error(sure, right, num_bins=2) == pytest.approx(
        2 / 5 * 0.2 + 3 / 5 * (0.8 - 2 / 3)
    )
    assert expected_calibration_error([1.0, 1.0], [True, True]) == 0
    assert expected_calibration_error([1.0, 1.0], [False, False]) == 1
    # Half sure and half right is as honest as it gets.
    assert expected_calibration_error([0.5, 0.5], [True, False]) == 0


@pytest.mark.parametrize("num_bins", [1, 3, 10])
def test_calibration_error_is_the_loop(num_bins: int) -> None:
    rng = np.random.default_rng(0)
    sure = np.concatenate([rng.random(200), [0, 1, 0.1, 0.3, 0.7]])
    right = rng.random(len(sure)) < sure
    expected = slow.calibration_error(sure.tolist(), right.tolist(), num_bins)
    assert expected_calibration_error(sure, right, num_bins=num_bins) == pytest.approx(expected)


def test_calibration_error_refuses() -> None:
    with pytest.raises(
        ValueError, match=r"one confidence and one outcome an answer, got shapes \(1,\) and \(2,\)"
    ):
        expected_calibration_error([0.5], [True, False])
    with pytest.raises(ValueError, match="one confidence and one outcome"):
        expected_calibration_error([], [])
    with pytest.raises(ValueError, match=r"confidences from 0 to 1, got 0.5 to 1.5"):
        expected_calibration_error([0.5, 1.5], [True, True])
    with pytest.raises(ValueError, match="expected num_bins >= 1, got 0"):
        expected_calibration_error([0.5], [True], num_bins=0)


def test_area_by_hand() -> None:
    assert area_under_roc([3, 4], [1, 2]) == 1
    assert area_under_roc([1, 2], [3, 4]) == 0
    assert area_under_roc([1, 1], [1]) == 0.5
    # 2 > 1 and 2 < 3; 3 > 1 and 3 = 3: one, none, one and a half of four pairs.
    assert area_under_roc([2, 3], [1, 3]) == pytest.approx(2.5 / 4)


def test_area_is_the_loop_and_knows_only_order() -> None:
    rng = np.random.default_rng(0)
    known, unknown = rng.integers(0, 20, 60) + 3.0, rng.integers(0, 20, 45) * 1.0
    area = area_under_roc(known, unknown)
    assert area == pytest.approx(slow.area_under_roc(known.tolist(), unknown.tolist()))
    assert area_under_roc(np.exp(known), np.exp(unknown)) == pytest.approx(area)
    assert area_under_roc(unknown, known) == pytest.approx(1 - area)


def test_area_refuses() -> None:
    with pytest.raises(ValueError, match="scores on both sides, got 0 and 1"):
        area_under_roc([], [1.0])
    with pytest.raises(ValueError, match="got NaN"):
        area_under_roc([float("nan")], [1.0])


def test_it_works_without_torch() -> None:
    code = "import sys, a2m2.eval.calibration; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
