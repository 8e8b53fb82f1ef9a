"""What a GPU is worth: the program runs without one, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from a2m2.bench import gpu
from a2m2.bench.episodes import Protocol
from a2m2.bench.figures import read_figures


def test_without_a_gpu_its_columns_stay_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu, "PROTOCOLS", ((Protocol(5, 1, 1, 48), False), (Protocol(24, 1, 1, 48), True)))
    path = tmp_path / "gpu.json"
    sizes = ("--cpu-steps", "2", "--cpu-clips", "1", "--episodes", "3", "--configs", "motion-small")
    gpu.main([*sizes, "--json", str(path)])
    assert "GPU: none that torch can use; its columns stay empty" in capsys.readouterr().out
    (training, encoding, episodes), content = read_figures(path)
    assert content["gpu"] is None
    assert [row[0] for row in training.rows] == ["motion-small, pretrain", "motion-small, meta"]
    assert [row[0] for row in encoding.rows] == [
        "motion-small, from decoded frames",
        "motion-small, encoder alone",
    ]
    assert [row[1] for row in episodes.rows] == [3, 15]
    for table, measured in ((training, 1), (encoding, 1), (episodes, 2)):
        for row in table.rows:
            assert float(row[measured] or 0) > 0
            assert set(row[measured + 1 :]) == {None}
