"""The measuring program: its figures, its text, its file."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from a2m2.bench import ot as bench
from a2m2.bench import ot_scaling
from a2m2.bench.ot_problems import FAMILIES


def test_a_short_run_prints_and_writes_what_it_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ot.json"
    bench.main(["--battery", "200", "--rounds", "1", "--no-scaling", "--seed", "3", "--json", str(path)])
    result = json.loads(path.read_text())
    battery = result["battery"]
    assert battery["certified"] == battery["problems"] == 200
    assert set(battery["families"]) == set(FAMILIES)
    assert battery["gap"] <= 1e-12
    assert battery["difference_to_pot"] <= 1e-9
    assert [(speed["nodes"], speed["batch"], speed["calls"]) for speed in result["speed"]] == list(
        bench.SPEED_SIZES
    )
    for speed in result["speed"]:
        assert speed["largest_difference_to_pot"] < 1e-6
        assert min(speed["times_faster_than"].values()) > 0
    printed = capsys.readouterr().out
    assert "200 of 200 certified" in printed
    assert printed.count("\nn = ") == len(bench.SPEED_SIZES)
    assert [table["title"] for table in result["tables"]] == ["Battery", "Speed"]


def test_either_measurement_can_be_left_out() -> None:
    assert set(bench.run(battery=0, rounds=0, scaling=False)) == {"seed"}


def test_threads_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ot_scaling, "THREAD_SIZES", ((14, 600), (56, 30)))
    table = ot_scaling.threads(1)
    assert [row[0] for row in table.rows] == [
        *ot_scaling.BARE_LOOPS,
        "solve, n = 14, batch 600",
        "solve, n = 56, batch 30",
    ]
    assert all(isinstance(row[3], float) and row[3] > 0 for row in table.rows)
    rows = ot_scaling.memory(56, (3000,)).rows
    costs, with_plans, without = (float(cell or 0) for cell in (*rows[0][1:], rows[1][2]))
    assert costs == pytest.approx(3000 * 56 * 56 * 4 / 2**20)
    assert with_plans > 0.9 * costs
    assert without < 0.3 * costs


def test_instructions_of_the_kernel_are_counted() -> None:
    counts = ot_scaling.instruction_counts()
    assert len(counts) == 5
    if platform.machine() in ("x86_64", "AMD64"):
        assert sum(counts[:3]) > 100


def test_problems_depend_on_the_seed_alone() -> None:
    first, again, other = (bench.run_battery(40, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        bench.main(["--help"])
    assert "python -m a2m2.bench.ot --battery 2000" in capsys.readouterr().out
