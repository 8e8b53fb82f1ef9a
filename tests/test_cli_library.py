"""``a2m2 index`` and ``a2m2 search``: plans, broken clips, exit statuses, and what other programs read."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from a2m2.video import write_clip
from test_cli import call, error_line
from tiny_clips import moving_square

EYES = ("--backbone", "motion-filters", "--frames", "4", "--size", "48")


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three clips, one of them a copy."""
    monkeypatch.setenv("A2M2_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("left", "down"):
        write_clip(folder / f"{name}.mp4", moving_square(name, 1))
    (folder / "copy.mp4").write_bytes((folder / "left.mp4").read_bytes())
    return folder


def test_from_a_folder_to_clips_like_an_example(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "index"
    assert call(monkeypatch, "index", videos, "--out", out, *EYES, "--dry-run") == 0
    assert "would describe 2, forget 0" in capsys.readouterr().out
    assert not out.exists()
    (videos / "broken.mp4").write_bytes(b"no video")
    assert call(monkeypatch, "index", videos, "--out", out, *EYES) == 1
    printed = capsys.readouterr().out
    assert "3 clips of 2 different contents: 2 described now, 0 before" in printed
    assert "left out: broken.mp4: " in printed
    assert call(monkeypatch, "index", videos, "--out", out, "--skip-broken", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["described"], record["kept"], record["broken"][0]["name"]) == (0, 2, "broken.mp4")

    like = ("--like", videos / "left.mp4")
    assert call(monkeypatch, "search", out, *like) == 0
    printed = capsys.readouterr().out
    assert "(an example)" in printed
    assert "2 of 2 compared exactly" in printed
    assert call(monkeypatch, "search", out, *like, "--csv") == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [(row["rank"], row["clip"], row["example"]) for row in rows] == [
        ("1", "copy.mp4", "yes"),
        ("1", "left.mp4", "yes"),
        ("2", "down.mp4", "no"),
    ]
    assert call(monkeypatch, "search", out, *like, "--json", "--top", "1") == 0
    assert json.loads(capsys.readouterr().out)["hits"][0]["names"] == ["copy.mp4", "left.mp4"]


def test_mistakes_are_one_line(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "index", videos, "--out", tmp_path / "index", "--frames", "4") == 1
    assert "--frames and --size are for --backbone" in error_line(capsys)
    assert call(monkeypatch, "search", tmp_path / "video", "--like", videos / "left.mp4") == 1
    assert f"is no index of clips: no library.safetensors; did you mean {videos}?" in error_line(capsys)
    assert call(monkeypatch, "search", videos, "--like", videos / "left.mp4", "--csv", "--json") == 1
    assert "--json and --csv exclude each other" in error_line(capsys)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_process_that_is_killed_goes_on_with_what_it_wrote(videos: Path, tmp_path: Path) -> None:
    """Then clips come and go: only what is new is described."""
    for seed, name in enumerate(("right", "up", "still", "down_right", "left", "right")):
        write_clip(videos / f"{seed}.mp4", moving_square(name, 10 + seed))

    def command(out: Path) -> list[str]:
        few = ("--fit-clips", "4", "--shard-size", "1", "--threads", "1", "--json")
        return [sys.executable, "-m", "a2m2", "index", str(videos), "--out", str(out), *EYES, *few]

    def indexed(out: Path) -> dict[str, object]:
        run = subprocess.run(command(out), check=True, capture_output=True, timeout=300)
        record: dict[str, object] = json.loads(run.stdout)
        return record

    def files(out: Path) -> dict[str, bytes]:
        paths = [path for path in out.rglob("*") if path.is_file() and path.name[0] != "."]
        return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}

    def kill_within(out: Path) -> int:
        """Kill it at its first shard; returns how many there are."""
        process = subprocess.Popen(command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 200
        while not list((out / "shards").glob("0*")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.kill()
        process.wait()
        return len(list((out / "shards").glob("0*")))

    whole = tmp_path / "whole"
    assert indexed(whole)["described"] == 8
    # On a busy machine the kill may come when all is done.
    tries = (
        (tmp_path / f"killed {number}", kill_within(tmp_path / f"killed {number}")) for number in range(5)
    )
    killed, written = next(one for one in tries if not (one[0] / "catalogue.safetensors").exists())
    assert indexed(killed)["kept"] == written
    assert files(killed) == files(whole)

    write_clip(videos / "new.mp4", moving_square("up", 30))
    (videos / "0.mp4").unlink()
    record = indexed(killed)
    assert [record[key] for key in ("described", "kept", "forgotten")] == [1, 7, 1]
    assert len(list((killed / "shards").glob("0*"))) == 8
