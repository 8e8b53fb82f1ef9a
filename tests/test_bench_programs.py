"""Programs that measure: they are found, called by name, and write tables that can be read again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from a2m2.bench.figures import FigureTable, command, format_cell, from_markdown, read_figures, write_figures
from a2m2.bench.programs import programs, run_program
from a2m2.cli.main import main
from a2m2.errors import ConfigError, RecordError

MAKERS = {"fake_benchmark", "performance", "results", "shipped", "study", "tables"}
"""Programs that write clips, weights or documents; all others measure, and write what they measure as JSON."""


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Exit status of ``a2m2 bench ARGUMENTS``."""
    monkeypatch.setattr(sys, "argv", ["a2m2", "bench", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_a_module_with_a_main_is_a_program(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(
        '"""Measures one thing.\n\nMore."""\ndef main(arguments=None):\n    measurement_parser("one", __doc__)\n'
    )
    (tmp_path / "two.py").write_text('"""Makes a thing."""\ndef main(arguments=None): ...\n')
    (tmp_path / "part.py").write_text('"""Only imported."""\ndef helper(): ...\n')
    assert [(one.name, one.purpose, one.measures) for one in programs(tmp_path)] == [
        ("one", "Measures one thing.", True),
        ("two", "Makes a thing.", False),
    ]


def test_the_list_names_every_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch) == 0
    printed = capsys.readouterr().out
    found = programs()
    assert {one.name for one in found if not one.measures} == MAKERS
    for program in found:
        assert program.purpose
        assert f" {program.name} " in printed


def test_a_program_gets_its_own_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "figures.json"
    sizes = ("--clips", 1, "--frames", 4, "--channels", 4, "--side", 3, "--rounds", 1)
    assert call(monkeypatch, "moments", *sizes, "--json", path) == 0
    assert "brownian" in capsys.readouterr().out
    assert json.loads(path.read_text())["second"]["length"] == 10
    assert call(monkeypatch, "moments", "--help") == 0
    assert "--channels" in capsys.readouterr().out
    assert call(monkeypatch, "moments", "--channels", "many") == 2


def test_an_unknown_program_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "episode") == 1
    expected = "error: no program named 'episode'; did you mean episodes? 'a2m2 bench' lists them"
    assert capsys.readouterr().err.strip() == expected
    with pytest.raises(ConfigError, match="no program named 'figures'"):
        run_program("figures", [])


def test_tables_are_written_and_read(tmp_path: Path) -> None:
    rows = (("ours", 1234, 0.5, None), ("theirs", 9, 1e-7, "slow"))
    table = FigureTable(
        "Time", ("what", "N", "s", "remark"), rows, note="One thread.", plot={"x": "N", "y": ["s"]}
    )
    path = tmp_path / "time.json"
    write_figures(path, [table], seed=3)
    tables, content = read_figures(path)
    assert tables == [table]
    assert content["seed"] == 3
    assert content["machine"]["cores"] >= 1
    assert table.text().splitlines() == [
        "Time",
        "what        N        s  remark",
        "ours    1,234    0.500",
        "theirs      9  1.0e-07    slow",
        "One thread.",
    ]
    assert table.markdown().splitlines()[:3] == [
        "| what | N | s | remark |",
        "| --- | ---: | ---: | ---: |",
        "| ours | 1,234 | 0.500 |  |",
    ]
    with pytest.raises(ValueError, match="expected 2 cells a row, got 1"):
        FigureTable("Time", ("what", "s"), (("ours",),))
    (tmp_path / "old.json").write_text('{"seconds": 3}')
    assert read_figures(tmp_path / "old.json") == ([], {"seconds": 3})
    (tmp_path / "bad.json").write_text("[1")
    with pytest.raises(RecordError, match=r"bad\.json holds no figures"):
        read_figures(tmp_path / "bad.json")


def test_markdown_tables_are_read() -> None:
    text = "| clips | F1 % |\n|---|---|\n| sets | 81.0 ± 2.0 |\n| sequences |  |"
    table = from_markdown("Found", text, "a2m2 bench x")
    assert table == FigureTable(
        "Found", ("clips", "F1 %"), (("sets", "81.0 ± 2.0"), ("sequences", "")), command="a2m2 bench x"
    )


@pytest.mark.parametrize(
    ("cell", "expected"),
    [(0.0, "0.00"), (12.3456, "12.3"), (1234.5, "1,234"), (99.96, "100"), (-0.25, "-0.250"), (7, "7")],
)
def test_cells(cell: float, expected: str) -> None:
    assert format_cell(cell) == expected


def test_commands_name_no_folder_of_this_machine() -> None:
    given = ["--out", "/home/someone/library", "--sizes", "10", "20", "--json", "/home/someone/s.json"]
    assert command("search", given) == "a2m2 bench search --out library --sizes 10 20"


@pytest.mark.parametrize("called", [["a2m2", "bench", "fuzz"], ["fuzz.py"]])
def test_figures_say_how_they_were_called(called: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [*called, "--seed", "3", "--json", "a.json"])
    assert command("fuzz") == command("fuzz", ["--seed", "3"]) == "a2m2 bench fuzz --seed 3"
