"""Cost against size: every curve can be measured, and exponents are those of the times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from a2m2.bench.cost_curves import CURVES, Curve
from a2m2.bench.costs import fit_exponent, main, measure
from a2m2.bench.figures import read_figures

COLLECTION = ("index", "search", "search-exhaustive")
SMALL = {"episodes-shared": 60, "index": 40, "search": 200, "search-exhaustive": 40}


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_the_smallest_size_of_every_curve_is_measured(curve: Curve) -> None:
    if curve.name in COLLECTION:
        pytest.importorskip("usearch")
    size = SMALL.get(curve.name, curve.sizes[0])
    (seconds,) = measure(curve, [size], rounds=1)
    assert 0 < seconds < 60


def test_an_exponent_is_the_slope_of_the_logarithms() -> None:
    sizes = [10, 20, 40, 80]
    exponent, half_width = fit_exponent(sizes, [3 * size**1.5 for size in sizes])
    assert exponent == pytest.approx(1.5)
    assert half_width == pytest.approx(0, abs=1e-6)
    noisy = [size * factor for size, factor in zip(sizes, (1.1, 0.9, 1.1, 0.9), strict=True)]
    slope, half_width = fit_exponent(sizes, noisy)
    x = np.log(sizes) - np.log(sizes).mean()
    y = np.log(noisy) - np.log(noisy).mean()
    assert slope == pytest.approx(x @ y / (x @ x))
    error = np.sqrt(((y - slope * x) ** 2).sum() / 2 / (x @ x))
    assert half_width == pytest.approx(4.302653 * error)


def test_the_command_writes_a_summary_and_a_table_a_curve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "costs.json"
    main(["--only", "frames", "dimension", "--rounds", "1", "--drop", "2", "--json", str(path)])
    (summary, frames, dimension), _ = read_figures(path)
    assert [row[0] for row in summary.rows] == [
        "frames of a clip, described from feature maps",
        "length of a descriptor, cosines",
    ]
    assert [row[0] for row in frames.rows] == [4, 8, 16, 32]
    assert dimension.plot == {"x": "dimension", "y": ["ms"]}
    printed = capsys.readouterr().out
    assert f"exponent {summary.rows[0][2]!s}, expected 1" in printed
