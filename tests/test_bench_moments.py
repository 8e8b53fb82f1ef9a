"""The benchmark of statistics: all of them measured, ratios to the second order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from a2m2.bench.moments import STATISTICS, Times, main, table
from a2m2.moments import Order, Root


def test_every_statistic_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ("--clips", "1", "--frames", "4", "--channels", "4", "--side", "3", "--rounds", "1")
    main([*small, "--json", str(tmp_path / "times.json")])
    printed = capsys.readouterr().out.splitlines()
    assert [line[:28].strip() for line in printed[1:]] == list(STATISTICS)
    written = json.loads((tmp_path / "times.json").read_text())
    assert {name: some["length"] for name, some in written.items()} == {
        "second": 10,
        "first": 4,
        "first+second": 14,
        "third": 256,
        "brownian": 10,
        "second, root none": 10,
        "second, root cholesky": 10,
        "second, root log_euclidean": 10,
    }
    assert {some.order for some in STATISTICS.values()} == set(get_args(Order))
    assert {some.root for some in STATISTICS.values()} == set(get_args(Root))


def test_ratios_are_to_the_second_order() -> None:
    lines = table({"second": Times(10, 0.002, 0.01), "third": Times(256, 0.003, 0.005)}).splitlines()
    assert lines[1].split() == ["second", "10", "2.0", "ms", "1.00", "10.0", "ms", "1.00"]
    assert lines[2].split() == ["third", "256", "3.0", "ms", "1.50", "5.0", "ms", "0.50"]
