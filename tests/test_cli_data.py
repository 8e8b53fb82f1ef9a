"""``a2m2 data``: counts first, faults named, broken videos found, a manifest that loads."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from a2m2.cli.main import main
from a2m2.data import content_digest, load_dataset
from list_fixtures import write_lists
from tiny_clips import make_dataset


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``videos`` with classes right and left of two clips, and ``lists/test.txt`` of them; the current folder."""
    make_dataset(tmp_path / "videos", splits={"": ["right", "left"]}, clips_per_class=2)
    write_lists(tmp_path / "lists", test=["right/00", "right/01", "left/00", "left/01"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("A2M2_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, command: str, *more: str) -> int:
    """Exit status of ``a2m2 data COMMAND videos --lists lists MORE``."""
    monkeypatch.setattr(sys, "argv", ["a2m2", "data", command, "videos", "--lists", "lists", *more])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


SMALL = ("--way", "2", "--shot", "1")


def test_check_of_a_clean_set(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "check", *SMALL, "--strict") == 0
    printed = capsys.readouterr().out
    assert "lists/test.txt: 4 lines of the format class/video (every line has a folder and a name)" in printed
    assert "videos: 4 of 4 lines have a video (4 videos in it)" in printed
    assert "only names were compared; --decode tells whether the videos can be read" in printed
    assert printed.endswith("nothing found\n")


def test_counts_come_first_without_any_video(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "videos").rename(place / "elsewhere")
    assert call(monkeypatch, "check", "--benchmark", "hmdb-51", "--out", "all.txt") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("benchmark: hmdb-51 (as asked)")
    assert (
        printed.index("10 / 1,292")
        < printed.index("there is no such folder")
        < printed.index("missing-video: 4")
    )
    assert "and 1 more; --out FILE writes all" in printed
    assert (place / "all.txt").read_text().count("missing-video\tlists/test.txt:") == 4
    assert call(monkeypatch, "check", "--strict") == 1


def test_a_truncated_video_is_found_and_remembered(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = place / "videos" / "left" / "01.mp4"
    clip.write_bytes(clip.read_bytes()[:-400])
    assert call(monkeypatch, "check", *SMALL, "--strict") == 0
    assert call(monkeypatch, "check", *SMALL, "--strict", "--decode") == 1
    printed = capsys.readouterr()
    assert "undecodable-video: 1" in printed.out
    assert "lists/test.txt:4: cannot decode videos/left/01.mp4: " in printed.out
    assert "decoding videos: 4/4" in printed.err
    passed = ("--allow", "undecodable-video", "--json")
    assert call(monkeypatch, "check", *SMALL, "--strict", "--decode", *passed) == 0
    printed = capsys.readouterr()
    assert "decoding" not in printed.err
    content = json.loads(printed.out)
    assert content["decoded"] is True
    assert content["matched"] == 4
    assert content["counts"]["test"]["smallest_class"] == "left"
    assert [(one["kind"], one["places"]) for one in content["findings"]] == [
        ("undecodable-video", ["lists/test.txt:4"])
    ]


def test_ctrl_c_while_decoding_loses_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from a2m2.data.lists.decoding import find_undecodable

    clips = sorted((place / "videos").rglob("*.mp4"))
    told: list[tuple[int, int]] = []

    def stop_after_two(done: int, total: int) -> None:
        told.append((done, total))
        if done == 2 and total == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_undecodable(clips, cache=place / "cache", num_workers=1, progress=stop_after_two)
    assert find_undecodable(clips, cache=place / "cache", num_workers=1, progress=stop_after_two) == {}
    assert told == [(1, 4), (2, 4), (1, 2), (2, 2)]


def test_import_writes_a_manifest_that_loads(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lists(place / "lists", test=["right/00", "right/01", "left/00", "left/01", "right/01", "left/02"])
    assert call(monkeypatch, "import", "--out", "set.csv") == 1
    assert (
        "error: 1 of 6 listed videos have no single file in videos, first lists/test.txt:6: left/02; "
        in capsys.readouterr().err
    )
    assert call(monkeypatch, "import", "--out", "set.csv", "--allow-missing", "--dry-run") == 0
    assert "would write 4 videos to set.csv" in capsys.readouterr().out
    assert not (place / "set.csv").exists()
    assert call(monkeypatch, "import", "--out", "set.csv", "--allow-missing") == 0
    printed = capsys.readouterr().out
    assert "1 repeated lines dropped, first lists/test.txt:5: right/01" in printed
    assert "1 videos left out, first lists/test.txt:6: left/02" in printed
    dataset = load_dataset(place / "set.csv")
    assert dataset.splits == ("test",)
    assert [(video.name, video.class_name) for video in dataset.videos] == [
        (f"videos/{name}/0{k}.mp4", name) for name in ("left", "right") for k in (0, 1)
    ]
    rows = (place / "set.csv").read_text().splitlines()
    assert rows[:2] == [
        "path,class,split,source,digest",
        f"videos/right/00.mp4,right,test,00,{content_digest(place / 'videos/right/00.mp4')}",
    ]
    assert call(monkeypatch, "import", "--out", "bare.csv", "--allow-missing", "--no-digest") == 0
    assert (place / "bare.csv").read_text().splitlines()[1] == "videos/right/00.mp4,right,test,00,"


@pytest.mark.parametrize(
    ("command", "more", "message"),
    [
        (
            "import",
            ("--out", "set.txt"),
            "expected a manifest that ends in .csv, got set.txt; name it set.csv",
        ),
        (
            "check",
            ("--benchmark", "ucf"),
            "no benchmark 'ucf'; did you mean ucf-101? Known are ssv2-full, ssv2-small, kinetics-100",
        ),
        ("check", ("--allow", "fish"), "no kind of finding 'fish'; known are count-differs, same-lists"),
    ],
)
def test_refused_options(
    command: str,
    more: tuple[str, ...],
    message: str,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, command, *more) == 1
    assert f"error: {message}" in capsys.readouterr().err


def test_a_video_in_two_splits_is_not_imported(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lists(place / "lists", test=["right/00"], val=["right/00"])
    assert call(monkeypatch, "import", "--out", "set.csv") == 1
    assert (
        "error: lists/test.txt:1 and lists/val.txt:1: 00 is in two splits, test and val; keep one of the lines"
        in capsys.readouterr().err
    )
