"""The program that reads a folder of files and damaged copies of them."""

from __future__ import annotations

import json
import os
import random
import time
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from scipy.stats import binom

from a2m2.bench import decode, decode_rates, performance
from a2m2.bench.figures import read_figures
from a2m2.video import read_clip, write_clip
from video_fixtures import numbered_frames

FRAMES = numbered_frames(12)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    write_clip(folder / "a.mp4", FRAMES)
    write_clip(folder / "b.webm", FRAMES)
    (folder / "c.txt").write_text("no video")
    return folder


def test_files_are_told_apart(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "_REPEATS", 1)
    with pytest.raises(SystemExit, match="0"):
        decode.main([str(folder), "--json", str(tmp_path / "figures.json")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[:5] == ["a.mp4", "12", "0.750", "64x64", "h264"]
    assert lines[3].split()[:5] == ["b.webm", "12", "0.750", "64x64", "vp9"]
    assert lines[4].split(maxsplit=1)[1].startswith("FFmpeg finds no video in it")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [report["name"] for report in figures["files"]] == ["a.mp4", "b.webm", "c.txt"]
    assert figures["files"][0]["info"]["num_frames"] == 12
    assert figures["damaged"] == {}


def test_rates_are_a_table_of_the_performance_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = decode_rates.Kind(2, 24, 12), decode_rates.Kind(1, 24, 30)
    monkeypatch.setattr(decode, "rate_table", partial(decode_rates.rate_table, kinds=kinds))
    decode.main(["--rounds", "3", "--json", str(tmp_path / "decode.json")])
    (table,), _ = read_figures(tmp_path / "decode.json")
    assert table.command == "a2m2 bench decode --rounds 3"
    assert "N = 3 rounds over 2, 1 clips" in table.note
    ways = ["bare loop", "read_clip", 'read_clip, check="needed"', "bare loop that seeks"]
    assert [row[:3] for row in table.rows] == [
        *((kinds[0].name, 1, way) for way in ways),
        *((kinds[0].name, 2, way) for way in ways),
        *((kinds[1].name, 1, way) for way in ways[:3]),
    ]
    for row in table.rows:
        low, high = map(float, str(row[6]).split(" to "))
        assert low - 5e-4 <= float(row[5]) <= high + 5e-4
        assert row[2] != "bare loop" or row[5] == 1.0
    performance.main([str(tmp_path), "--into", str(tmp_path / "page.md")])
    page = (tmp_path / "page.md").read_text()
    assert "## Decoding\n\n    a2m2 bench decode --rounds 3\n" in page
    assert "### Reading 8 frames of a clip" in page


@pytest.mark.parametrize(("number", "skipped"), [(1, 0), (5, 0), (6, 0), (9, 1), (21, 5), (100, 39)])
def test_the_interval_of_a_median_by_the_binomial(number: int, skipped: int) -> None:
    """Against scipy: the most values that can be skipped at either end."""
    values = [float(k) for k in range(number)]
    assert decode_rates.median_interval(values[::-1]) == (skipped, number - 1 - skipped)
    assert number < 6 or 2 * binom.cdf(skipped, number, 0.5) <= 0.05
    assert 2 * binom.cdf(skipped + 1, number, 0.5) > 0.05


def test_damage_is_what_it_says() -> None:
    data = bytes(range(1, 256)) * 40
    dice = random.Random(0)
    kinds = set()
    for _ in range(200):
        kind, changed = decode.damaged(data, dice)
        kinds.add(kind)
        if kind == "cut":
            assert data.startswith(changed)
            assert len(changed) < len(data)
            continue
        different = [(old, new) for old, new in zip(data, changed, strict=True) if old != new]
        if kind == "flipped":
            assert sum((old ^ new).bit_count() for old, new in different) in range(11)
        else:
            assert {new for _, new in different} == {0}
    assert kinds == {"cut", "flipped", "zeroed"}


def serve_trouble(connection: Connection) -> None:
    """Crash, hang or fail as the name of the file asks."""
    connection.send("ready")
    while True:
        match connection.recv().name:
            case "crash":
                os._exit(7)
            case "hang":
                time.sleep(60)
            case "untyped":
                connection.send((False, "KeyError: 3"))
            case "error":
                connection.send((True, "cannot decode"))
            case name:
                connection.send(read_clip(name, num_frames=8))


@pytest.mark.slow
def test_crashes_and_hangs_are_seen_and_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip("a.mp4", FRAMES)
    write_clip("b.mp4", FRAMES[:11])
    write_clip("c.mp4", FRAMES.flip(0))
    expected = read_clip("a.mp4", num_frames=8)
    reader = decode.Reader(limit_seconds=1.0, serve=serve_trouble)
    names = ["a.mp4", "crash", "b.mp4", "hang", "c.mp4", "untyped", "error"]
    outcomes = [reader.outcome(Path(name), expected) for name in names]
    reader.close()
    assert outcomes == [
        ("same frames", ""),
        ("crash", "exit code 7"),
        ("other frames", ""),
        ("hang", "longer than 1.0 s"),
        ("other pixels", ""),
        ("untyped", "KeyError: 3"),
        ("error", "cannot decode"),
    ]


@pytest.mark.slow
def test_damaged_copies_of_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        decode.main([str(folder), "--damaged", "40"])
    table = [line.split() for line in capsys.readouterr().out.splitlines()[-3:]]
    assert [row[0] for row in table] == ["cut", "flipped", "zeroed"]
    counts = [[int(cell) for cell in row[1:]] for row in table]
    assert sum(map(sum, counts)) == 40
    assert sum(counts[0][1:]) == 0  # every cut is an error
    assert all(row[-3:] == [0, 0, 0] for row in counts)
