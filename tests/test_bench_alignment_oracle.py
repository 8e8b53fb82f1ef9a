"""Alignment truth of candidates that know one sub-action each."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2m2.bench.alignment_oracle import STRETCHES, known_labels, main, oracle_shares
from a2m2.records import SubActionSpan
from a2m2.synth import SynthConfig, generate


def test_what_fills_most_of_a_stretch_is_known() -> None:
    """``a`` until 2.3 s, ``b`` until 4.1 s, then nothing; frames at 1, 2, 3, 4, 5 s."""
    spans = [SubActionSpan("a", 0.0, 2.3), SubActionSpan("b", 2.3, 4.1)]
    times = [[1.0, 2.0, 3.0, 4.0, 5.0]]
    known = {what: known_labels([spans], times, stretch)[0].tolist() for what, stretch in STRETCHES.items()}
    assert known["the frame itself"] == [0, 0, 1, 1, -1]
    assert known["from the frame before to the frame"] == [0, 0, 1, 1, -1]
    late = known_labels([spans], times, (-1.9, 0.0))[0].tolist()
    assert late == [0, 0, 0, 1, 1], "a stretch that ends at the frame is late"


def test_truth_falls_with_what_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = {
        "stratum": "sets",
        "timing": 1.0,
        "order": 1.0,
        "clips_per_class": 2,
        "splits": ["test"],
        "size": 32,
    }
    generate(tmp_path / "sets", SynthConfig.build(config), num_workers=1)
    shares = oracle_shares(tmp_path / "sets", num_frames=8, num_pairs=60)
    itself, before, around = (shares[what][0] for what in STRETCHES)
    assert before < around < itself < 1
    assert itself > 0.8
    main([str(tmp_path / "sets"), "--pairs", "60"])
    assert f"{100 * before:.1f} ±" in capsys.readouterr().out
