"""The bench of kills: it finds what is written badly, and nothing in what is written well."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from a2m2.bench.kill_cases import Case, Place
from a2m2.bench.killing import Kill, run
from a2m2.bench.kills import Row, content_of, differences, kill_all
from a2m2.checks import write_text_atomic

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks and watches processes as Linux does")

NUMBERS = range(12)
CONTENT = "0123456789\n" * 20


def slowly(place: Place, write: Callable[[Path], None]) -> None:
    """Twelve files, each a moment's work; those that are there are kept."""
    place.out.mkdir(exist_ok=True)
    for number in NUMBERS:
        if not (place.out / f"{number}.txt").exists():
            time.sleep(0.002)
            write(place.out / f"{number}.txt")


def in_pieces(path: Path) -> None:
    """What a reader can see half of."""
    with path.open("w", buffering=1) as file:
        for line in CONTENT.splitlines():
            file.write(f"{line}\n")
            time.sleep(0.0005)


def read_whole(place: Place) -> None:
    for path in place.out.glob("[0-9]*.txt"):
        if path.read_text() != CONTENT:
            raise ValueError(f"{path.name} is cut off")


def killed(tmp_path: Path, write: Callable[[Path], None], **options: object) -> Row:
    case = Case("a case", lambda place: lambda: slowly(place, write), read_whole, **options)  # type: ignore[arg-type]
    return kill_all([case], tmp_path, kills=8, seed=0, progress=False)["a case"]


def test_nothing_is_found_in_what_is_written_whole(tmp_path: Path) -> None:
    row = killed(tmp_path, lambda path: write_text_atomic(path, CONTENT), pieces=("out/*.txt",))
    assert row.findings == []
    assert row.kills >= 8
    assert row.resumed == row.begun > 0
    assert row.pieces > 0
    assert (row.lost, row.corrupt, row.left_over) == (0, 0, 0)


def test_half_a_file_is_found(tmp_path: Path) -> None:
    row = killed(tmp_path, in_pieces)
    assert row.corrupt > 0
    assert any("corrupt: ValueError: " in finding for finding in row.findings)
    assert any("is cut off" in finding for finding in row.findings)
    assert list((tmp_path / "findings").iterdir())


def test_results_that_vanish_for_a_moment_are_found(tmp_path: Path) -> None:
    def replace(place: Place) -> None:
        place.out.unlink()
        time.sleep(0.02)
        place.out.write_text("new")

    case = Case(
        "vanishing",
        lambda place: lambda: replace(place),
        lambda place: None,
        before=lambda place: lambda: place.out.write_text("old") and None,
        must_stay=True,
    )
    row = kill_all([case], tmp_path, kills=4, seed=0, progress=False)["vanishing"]
    assert row.lost > 0


def test_helpers_that_outlive_their_parent_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a2m2.bench.killing._GRACE", 0.2)

    def work() -> None:
        multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,)).start()
        time.sleep(60)

    kill = Kill(signal.SIGKILL, 0.3, whole=False)
    (tmp_path / "work").mkdir()
    ended = run(work, folder=tmp_path / "work", log=tmp_path / "log.txt", kill=kill)
    assert (ended.status, ended.struck, ended.survivors) == (-signal.SIGKILL, True, True)
    with pytest.raises(ProcessLookupError, match="No such process"):
        os.killpg(ended.group, 0)


def test_a_run_is_killed_at_the_operation_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()

    def work() -> None:
        for number in range(10):
            (folder / str(number)).mkdir()

    assert run(work, folder=folder, log=tmp_path / "log.txt").operations == 10
    for path in folder.iterdir():
        path.rmdir()
    kill = Kill(signal.SIGKILL, 0.0, operation=4)
    assert str(kill) == "SIGKILL to all processes 0.0000 s after operation 4"
    assert run(work, folder=folder, log=tmp_path / "log.txt", kill=kill).struck
    assert 3 <= len(list(folder.iterdir())) < 10


def test_contents_are_compared_without_times(tmp_path: Path) -> None:
    for name, seconds in (("a", 1), ("b", 2)):
        folder = tmp_path / name
        (folder / "cache").mkdir(parents=True)
        (folder / "timings.json").write_text(f"{seconds}")
        (folder / ".hidden").write_text(name)
        (folder / "cache" / "digests.jsonl").write_text(f'\n["clip.mp4", "{seconds}", "digest"]')
        (folder / "same.txt").write_text("same")
    one, other = content_of(tmp_path / "a"), content_of(tmp_path / "b")
    assert differences(one, other) == []
    other["same.txt"] = b"other"
    other["more.txt"] = one.pop("cache/digests.jsonl")
    assert differences(one, other) == [
        "cache/digests.jsonl is too much",
        "more.txt is too much",
        "same.txt differs",
    ]


def test_a_few_kills_of_a_command_lose_nothing(tmp_path: Path) -> None:
    """The program as it is run for all commands, on a quick one."""
    figures = tmp_path / "kills.json"
    words = ["--kills", "4", "--seed", "1", "--command", "evaluate", "--json", str(figures)]
    command = [sys.executable, "-m", "a2m2.bench.kills", "--folder", str(tmp_path / "work"), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    row = json.loads(figures.read_text())["rows"]["evaluate"]
    assert row["kills"] >= 4
    assert row["findings"] == []
