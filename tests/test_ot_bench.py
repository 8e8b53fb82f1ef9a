"""The measuring program: its figures, its text, its file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from a2m2.bench import ot as bench


def test_a_short_run_prints_and_writes_what_it_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ot.json"
    bench.main(["--battery", "200", "--rounds", "1", "--seed", "3", "--json", str(path)])
    result = json.loads(path.read_text())
    battery = result["battery"]
    assert battery["certified"] == battery["problems"] == 200
    assert set(battery["families"]) == set(bench.FAMILIES)
    assert battery["gap"] <= 1e-12
    assert battery["difference_to_pot"] <= 1e-9
    assert [(speed["nodes"], speed["batch"]) for speed in result["speed"]] == list(bench.SPEED_SIZES)
    for speed in result["speed"]:
        assert speed["largest_difference_to_pot"] < 1e-6
        assert min(speed["times_faster_than"].values()) > 0
    printed = capsys.readouterr().out
    assert "200 of 200 certified" in printed
    assert printed.count("cv2.EMD") == len(bench.SPEED_SIZES)


def test_either_measurement_can_be_left_out() -> None:
    assert set(bench.run(battery=0, rounds=0)) == {"seed", "versions", "machine"}


def test_problems_depend_on_the_seed_alone() -> None:
    first, again, other = (bench.run_battery(40, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        bench.main(["--help"])
    assert "python -m a2m2.bench.ot --battery 2000" in capsys.readouterr().out
