"""The benchmark of long videos: what it solves is what the matcher solves, and its tables reach file and document."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from a2m2.bench.coarse import KINDS, main, measure, rendered_pairs, shipped
from a2m2.bench.figures import read_figures
from a2m2.matching.node_weights import WeightRule
from a2m2.ot import emd


def test_frames_are_the_most_that_stay_below_the_number_of_candidates() -> None:
    network = shipped()
    for nodes, frames in ((64, 37), (128, 73), (512, 293)):
        assert network.frames_for(nodes) == frames
        assert len(network.windows(frames)) <= nodes < len(network.windows(frames + 1))


@pytest.mark.parametrize("rule", ["uniform", "cross_reference"])
def test_the_problem_is_that_of_the_matcher(rule: WeightRule) -> None:
    network = shipped()
    network.matcher.weights = rule
    pixels = torch.randint(256, (2, 8, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    query, support = (network.encode([one.byte().numpy()]) for one in pixels)
    with torch.inference_mode():
        score = network.matcher(support, torch.tensor([0]), query, num_classes=1).logits
        expected = network.matcher.temperature() * (1 - emd(*network.problem(query, support, rule)))
    torch.testing.assert_close(score.squeeze(), expected.squeeze())


def test_gaps_of_a_rendered_pair_are_within_the_tolerance() -> None:
    network = shipped()
    ((query, support),) = rendered_pairs(network, 130, 1)
    figures = measure(network.problem(query, support, "uniform"), tolerance=0.01, rounds=1)

    assert -1e-6 <= figures.true <= figures.certified + 1e-6
    assert figures.certified <= 0.01
    assert not figures.exact
    assert min(figures.full_ms, figures.within_ms) > 0


def test_tables_are_printed_written_and_put_into_a_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document, figures = tmp_path / "long.md", tmp_path / "coarse.json"
    document.write_text(
        "".join(
            f"<!-- begin {mark} -->\n<!-- end {mark} -->\n" for mark in ("coarse-speed", "coarse-accuracy")
        )
    )
    small = [
        "--sizes",
        "64",
        "--pairs",
        "1",
        "--rounds",
        "1",
        "--frames",
        "8",
        "16",
        "--classes",
        "3",
        "--clips",
        "2",
    ]
    main([*small, "--json", str(figures), "--into", str(document)])

    tables, _ = read_figures(figures)
    assert [row[:2] for row in tables[0].rows] == [(kind, 64) for kind, _ in KINDS]
    assert [row[:2] for row in tables[1].rows] == [(8, 14), (16, 28)]
    assert tables[0].command.startswith("a2m2 bench coarse --sizes 64")
    printed, written = capsys.readouterr().out, document.read_text()
    for table in tables:
        assert table.text() in printed
        assert table.markdown() in written
