"""``a2m2 ablate``, ``a2m2 episodes`` and probes, from the command line to files."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pytest
import yaml

from a2m2.records import read_run
from a2m2.study_records import read_study
from test_cli import call, error_line
from tiny_clips import make_dataset

SMALL = {"fit": "transductive", "video": {"num_frames": 4, "resize": 32, "crop": 32}}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    splits = {"test": ["right", "left", "down"]}
    return make_dataset(tmp_path_factory.mktemp("data") / "squares", splits=splits, clips_per_class=4)


@pytest.fixture
def grid(data: Path, tmp_path: Path) -> Path:
    content = {
        "title": "orders of moments",
        "evaluate": {
            **SMALL,
            "data": str(data),
            "methods": ["a2m2_net", "diagonal"],
            "protocol": {"way": 3, "episodes": 10},
        },
        "axes": {"m2.order": ["first", "second"]},
    }
    path = tmp_path / "orders.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_ablate_from_a_grid_to_tables(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, page = tmp_path / "out", tmp_path / "page.md"
    assert call(monkeypatch, "ablate", grid, "-o", out, "--dry-run") == 0
    assert "2 cells, 4 rows; 2 cells to run" in capsys.readouterr().out
    assert not out.exists()
    page.write_text("before\n<!-- begin orders -->\n<!-- end orders -->\nafter\n")
    arguments = ("ablate", grid, "-o", out, "--cache", tmp_path / "cache", "--episodes", "8", "--into", page)
    assert call(monkeypatch, *arguments) == 0
    said = capsys.readouterr().out
    assert "**orders of moments**: 3-way 1-shot, 1 query a class, 8 episodes" in said
    assert [figure.episodes for figure in read_study(out).figures] == [8] * 4
    text = (out / "study.md").read_text()
    assert page.read_text() == f"before\n<!-- begin orders -->\n{text.rstrip()}\n<!-- end orders -->\nafter\n"
    rows = list(csv.DictReader((out / "study.csv").read_text().splitlines()))
    assert [(row["m2.order"], row["method"]) for row in rows] == [
        ("first", "a2m2_net"),
        ("first", "diagonal"),
        ("second", "a2m2_net"),
        ("second", "diagonal"),
    ]
    assert (out / "study.tex").read_text().startswith("\\begin{tabular}")
    assert call(monkeypatch, "report", out) == 0
    assert "orders of moments" in (out / "report.html").read_text()


def test_ablate_says_in_one_line_what_is_wrong(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "ablate", tmp_path / "none.yaml", "-o", tmp_path / "out") == 1
    assert "no configuration file" in error_line(capsys)
    grid.write_text(grid.read_text().replace("m2.order", "m2.oder"))
    assert call(monkeypatch, "ablate", grid, "-o", tmp_path / "out") == 1
    assert "unknown key 'm2.oder'; did you mean 'm2.order'?" in error_line(capsys)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "diary.txt").write_text("private")
    grid.write_text(grid.read_text().replace("m2.oder", "m2.order"))
    assert call(monkeypatch, "ablate", grid, "-o", tmp_path / "foreign") == 1
    assert "holds files but no grid.yaml" in error_line(capsys)


def test_episodes_of_a_run_and_of_its_clips_are_one_list(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    options = ("--way", "2", "--shot", "2", "--episodes", "6", "--seed", "3")
    small = (
        "--fit",
        "transductive",
        "--set",
        "video.resize=32",
        "--set",
        "video.crop=32",
        "--set",
        "video.num_frames=4",
    )
    run = ("evaluate", "--data", data, "-o", out, *options, *small, "--method", "diagonal", "--pictures", "0")
    assert call(monkeypatch, *run, "--cache", tmp_path / "cache") == 0
    assert call(monkeypatch, "episodes", out, "-o", tmp_path / "of_run.csv") == 0
    assert call(monkeypatch, "episodes", data, "-o", tmp_path / "of_clips.csv", *options) == 0
    text = (tmp_path / "of_run.csv").read_text()
    assert text == (tmp_path / "of_clips.csv").read_text()
    facts = json.loads((tmp_path / "of_clips.json").read_text())
    assert facts == json.loads((tmp_path / "of_run.json").read_text())
    assert facts["episodes_digest"] == read_run(out).episodes_digest
    assert facts["csv_sha256"] == hashlib.sha256(text.encode()).hexdigest()
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 6 * 2 * (2 + 1)
    for row in rows:
        assert row["role"] in ("support", "query")
        assert row["video"].split("/")[-2] == row["class"]
    firsts = [row for row in rows if row["episode"] == "0"]
    assert [row["role"] for row in firsts] == ["support"] * 4 + ["query"] * 2
    assert [row["way"] for row in firsts] == ["0", "0", "1", "1", "0", "1"]


def test_a_probe_is_an_evaluation_with_a_remark(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also when what it asks cannot be asked."""
    small = ("--fit", "transductive", "--set", "video.resize=32", "--set", "video.crop=32")
    asked = (
        "evaluate",
        "--data",
        data,
        "--probe",
        "reversed",
        "-o",
        tmp_path / "out",
        "--episodes",
        "60",
        *small,
    )
    methods = ("--method", "a2m2_net", "--method", "mean_feature", "--cache", tmp_path / "cache")
    assert call(monkeypatch, *asked, *methods) == 1
    assert "probe reversed asks a question with two answers, got way 5; use --way 2" in error_line(capsys)
    assert call(monkeypatch, *asked, *methods, "--way", "2") == 0
    run = read_run(tmp_path / "out")
    assert any(note.startswith("probe: every class against itself played backwards") for note in run.notes)
    assert set(run.classes) == {
        name + end for name in ("right", "left", "down") for end in ("", ", backwards")
    }
    assert run.config["probe"] == "reversed"
    assert call(monkeypatch, *asked, "--probe", "sideways") == 1
    assert "probe: input should be 'reversed', 'twins' or 'shuffled'" in error_line(capsys)
