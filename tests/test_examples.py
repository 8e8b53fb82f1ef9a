"""The examples run and say what they promise."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from a2m2.video import write_clip
from tiny_clips import DIRECTIONS, make_dataset, moving_square

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_align_two_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_dataset(tmp_path / "clips", splits={"": ["right"]}, clips_per_class=2)
    clips = sorted(map(str, root.rglob("*.mp4")))
    monkeypatch.setattr(sys, "argv", ["align_two_clips.py", *clips])
    runpy.run_path(str(EXAMPLES / "align_two_clips.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert printed.startswith("Earth Mover's Distance 0.")
    assert " →  " in printed


def test_train_small(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def generate(out: Path, config: object) -> None:
        """Squares in place of rendered actions, which take their time."""
        for split in ("train", "val", "test"):
            for name in list(DIRECTIONS)[:5]:
                folder = out / split / f"{split}_{name}"
                folder.mkdir(parents=True)
                for number in range(2):
                    write_clip(folder / f"{number}.mp4", moving_square(name, seed=number))

    monkeypatch.setattr("a2m2.synth.generate", generate)
    runpy.run_path(str(EXAMPLES / "train_small.py"), run_name="__main__")
    pretrained, trained, tested = capsys.readouterr().out.splitlines()
    assert pretrained.startswith("pretrain: 4 steps, best validation ")
    assert trained.startswith("meta: 2 steps, best validation ")
    assert tested.endswith(" % on novel classes")
