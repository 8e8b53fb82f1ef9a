"""The guides do what they say: every command and every line of Python in them runs, on generated clips."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from a2m2.synth import SynthConfig, draw_classes
from a2m2.synth.recording import draw_recording
from a2m2.video import write_clip
from guides import run_guide, steps
from tiny_clips import make_dataset, moving_square


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("A2M2_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_five_clips_to_a_recogniser(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = make_dataset(folder / "my_clips", splits={"": ["down", "left", "right", "up"]}, clips_per_class=5)
    (clips / "up").rename(clips / "jump")
    videos = sorted(clips.glob("*/*.mp4"))
    for name in ("new", "other"):
        write_clip(folder / f"{name}.mp4", moving_square("left", 77))
    (folder / "broken.mp4").write_text("no video")
    (folder / "wave").mkdir()
    write_clip(folder / "wave" / "004.mp4", moving_square("down", 5))
    known = {"paths": [str(path) for path in videos], "labels": [path.parent.name for path in videos]}
    run_guide("recognize.md", monkeypatch, known=known)
    assert (folder / "why" / "report.html").is_file()
    assert (folder / "actions.a2m2").is_file()


def test_bring_your_own_backbone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    run_guide(
        "bring-your-own-backbone.md",
        monkeypatch,
        shorten={
            "--clips 4": "--clips 2",
            "--set size=64": "--set size=32 --set num_frames=8",
            "--episodes 200": "--episodes 20",
        },
    )
    printed = capsys.readouterr().out
    assert "[(2, 8, " in printed
    assert "my_clips/test/" in printed


def test_find_an_action_in_a_match(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = SynthConfig(stratum="sequences", size=48)
    shown = [one for one in draw_classes("sequences", config.seed) if one.split == "test"]
    match = draw_recording(config, shown, seconds=15.0, number=0)
    write_clip(folder / "match.mp4", np.concatenate(list(match.frames())), fps=config.fps)
    no_camera = "--camera 97"
    run_guide(
        "spot.md",
        monkeypatch,
        shorten={
            "--clips 5": "--clips 2 --set size=48",
            "--camera 0": no_camera,
            "--camera match.mp4": "--camera match.mp4 --as-fast-as-possible",
        },
        failing=[f"a2m2 watch actions.a2m2 {no_camera}"],
    )
    assert all((folder / name).stat().st_size for name in ("match.eaf", "match.vtt", "match.svg"))
    with (folder / "found.csv").open() as file:
        assert csv.DictReader(file).fieldnames == ["video", "class", "start", "end", "probability", "score"]


@pytest.mark.parametrize("name", ["recognize.md", "spot.md", "bring-your-own-backbone.md"])
def test_guides_have_steps(name: str) -> None:
    kinds = {kind for kind, _ in steps(name)}
    assert kinds == {"python", "shell"}
