"""The page of performance figures: what was measured, what was not, and plots whose points lie where they should."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from a2m2.bench.figures import FigureTable, write_figures
from a2m2.bench.line_plot import line_plot
from a2m2.bench.performance import SECTIONS, main, write_page
from a2m2.errors import DataError, RecordError


def test_a_page_of_what_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures, page = tmp_path / "figures", tmp_path / "docs" / "speed.md"
    figures.mkdir()
    curve = FigureTable(
        "Cost against ways",
        ("ways", "ms"),
        ((5, 1.0), (10, 2.0)),
        "N = 3.",
        "a2m2 bench costs",
        {"x": "ways", "y": ["ms"]},
    )
    write_figures(figures / "costs.json", [curve])
    (figures / "ot.json").write_text(
        json.dumps(
            {"seed": 7, "speed": [{"nodes": 14, "fast": True}], "gap": 1e-9, "a": {"b": {"c": {"d": 1}}}}
        )
    )
    write_figures(figures / "own.json", [FigureTable("Mine", ("what", "n"), (("a", 1),))])
    main([str(figures), "--into", str(page), "--note", "On a train."])
    text = page.read_text()
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == [*SECTIONS.values(), "Own"]
    assert "    a2m2 bench costs\n" in text
    assert "| 10 | 2.00 |" in text
    assert "N = 3." in text
    assert text.index("On a train.") < text.index("## ")
    assert "| speed 1, nodes | 14 |" in text
    assert "| gap | 1.0e-09 |" in text
    assert "seed" not in text
    assert "a, b, c" not in text
    assert "Not measured yet: `a2m2 bench kills --json FOLDER/kills.json`." in text
    assert "![Cost against ways](speed/costs-1.svg)" in text
    ElementTree.fromstring((tmp_path / "docs" / "speed" / "costs-1.svg").read_text())
    assert "not measured: episodes, coarse, search, decode, gpu, kills, fuzz" in capsys.readouterr().out


def test_one_section_is_put_in_place_and_the_others_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "speed.md"
    for name in ("ot", "decode", "own"):
        table = FigureTable(f"Old {name}", ("what", "n"), (("a", 1),), "", f"a2m2 bench {name}")
        write_figures(tmp_path / f"{name}.json", [table])
    main([str(tmp_path), "--into", str(page), "--note", "On a train."])
    before = page.read_text()
    new = FigureTable("New decode", ("what", "n"), (("a", 2),), "", "a2m2 bench decode --rounds 3")
    write_figures(tmp_path / "decode.json", [new])
    main([str(tmp_path / "decode.json"), "--into", str(page), "--keep"])
    after = page.read_text()
    old, changed = (re.split(r"^(?=## )", text, flags=re.MULTILINE) for text in (before, after))
    assert [i for i in range(len(old)) if old[i] != changed[i]] == [list(SECTIONS).index("decode") + 1]
    assert len(old) == len(changed) == len(SECTIONS) + 2
    assert "### New decode" in after
    assert "    a2m2 bench decode --rounds 3\n" in after
    assert "Old decode" not in after
    main([str(tmp_path / "decode.json"), "--into", str(page), "--keep", "--note", "At home."])
    assert page.read_text() == after.replace("On a train.", "At home.")
    capsys.readouterr()
    main([str(tmp_path / "decode.json"), "--into", str(page)])
    assert "not measured: ot, " in capsys.readouterr().out
    with pytest.raises(DataError, match=r"missing\.json holds no JSON files"):
        write_page([tmp_path / "missing.json"], page)


def test_points_of_a_plot_lie_on_a_line_of_its_slope() -> None:
    svg = line_plot("n", "ms", [("a", [(1, 2), (10, 20), (100, 200), (0, 5)]), ("b <c>", [(1, 1), (100, 1)])])
    root = ElementTree.fromstring(svg)
    lines = [element.get("points", "") for element in root if element.tag.endswith("polyline")]
    points = [[tuple(map(float, pair.split(","))) for pair in line.split()] for line in lines]
    assert [len(line) for line in points] == [3, 2]
    (x0, y0), (x1, y1), (x2, y2) = points[0]
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)
    assert y0 > y1
    assert points[1][0][1] == points[1][1][1] > y0
    labels = [element.text for element in root if element.tag.endswith("text")]
    assert {"1", "10", "100", "n", "ms", "b <c>"} <= set(labels)
    with pytest.raises(ValueError, match="got none"):
        line_plot("n", "ms", [("a", [(0, 1)])])


def test_folders_without_figures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no JSON files"):
        write_page([tmp_path], tmp_path / "page.md")
    (tmp_path / "ot.json").write_text("{")
    with pytest.raises(RecordError, match=r"ot\.json holds no figures"):
        write_page([tmp_path], tmp_path / "page.md")
    assert not (tmp_path / "page.md").exists()
