"""Episodes against plain loops, and the tables that are made of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from a2m2.bench import episodes
from a2m2.bench.episode_loop import measure_episode, whole_ratio
from a2m2.bench.episodes import Protocol, many_episodes, simulated_descriptors
from a2m2.bench.figures import read_figures
from a2m2.matching import A2Matcher

SMALL = Protocol(5, 1, 1, 48)


def test_the_loops_give_the_scores_of_the_matcher() -> None:
    pytest.importorskip("cv2")
    descriptors = simulated_descriptors(9, seed=1, dim=60)
    query, support = descriptors[torch.arange(5)], descriptors[torch.arange(5, 9)]
    expected = A2Matcher()(support, torch.arange(4), query, num_classes=4).logits
    times, ratios = measure_episode(query, support, rounds=1)
    assert set(times) == {"matcher", "repeated", "pair by pair"}
    for name, timed in times.items():
        torch.testing.assert_close(torch.from_numpy(timed.scores), expected, atol=1e-4, rtol=0)
        whole = (timed.cosines + timed.transport) / (times["matcher"].cosines + times["matcher"].transport)
        assert whole_ratio(times, name) == pytest.approx(whole)
        assert ratios[name].cosines == pytest.approx(timed.cosines / times["matcher"].cosines)


def test_long_runs_keep_the_records_of_single_episodes() -> None:
    table = many_episodes([SMALL], num_episodes=90, num_direct=20, num_threads=2)
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert row["episodes"] == "5-way 1-shot, 1 queries a class, 48 videos"
    assert row["same records"] == "yes"
    assert float(row["s, all"] or 0) > float(row["of it loading"] or 0) > 0


def test_memory_is_that_of_the_process_that_asks() -> None:
    """A process of its own: the peak of this one may lie far above what it holds now."""
    code = (
        "from a2m2.bench.memory import peak_mib; before = peak_mib(); block = bytearray(b'1') * (60 * 2**20); "
        "print(before, peak_mib())"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    before, after = map(float, shown.split())
    assert 55 < after - before < 130


def test_the_command_writes_its_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cv2")
    path = tmp_path / "episodes.json"
    episodes.main(["--rounds", "1", "--episodes", "0", "--memory", "--json", str(path)])
    (table,), _ = read_figures(path)
    assert table.title in capsys.readouterr().out
    assert table.command == "a2m2 bench episodes --rounds 1 --episodes 0 --memory"
    assert all(float(row[-1] or 0) < 1e-4 for row in table.rows)
