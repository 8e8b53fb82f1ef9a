"""``a2m2 reproduce`` on a fake UCF-101: broken videos first, then to the figures, and never the same work twice."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from a2m2.cli.main import main
from a2m2.data import load_dataset
from a2m2.records import read_run
from a2m2.train.stages import StageModule
from a2m2.train_records import read_metrics, read_training
from reproduce_fixtures import BROKEN, NUM_CLIPS, SMALL, fake_ucf101
from train_fixtures import one_thread

COMMAND = ("--videos", "videos", "--lists", "lists", "--out", "out", "--episodes", "40", "--device", "cpu")


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fake UCF-101 that no test changes."""
    return fake_ucf101(tmp_path_factory.mktemp("fake"))


@pytest.fixture
def place(fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it as the current folder, with a cache of its own."""
    shutil.copytree(fake, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("A2M2_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *more: str, name: str = "ucf101") -> int:
    """Exit status of ``a2m2 reproduce ucf101`` with the sizes of a test."""
    monkeypatch.setattr(sys, "argv", ["a2m2", "reproduce", name, *COMMAND, *SMALL, *more])
    with pytest.raises(SystemExit) as stop, one_thread():
        main()
    return int(stop.value.code or 0)


def files(root: Path) -> dict[str, float]:
    """Every file below ``root`` and when it was written."""
    return {
        str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()
    }


def test_broken_videos_are_named_before_anything_is_trained(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "videos/Diving/v_Diving_g01_c04.mp4").unlink()
    assert call(monkeypatch, "--shot", "1") == 1
    printed = capsys.readouterr()
    assert "undecodable-video: 2" in printed.out
    assert "missing-video: 1" in printed.out
    (error,) = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert error.startswith("error: 3 of 28 listed videos cannot be used: lists/")
    for source in (*(name.partition("/")[2] for name in BROKEN), "v_Diving_g01_c04"):
        assert source in error
    assert error.endswith("All are in out/findings.txt; mend them, or leave them out with --allow-missing")
    assert [path.name for path in (place / "out").iterdir()] == ["findings.txt"]
    lines = (place / "out" / "findings.txt").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines[:3]] == ["undecodable-video"] * 2 + ["missing-video"]


def test_a_dry_run_writes_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(place)
    assert call(monkeypatch, "--shot", "1", "--shot", "5", "--dry-run") == 0
    assert files(place) == before
    printed = capsys.readouterr().out
    steps = [line for line in printed.splitlines() if "to do" in line]
    wanted = (
        "28 of 28 to do",
        "import",
        "pre-train, 6",
        "1-shot, 6",
        "5-shot, 6",
        "1-shot, 40",
        "5-shot, 40",
    )
    assert len(steps) == len(wanted)
    assert all(words in line for words, line in zip(wanted, steps, strict=True))
    assert "estimates, to a factor of two" in printed


def test_test_classes_that_are_too_small_are_refused_before_the_training(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The broken video leaves three of Fencing: one too few for three shots and a query.
    assert call(monkeypatch, "--shot", "3", "--allow-missing") == 1
    assert "Fencing" in capsys.readouterr().err
    assert [path.name for path in (place / "out").iterdir()] == ["findings.txt"]


def test_a_validation_list_that_is_the_test_list_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "lists/val.txt").write_bytes((place / "lists/test.txt").read_bytes())
    assert call(monkeypatch, "--shot", "1", "--allow-missing") == 1
    printed = capsys.readouterr()
    assert "same-lists: 1" in printed.out
    assert (
        "error: 2 classes are in two splits, first lists/test.txt:1, lists/val.txt:1: Drumming is in test and val; "
        in printed.err
    )
    assert [path.name for path in (place / "out").iterdir()] == ["findings.txt"]


def test_a_folder_of_other_files_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "out").mkdir()
    (place / "out" / "mine.txt").touch()
    assert call(monkeypatch) == 1
    assert "out holds files but no findings.txt; give a new or an empty folder" in capsys.readouterr().err


@pytest.mark.slow
def test_from_lists_to_figures_with_an_interrupt_between(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[str] = []
    step = StageModule.training_step

    def counted(self: StageModule, *arguments: Any) -> Any:
        made.append(type(self.stage).__name__)
        if stop_at and len(made) == stop_at:
            raise KeyboardInterrupt
        return step(self, *arguments)

    monkeypatch.setattr(StageModule, "training_step", counted)
    arguments = ("--shot", "1", "--shot", "2", "--allow-missing")

    # Pre-training has 6 steps of 2 batches, meta-training 6 of 2 episodes: 20 is in the fourth step of 1-shot.
    stop_at = 20
    assert call(monkeypatch, *arguments) == 130
    assert "the same command continues from it" in capsys.readouterr().err
    assert read_training(place / "out/pretrained").done
    assert not read_training(place / "out/trained_1_shot").done
    assert not (place / "out/tested_1_shot").exists()
    assert call(monkeypatch, *arguments, "--dry-run") == 0
    assert "step 3 of 6" in capsys.readouterr().out

    stop_at = 0
    made.clear()
    assert call(monkeypatch, *arguments) == 0
    printed = capsys.readouterr()
    # The checkpoint is of step 2, which is not done again: 4 steps of 1-shot, 6 of 2-shot, 2 episodes each.
    assert made == ["MetaSettings"] * (8 + 12)
    assert "decoding videos" not in printed.err
    assert "2 videos left out: these are not figures of the whole benchmark." in printed.out
    assert "published figures are 5-way and not shown beside these" in printed.out
    assert "report: out/report.html" in printed.out
    dataset = load_dataset(place / "out/manifest.csv")
    assert len(dataset.videos) == NUM_CLIPS - len(BROKEN)
    for shot in (1, 2):
        run = read_run(place / f"out/tested_{shot}_shot")
        assert (run.way, run.shot, run.query, run.episodes, run.splits) == (2, shot, 1, 40, ("test",))
        record = read_training(place / f"out/trained_{shot}_shot")
        assert run.weights_digest == record.weights_digest
        assert record.start == read_training(place / "out/pretrained").weights_digest
        assert record.config["meta"]["shot"] == record.config["validation"]["shot"] == shot
        assert [metric.step for metric in read_metrics(place / f"out/trained_{shot}_shot")][-1] == 6

    made.clear()
    before = files(place / "out")
    assert call(monkeypatch, *arguments) == 0
    again = capsys.readouterr()
    assert made == []
    assert "decoding videos" not in again.err
    after = files(place / "out")
    assert {name for name in before if before[name] != after[name]} == {"findings.txt", "report.html"}
    assert [line for line in again.out.splitlines() if "measured here" in line] == [
        line for line in printed.out.splitlines() if "measured here" in line
    ]
    assert call(monkeypatch, *arguments, "--dry-run") == 0
    assert capsys.readouterr().out.count("done") == 7

    refuse(monkeypatch, capsys, place, arguments)


def refuse(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: Path,
    arguments: tuple[str, ...],
) -> None:
    """A finished reproduction refuses another protocol, other weights and other videos."""
    before = files(place / "out")
    assert call(monkeypatch, *arguments, "--episodes", "50") == 1
    assert (
        "holds a test with other settings (episodes was 40, is 50); a test is made once"
        in capsys.readouterr().err
    )
    assert call(monkeypatch, *arguments, "--set", "meta.steps=7") == 1
    assert "(meta.steps was 6, is 7)" in capsys.readouterr().err
    record = place / "out/trained_1_shot/train.json"
    text = record.read_text()
    record.write_text(text.replace(read_training(record.parent).weights_digest, "0123456789abcdef"))
    assert call(monkeypatch, *arguments) == 1
    assert "other weights" in (error := capsys.readouterr().err)
    assert "a test is made once: give another --out" in error
    record.write_text(text)
    clip = place / "videos/Drumming/v_Drumming_g01_c01.mp4"
    clip.write_bytes((place / "videos/Drumming/v_Drumming_g01_c02.mp4").read_bytes())
    os.utime(clip, ns=(1, 1))
    assert call(monkeypatch, *arguments) == 1
    assert "manifest.csv is of other videos than are there now" in capsys.readouterr().err
    changed = {"findings.txt", "report.html", "trained_1_shot/train.json"}
    assert {name for name, when in files(place / "out").items() if before[name] != when} <= changed
