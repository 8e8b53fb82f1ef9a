"""The results folder appears whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from a2m2.errors import OutputError
from a2m2.eval.results import results_folder


def test_a_finished_folder_replaces_an_earlier_one(tmp_path: Path) -> None:
    out = tmp_path / "run"
    for text in ("first", "second"):
        with results_folder(out) as folder:
            (folder / "run.json").write_text(text)
            if text == "first":
                (folder / "old.txt").write_text("")
    assert [path.name for path in out.iterdir()] == ["run.json"]
    assert (out / "run.json").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError])
def test_a_failure_leaves_the_earlier_folder(tmp_path: Path, failure: type[BaseException]) -> None:
    out = tmp_path / "run"
    with results_folder(out) as folder:
        (folder / "run.json").write_text("first")
    with pytest.raises(failure, match="stop"), results_folder(out) as folder:
        (folder / "run.json").write_text("half")
        raise failure("stop")
    assert (out / "run.json").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_failure_of_the_first_run_leaves_nothing(tmp_path: Path) -> None:
    message = r"cannot write .*run: the disk is full; free some space or choose another place"
    with pytest.raises(OutputError, match=message), results_folder(tmp_path / "run"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_foreign_folders_and_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("mine")
    with (
        pytest.raises(OutputError, match=r"file is a file; give a folder"),
        results_folder(tmp_path / "file"),
    ):
        pass
    with (
        pytest.raises(OutputError, match=r"holds files but no run\.json; give a new or an empty folder"),
        results_folder(tmp_path / "folder"),
    ):
        pass
    assert (tmp_path / "folder" / "thesis.tex").read_text() == "mine"


def test_folders_that_cannot_be_exchanged_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on systems without such a call: a kill between the two steps is mended by the next run."""
    monkeypatch.setattr("a2m2.eval.results.exchange", lambda one, other: False)
    out = tmp_path / "run"
    for text in ("first", "second"):
        with results_folder(out) as folder:
            (folder / "run.json").write_text(text)
    assert (out / "run.json").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    out.rename(tmp_path / ".run.new-0.old")
    with pytest.raises(ValueError, match="stop"), results_folder(out):
        raise ValueError("stop")
    assert (out / "run.json").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_a_killed_run_left_is_not_in_the_results(tmp_path: Path) -> None:
    left = tmp_path / ".run.new-0"
    (left / "evidence").mkdir(parents=True)
    (left / "half.json").write_text("half")
    with results_folder(tmp_path / "run") as folder:
        assert folder == left
        (folder / "run.json").write_text("whole")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
