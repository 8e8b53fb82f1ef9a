"""Tables in Markdown files come from records, between marks."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2m2.bench.figures import FigureTable, write_figures
from a2m2.bench.marks import fill_marks
from a2m2.bench.tables import main
from a2m2.config import load
from a2m2.errors import RecordError
from a2m2.eval.evaluate import evaluate
from a2m2.settings import EvaluateSettings
from tiny_clips import make_dataset


def test_a_run_becomes_a_table_between_marks(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "squares", splits={"test": ["right", "left", "down"]}, clips_per_class=3)
    settings = load(
        EvaluateSettings,
        data=str(data),
        methods=["a2m2_net", "diagonal"],
        fit="transductive",
        video={"resize": 48, "crop": 48},
        protocol={"way": 3, "episodes": 20},
    )
    result = evaluate(settings, out=tmp_path / "run", cache=tmp_path / "cache")
    page = tmp_path / "results.md"
    page.write_text("before\n<!-- begin x -->\nold\n<!-- end x -->\nafter\n")
    for _ in range(2):
        main([str(page), "--mark", "x", str(tmp_path / "run")])
    text = page.read_text()
    accuracy = result.summary.methods["a2m2_net"]
    begin = "before\n<!-- begin x -->\n**run** (test): 3-way 1-shot, 1 query a class, 20 episodes, seed 0"
    assert text.startswith(begin)
    assert text.endswith("\n<!-- end x -->\nafter\n")
    assert "old" not in text
    assert f"| `a2m2_net` | {100 * accuracy.accuracy:.2f} ± {100 * accuracy.interval95:.2f} |" in text
    assert text.count("| `diagonal` |") == 2


def test_what_a_program_printed_becomes_a_block(tmp_path: Path) -> None:
    page, printed = tmp_path / "results.md", tmp_path / "out.txt"
    page.write_text("<!-- begin x --><!-- end x -->")
    printed.write_text("a  1\nb  2\n")
    main([str(page), "--mark", "x", "--text", str(printed)])
    assert page.read_text() == "<!-- begin x -->\n```\na  1\nb  2\n```\n<!-- end x -->"


def test_what_a_program_wrote_is_drawn_without_measuring_again(tmp_path: Path) -> None:
    page, written = tmp_path / "page.md", tmp_path / "search.json"
    page.write_text("<!-- begin x --><!-- end x -->")
    table = FigureTable("Time", ("clips", "ms"), ((1000, 2.5),), note="Busy.", command="a2m2 bench search")
    write_figures(written, [table, table])
    main([str(page), "--mark", "x", "--figures", str(written)])
    text = page.read_text()
    assert text.startswith("<!-- begin x -->\n    a2m2 bench search\n\nOn ")
    assert text.count("    a2m2 bench search\n") == 1
    assert text.count("**Time**\n\n| clips | ms |\n| --- | ---: |\n| 1,000 | 2.50 |\n\nBusy.\n") == 2


def test_missing_marks_and_files_are_named(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing here")
    with pytest.raises(
        RecordError, match=r"expected the marks '<!-- begin x -->' and '<!-- end x -->' in the file"
    ):
        fill_marks(page, {"x": "table"})
    assert page.read_text() == "nothing here"
    with pytest.raises(RecordError, match=r"no file .*pag.md; did you mean .*page.md"):
        fill_marks(tmp_path / "pag.md", {"x": "table"})
