"""``a2m2 spot`` and ``a2m2 watch``: from enrolled clips to segments, files for other programs, damage, Ctrl-C."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from a2m2.errors import DecodeError
from a2m2.recognize import Recognizer
from a2m2.spotting import judging, scoring, search
from a2m2.spotting.scoring import ScoredWindows
from a2m2.video import write_clip
from recognize_fixtures import small, squares
from test_cli import call, error_line
from tiny_clips import NUM_FRAMES, moving_square

SHOWN = ["still", "left", "still", "down", "still", "still"]
SURE = ("--threshold", "6", "--speeds", "1")
"""Recordings of a few seconds say nothing about themselves; windows of one length are the fewest."""


@pytest.fixture(scope="module")
def actions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squares that go left or down, of one second."""
    folder = tmp_path_factory.mktemp("actions")
    recognizer: Recognizer = small(folder / "cache").fit(*squares(("down", "left")))
    # Frames given as arrays count as 25 a second; the recording has 16.
    recognizer.save(folder / "actions.a2m2")
    return folder / "actions.a2m2"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six clips one after the other, of which the second and the fourth show something."""
    return record(tmp_path_factory.mktemp("recording") / "long.mp4", SHOWN)


def record(path: Path, shown: list[str]) -> Path:
    """Write clips one after the other."""
    write_clip(path, np.concatenate([moving_square(name, 3) for name in shown]), fps=25, crf=10)
    return path


def found(printed: str) -> list[tuple[str, float, float]]:
    (entry,) = json.loads(printed)
    return [(one["class"], one["start"], one["end"]) for one in entry["segments"]]


def test_from_a_recording_to_segments_and_files(
    actions: Path,
    recording: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = [tmp_path / name for name in ("long.eaf", "long.vtt", "long.svg")]
    places = ("--elan", files[0], "--vtt", files[1], "--timeline", files[2])
    assert call(monkeypatch, "spot", actions, recording, *SURE, "--json", *places) == 0
    captured = capsys.readouterr()
    segments = found(captured.out)
    assert [label for label, _, _ in segments] == ["left", "down"]
    second = NUM_FRAMES / 25
    for (_, start, end), number in zip(segments, (1, 3), strict=True):
        common = min(end, (number + 1) * second) - max(start, number * second)
        assert common / (end - start + second - common) >= 0.5
    assert all(f"wrote {file}" in captured.err for file in files)
    tiers = ET.parse(files[0]).getroot().findall("TIER")
    assert [len(tier.findall("ANNOTATION")) for tier in tiers] == [1, 1]
    assert files[1].read_text().count(" --> ") == 2

    assert call(monkeypatch, "spot", actions, recording, *SURE, "--csv") == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [(row["class"], float(row["start"]), float(row["end"])) for row in rows] == segments
    assert call(monkeypatch, "spot", actions, recording, *SURE) == 0
    printed = capsys.readouterr().out
    assert "2 segments" in printed
    assert "left" in printed


def test_a_longer_recording_says_itself_what_counts(
    actions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    idle = ["still", "up", "still"] * 2
    path = record(tmp_path / "long.mp4", [*idle, "left", *idle, "down", *idle])
    monkeypatch.setattr(judging, "FEWEST", 60)  # of the 77 windows there are
    assert call(monkeypatch, "spot", actions, path, "--json", "--speeds", "1") == 0
    assert {label for label, _, _ in found(capsys.readouterr().out)} == {"left", "down"}


def test_a_dry_run_says_what_it_would_do(
    actions: Path, recording: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "spot", actions, recording, "--dry-run", "--speeds", "1", "--vtt", "x.vtt") == 0
    printed = capsys.readouterr().out
    assert "actions: down, left" in printed
    assert "would look at" in printed
    assert "would write x.vtt" in printed
    assert not Path("x.vtt").exists()


def test_a_dry_run_names_what_cannot_be_read(
    actions: Path,
    recording: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text, missing = tmp_path / "text.mp4", tmp_path / "missing.mp4"
    text.write_text("hello\n")
    capsys.readouterr()
    out = tmp_path / "out"
    arguments = ("spot", actions, text, recording, missing, "--dry-run", "--speeds", "1", "--vtt", out)
    assert call(monkeypatch, *arguments) == 1
    captured = capsys.readouterr()
    assert f"{recording}: " in captured.out
    assert "would look at" in captured.out
    written = [line for line in captured.out.splitlines() if line.startswith("would write ")]
    assert written == [f"would write {out / recording.stem}.vtt"]
    assert f"error: cannot decode {text}: FFmpeg finds no video in it" in captured.err
    assert f"error: cannot decode {missing}: no such file; check the path" in captured.err
    assert not out.exists()
    assert call(monkeypatch, "spot", actions, missing, "--dry-run") == 1


def test_recordings_that_cannot_be_read_and_one_that_can(
    actions: Path,
    recording: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text, sound = tmp_path / "text.mp4", tmp_path / "missing.mp4"
    text.write_text("hello\n")
    assert call(monkeypatch, "spot", actions, text, recording, sound, *SURE, "--json") == 1
    captured = capsys.readouterr()
    first, second, third = json.loads(captured.out)
    assert (first["segments"], third["segments"]) == ([], [])
    assert first["error"]
    assert third["error"]
    assert second["error"] is None
    assert len(second["segments"]) == 2
    assert captured.err.count("error: cannot decode") == 2


def test_damage_in_the_middle_is_told_and_what_came_before_is_kept(
    actions: Path,
    recording: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = tmp_path / "broken.mp4"
    content = bytearray(recording.read_bytes())
    # Pictures lie between the headers; a part of them late in the recording is overwritten.
    start = content.index(b"mdat") + 4
    length = int.from_bytes(content[start - 8 : start - 4], "big") - 8
    damaged = slice(start + 6 * length // 10, start + 7 * length // 10)
    content[damaged] = bytes(damaged.stop - damaged.start)
    broken.write_bytes(content)
    assert call(monkeypatch, "spot", actions, broken, *SURE, "--json") == 1
    captured = capsys.readouterr()
    (entry,) = json.loads(captured.out)
    assert entry["ending"] == "damage"
    assert 1.2 < entry["read_seconds"] < 3.8
    assert [one["class"] for one in entry["segments"]][:1] == ["left"]
    assert f"warning: {broken} could be read up to 00:00:0" in captured.err
    assert "what comes later was not searched" in captured.err


def test_ctrl_c_leaves_what_was_found(
    actions: Path, recording: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = scoring.score_windows

    def interrupted(*arguments: object, **options: object) -> Iterator[ScoredWindows]:
        for number, part in enumerate(whole(*arguments, **options)):  # type: ignore[arg-type]
            if number == 1:
                raise KeyboardInterrupt
            yield part

    monkeypatch.setattr(search, "score_windows", interrupted)
    monkeypatch.setattr(scoring, "_BATCH", 8)  # the second action lies in later batches
    assert call(monkeypatch, "spot", actions, recording, recording, *SURE, "--json") == 130
    captured = capsys.readouterr()
    (entry,) = json.loads(captured.out)
    assert entry["ending"] == "interrupt"
    assert [one["class"] for one in entry["segments"]] == ["left"]
    assert "stopped at 00:00:0" in captured.err


def test_ctrl_c_while_a_recording_is_opened_keeps_those_before_it(
    actions: Path,
    recording: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(path: Path) -> object:
        if path == recording:
            raise KeyboardInterrupt
        raise DecodeError(path, "it is empty", "copy it again")

    monkeypatch.setattr(search, "VideoStream", interrupted)
    assert call(monkeypatch, "spot", actions, tmp_path / "none.mp4", recording, "--json") == 130
    captured = capsys.readouterr()
    (entry,) = json.loads(captured.out)
    assert entry["error"] == "it is empty; copy it again"
    assert f"stopped before {recording} was searched" in captured.err


def test_options_that_cannot_be_used(
    actions: Path,
    recording: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for options, message in (
        (("--json", "--csv"), "error: --json and --csv exclude each other; give one"),
        (("--speeds", "fast"), "error: expected speeds as numbers with commas between, got 'fast'"),
        (("--speeds", "0"), "error: expected speeds from 0.05 to 20, got 0; "),
        (("--threshold", "nan"), "error: expected a finite score as threshold, got nan; "),
        (("--merge", "-1"), "error: expected a gap of 0 s or more to merge over, got -1 s"),
        (("--timeline", "x.gif"), "error: expected a file that ends in .svg or .png, got x.gif; rename it"),
        ((tmp_path / "long.mp4", "--vtt", tmp_path), "error: two recordings would be written to one file in"),
    ):
        assert call(monkeypatch, "spot", actions, recording, *options) == 1
        assert error_line(capsys).startswith(message)


def test_watching_a_file_tells_starts_and_ends(
    actions: Path, recording: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("watch", actions, "--camera", recording, "--as-fast-as-possible", "--json", *SURE)
    assert call(monkeypatch, *arguments) == 0
    captured = capsys.readouterr()
    events = [json.loads(line) for line in captured.out.splitlines()]
    kinds = [(event["event"], event["class"]) for event in events]
    assert kinds == [(kind, name) for name in ("left", "down") for kind in ("start", "end")]
    times = [event["seconds"] for event in events]
    assert times == sorted(times)
    assert captured.err.endswith("2 actions seen, 0 frames dropped\n")


def test_a_camera_that_is_not_there(
    actions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "watch", actions, "--camera", "97") == 1
    line = error_line(capsys)
    assert line.startswith("error: cannot open camera 97 (")
    assert line.endswith("plug it in, or give another number, a URL or a file")
