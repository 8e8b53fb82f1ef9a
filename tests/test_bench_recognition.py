"""The benchmark of recognisers: tasks that do not leak, figures by hand, a small run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from a2m2.bench.figures import read_figures
from a2m2.bench.recognition import Outcome, draw_task, main, summarise
from tiny_clips import make_dataset


def test_tasks_are_disjoint_and_repeatable() -> None:
    labels = [name for name in "abcdef" for _ in range(6)]
    for seed in range(20):
        task = draw_task(labels, way=2, shot=3, query=2, seed=seed)
        assert task == draw_task(labels, way=2, shot=3, query=2, seed=seed)
        enrolled = {labels[index] for index in task.support}
        assert (len(task.support), len(task.known), len(task.unknown)) == (6, 4, 4)
        assert not set(task.support) & set(task.known)
        assert {labels[index] for index in task.known} == enrolled
        assert not {labels[index] for index in task.unknown} & enrolled


def test_figures_by_hand() -> None:
    outcome = Outcome(
        known=np.array([[0.9, 0.1], [0.2, 0.5], [0.6, 0.7]]),
        labels=np.array([0, 1, 0]),
        unknown=np.array([[0.6, 0.1], [0.3, 0.2]]),
        sure=np.array([0.95, 0.95, 0.55]),
        refused=1 / 3,
        let_in=0.5,
    )
    row = summarise(2, [outcome])
    assert (row.shot, row.refused, row.let_in) == (2, 1 / 3, 0.5)
    assert row.accuracy == pytest.approx(2 / 3)
    # Of 0.9, 0.5, 0.7 against 0.6, 0.3 one pair of six is the wrong way round.
    assert row.auroc == pytest.approx(5 / 6)
    assert row.calibration_error == pytest.approx((2 * 0.05 + 0.55) / 3)


def test_a_small_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_dataset(tmp_path / "c", splits={"": ["right", "left", "down", "up"]}, clips_per_class=3)
    main(
        [
            str(root),
            "--way",
            "2",
            "--shot",
            "1",
            "--query",
            "2",
            "--tasks",
            "3",
            "--cache",
            str(tmp_path),
            "--json",
            str(tmp_path / "figures.json"),
        ]
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| shots | accuracy % |")
    assert lines[2].startswith("| 1 | ")
    (figures,), _ = read_figures(tmp_path / "figures.json")
    assert figures.columns[:2] == ("shots", "accuracy %")
    assert len(figures.rows) == 1
