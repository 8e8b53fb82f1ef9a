"""The examples run and say what they promise."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from tiny_clips import make_dataset

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
