"""The figures the page prints are those of the records; drawings lie where the figures say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from report_records import Task, write_results

from a2m2.errors import RecordError
from a2m2.records import read_episodes
from a2m2.report.accuracy import accuracy
from a2m2.report.by_class import by_class
from a2m2.report.charts import accuracy_bar, axis_around_zero, difference_whisker
from a2m2.report.confusion import confusion
from a2m2.report.differences import differences
from a2m2.report.inputs import Results, read_results
from a2m2.report.page import render
from a2m2.report.side_by_side import side_by_side
from a2m2.report.svg import element
from a2m2.report.wording import counted, digits_for, listed, percent, shortened, signed

FOUR = Task(methods=("mean_feature", "a2m2_net", "protonet", "diagonal"), episodes=120)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("figures")
    write_results(folder, FOUR)
    return read_results([folder])[0]


def accuracies(results: Results, method: str) -> np.ndarray:
    queries = results.run.way * results.run.query
    return np.array([record.num_correct(method) / queries for record in read_episodes(results.folder)])


def test_accuracy_table_is_sorted_and_right(results: Results) -> None:
    table = accuracy(results)
    means = [float(row.accuracy) for row in table.rows]
    assert means == sorted(means, reverse=True)
    for row in table.rows:
        own = accuracies(results, row.name)
        assert row.accuracy == f"{100 * own.mean():.1f}"
        assert row.interval == f"{196 * own.std() / np.sqrt(len(own)):.1f}"
        assert (row.episodes, row.queries) == ("120", "2")
        assert row.description == results.run.methods[row.name]


def test_differences_are_paired_and_marked(results: Results) -> None:
    view = differences(results)
    assert view is not None
    best = accuracies(results, view.best)
    for row in view.rows:
        gap = best - accuracies(results, row.other)
        half_width = 1.96 * gap.std() / np.sqrt(len(gap))
        assert row.difference == signed(gap.mean())
        assert row.interval == f"{100 * half_width:.1f}"
        assert row.clear == (abs(gap.mean()) > half_width)
    for i, row in enumerate(view.matrix):
        assert row[i] is None
        for j, cell in enumerate(row):
            other = view.matrix[j][i]
            if cell is not None:
                assert other is not None
                assert {cell.difference[0], other.difference[0]} in ({"+", "−"}, {"0"})
                assert cell.difference.lstrip("+−") == other.difference.lstrip("+−")


def test_two_methods_need_no_matrix_and_few_pairs_no_caution(results: Results) -> None:
    summary = results.summary
    kept = {name: summary.methods[name] for name in ("a2m2_net", "protonet")}
    pairs = tuple(pair for pair in summary.pairs if {pair.a, pair.b} == set(kept))
    view = differences(replace(results, summary=replace(summary, methods=kept, pairs=pairs)))
    assert view is not None
    assert view.matrix == ()
    assert view.caution == ""


def test_many_pairs_are_read_with_caution(results: Results) -> None:
    summary = replace(results.summary, pairs=results.summary.pairs * 2)
    view = differences(replace(results, summary=summary))
    assert view is not None
    assert view.caution.startswith("With 12 comparisons, about one in twenty")


def test_classes_keep_the_best_method_s_order_and_the_hardest_are_named(results: Results) -> None:
    view = by_class(results)
    assert view is not None
    assert [chart.method for chart in view.charts] == [row.name for row in accuracy(results).rows]
    orders = {tuple(row.name for row in chart.rows) for chart in view.charts}
    assert len(orders) == 1
    values = [float(row.value) for row in view.charts[0].rows]
    assert values == sorted(values, reverse=True)
    for chart in view.charts:
        worst = min(chart.rows, key=lambda row: float(row.value))
        assert chart.hardest.startswith("hardest: ")
        assert f"({worst.value} %)" in chart.hardest
    assert 'class="best"' not in view.charts[0].rows[0].dot
    assert 'class="best"' in view.charts[1].rows[0].dot


def test_class_without_queries_is_named(tmp_path: Path) -> None:
    write_results(tmp_path, Task(classes=tuple("abcdefgh"), episodes=1))
    (results,) = read_results([tmp_path])
    view = by_class(results)
    assert view is not None
    assert len(view.charts[0].rows) == 3
    assert re.fullmatch(r"Never queried, so without a figure: \w, \w, \w, \w and \w\.", view.unseen)


def test_mistakes_and_cells_are_those_of_the_matrix(results: Results) -> None:
    view = confusion(results)
    assert view is not None
    for chart in view.charts:
        matrix = np.array(results.summary.methods[chart.method].confusion)
        shares = matrix / matrix.sum(1, keepdims=True)
        off = shares - np.diag(np.diag(shares))
        first = chart.mistakes[0]
        i, j = results.summary.classes.index(first.truth), results.summary.classes.index(first.named)
        assert off[i, j] == off.max()
        cells = [
            r for r in ElementTree.fromstring(chart.picture).iter("rect") if r.get("class") in ("hit", "miss")
        ]
        assert len(cells) == (shares >= 0.005).sum()
        hits = [float(cell.get("fill-opacity", "")) for cell in cells if cell.get("class") == "hit"]
        assert hits == pytest.approx(np.sqrt(np.diag(shares)), abs=0.006)


def test_run_without_mistakes_has_no_colour_for_them(tmp_path: Path) -> None:
    write_results(tmp_path, Task(classes=("a", "b"), way=2, methods=("a2m2_net",), skill=100.0))
    (results,) = read_results([tmp_path])
    view = confusion(results)
    assert view is not None
    assert [entry.kind for entry in view.legend] == ["hit"]
    assert view.charts[0].mistakes == ()


def test_runs_over_the_same_episodes_are_paired(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("weak", "strong", "other")]
    write_results(folders[0], FOUR)
    write_results(folders[1], replace(FOUR, skill=1.0))
    write_results(folders[2], replace(FOUR, seed=1))
    runs = read_results(folders)
    paired, everything = side_by_side(runs)
    assert [head.label for head in paired.heads] == ["weak", "strong"]
    assert [head.label for head in everything.heads] == ["weak", "strong", "other"]
    for method, (first, second) in paired.rows:
        gap = accuracies(runs[1], method) - accuracies(runs[0], method)
        assert first is not None
        assert second is not None
        assert first.difference == ""
        assert second.difference.split()[0] == signed(gap.mean())
    assert all(entry is None or not entry.difference for _, row in everything.rows for entry in row)
    page = render(folders)
    assert "<h1>3 evaluations side by side</h1>" in page
    assert len(re.findall(r'<article id="run\d" class="run"', page)) == 3


def test_damaged_episodes_of_a_paired_run(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_results(tmp_path / name, FOUR)
    with (tmp_path / "b" / "episodes.jsonl").open("a") as file:
        file.write("{\n")
    with pytest.raises(RecordError, match=r"episodes\.jsonl line 121 is damaged .*; evaluate again"):
        render([tmp_path / "a", tmp_path / "b"])


def test_methods_of_one_run_only(tmp_path: Path) -> None:
    write_results(tmp_path / "a", replace(FOUR, methods=("a2m2_net",)))
    write_results(tmp_path / "b", replace(FOUR, methods=("protonet",)))
    (table,) = side_by_side(read_results([tmp_path / "a", tmp_path / "b"]))
    assert [(method, [entry is None for entry in row]) for method, row in table.rows] == [
        ("a2m2_net", [False, True]),
        ("protonet", [True, False]),
    ]


def test_one_run_is_beside_nothing(results: Results) -> None:
    assert side_by_side([results]) == []


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8))
def test_axis_holds_zero_and_everything_with_round_ticks(reach: list[float]) -> None:
    axis = axis_around_zero(reach)
    assert axis.low <= min(0.0, *reach) + 1e-9
    assert axis.high >= max(0.0, *reach) - 1e-9
    assert any(abs(tick) < 1e-9 for tick in axis.ticks)
    assert 2 <= len(axis.ticks) <= 7
    for tick in axis.ticks:
        assert -1e-9 <= (tick - axis.low) / (axis.high - axis.low) <= 1 + 1e-9


def lines(drawing: Markup, kind: str) -> list[tuple[float, float]]:
    root = ElementTree.fromstring(drawing)
    found = [line for line in root.iter("line") if line.get("class") == kind]
    return [(float(line.get("x1", "").rstrip("%")), float(line.get("x2", "").rstrip("%"))) for line in found]


def test_bar_whisker_and_chance_lie_at_their_figures() -> None:
    drawing = accuracy_bar(0.6, 0.1, 0.2)
    (bar,) = (r for r in ElementTree.fromstring(drawing).iter("rect") if r.get("class") == "bar")
    assert bar.get("width") == "60%"
    assert lines(drawing, "whisker") == [(50, 70), (50, 50), (70, 70)]
    assert lines(drawing, "chance") == [(20, 20)]
    assert lines(accuracy_bar(0.99, 0.05, None), "whisker")[0] == (94, 100)
    assert lines(accuracy_bar(0.6, 0.1, None), "chance") == []


def test_difference_is_filled_when_clear_of_zero() -> None:
    axis = axis_around_zero([-0.02, 0.08])
    assert 'class="point"' in difference_whisker(0.05, 0.01, axis, clear=True)
    assert 'class="point open"' in difference_whisker(0.005, 0.01, axis, clear=False)


legal_text = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc",), exclude_characters="\ufffe\uffff")
)


@given(legal_text, legal_text)
def test_svg_elements_escape_text_and_attributes(attribute: str, text: str) -> None:
    drawing = element("g", text, element("path", d=attribute, stroke_width=1.50), class_="x")
    root = ElementTree.fromstring(drawing)
    assert (root.text or "") == text
    assert root[0].attrib == {"d": attribute, "stroke-width": "1.5"}
    assert root.get("class") == "x"


def test_wording() -> None:
    assert [percent(0.78654), percent(1.0), percent(0.0012, 2)] == ["78.7", "100.0", "0.12"]
    assert [digits_for(0.004), digits_for(0.0004), digits_for(0.0)] == [1, 2, 1]
    assert [signed(0.029), signed(-0.029), signed(0.0001), signed(-0.0)] == ["+2.9", "−2.9", "0.0", "0.0"]
    assert [counted(1, "class", "classes"), counted(10_000, "episode")] == ["1 class", "10,000 episodes"]
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
    assert [shortened("short", 9), shortened("a longer one", 9)] == ["short", "a longer…"]
