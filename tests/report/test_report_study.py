"""Studies on the page: words and figures of the records, curves and cells where the figures say."""

from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markupsafe import Markup
from report_records import Task, write_results
from report_studies import METHODS, Plan, study_record, write_study
from test_report_page import Outline

from a2m2.report.page import build_report, render
from a2m2.report.study_curves import MOST_OPEN, Along, accuracy_curves, alignment_curves
from a2m2.report.study_differences import growth_sentence, growth_verdict, study_differences, study_growths
from a2m2.report.study_inputs import Study, read_studies
from a2m2.report.study_maps import FAINTEST, study_maps
from a2m2.report.study_places import qualities, quantities
from a2m2.report.study_tables import study_accuracy, study_alignment
from a2m2.report.study_text import COVERS, accuracy_table, latex, markdown
from a2m2.report.wording import keep_units, percent, signed
from a2m2.study_records import StudyDifference, StudyRecord
from training_records import write_training

PLAIN = Plan(axes={"order": ("first", "second")}, repeat="", own_clips=(), aligned=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("studies") / "timing"
    write_study(place, Plan(notes=("Few <clips>.",)))
    return place


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return render([folder])


def study(plan: Plan = Plan()) -> Study:
    return Study("study1", "timing", study_record(plan))


def only(curves: tuple[Along, ...] | None) -> Along:
    assert curves is not None
    (along,) = curves
    return along


def places(drawing: Markup, kind: str) -> list[tuple[float, float]]:
    """Circles of the curve of that kind, along x."""
    groups = [g for g in ElementTree.fromstring(drawing) if g.get("class") == f"curve {kind}"]
    circles = [circle for group in groups for circle in group.findall("circle")]
    return sorted((float(circle.get("cx", "")), float(circle.get("cy", ""))) for circle in circles)


def value_axis(drawing: Markup) -> tuple[float, float]:
    """Where 0 and 1 lie along y, from the lines and numbers of the ticks."""
    labels = [
        text for text in ElementTree.fromstring(drawing).iter("text") if text.get("text-anchor") == "end"
    ]
    (v0, y0), (v1, y1) = ((float(t.text or ""), float(t.get("y", "")) - 4) for t in (labels[0], labels[-1]))
    unit = (y1 - y0) / (v1 - v0)
    return y0 - unit * v0, y0 + unit * (100 - v0)


def test_opening_says_what_was_varied(page: str) -> None:
    text = Outline(page).words
    assert "Alignment under <misalignment>" in text
    assert (
        "7 methods at 6 places of a grid, varied along timing and m2.order, each repeated 3 times. "
        "Each figure: 5-way 1-shot, 1 query a class, 80 episodes."
    ) in text
    assert "Please note: Few <clips>." in text
    assert "timing 0, 0.5, 1 m2.order first, second Repeats (seed) 0, 1, 2 Compared with a2m2_net" in text
    assert "what otam does & how" in text
    assert "Evaluations 18 of 7 methods each" in text
    assert COVERS in text.replace("\N{NO-BREAK SPACE}", " ")


def test_best_figure_and_its_place_are_the_record_s(folder: Path, page: str) -> None:
    record = read_studies([folder])[0].record
    best = max(record.figures, key=lambda figure: figure.accuracy)
    where = f"timing {best.labels['timing']}, m2.order {best.labels['m2.order']}"
    words = f"Best accuracy {percent(best.accuracy)} % ± {percent(best.interval95)}, {best.method} at {where}"
    assert words in Outline(page).words


def test_page_is_well_formed_and_asks_nothing_of_the_network(page: str) -> None:
    outline = Outline(page)
    ids = Counter(outline.values("id"))
    assert max(ids.values()) == 1
    for target in outline.values("href"):
        assert target.startswith("data:") or target.removeprefix("#") in ids, target
    for labels in outline.values("aria-labelledby"):
        assert labels in ids
    tags = {tag for tag, _ in outline.attributes}
    assert not tags & {"script", "iframe", "object", "embed", "base"}
    assert not outline.values("src")
    assert not re.search(r"https?://|@import|url\(", page)
    for drawing in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        root = ElementTree.fromstring(drawing)
        assert root.get("aria-hidden") == "true" or (root.get("role") == "img" and root.get("aria-label"))
    for table in re.findall(r"<table.*?</table>", page, flags=re.DOTALL):
        assert re.search(r"<caption>\s*\S", table)
        assert 'scope="col"' in table


def test_same_records_give_the_same_bytes_and_no_path(folder: Path, page: str) -> None:
    assert render([folder]) == page
    assert str(folder.parent) not in page
    assert build_report([folder]) == folder / "report.html"


def test_axes_are_quantities_where_all_levels_are_numbers() -> None:
    axes = {
        "timing": ("0", "0.5", "1e0"),
        "windows": ("1_2", "1_2_4"),
        "reach": ("1", "inf"),
        "twice": ("1", "1.0"),
        "fixed": ("3",),
        "order": ("first", "second"),
        "seed": ("0", "1"),
    }
    record = replace(study_record(), axes=axes, repeat="seed")
    assert quantities(record) == ("timing",)
    assert qualities(record) == ("windows", "reach", "twice", "order")


def test_curves_lie_where_the_figures_say() -> None:
    own = study(Plan(methods=METHODS[:3]))
    along = only(accuracy_curves(own))
    assert [panel.title for panel in along.panels] == ["m2.order first", "m2.order second"]
    for panel in along.panels:
        zero, one = value_axis(panel.drawing)
        for i, method in enumerate(METHODS[:3]):
            figures = [
                figure
                for figure in own.record.figures
                if figure.method == method and panel.title.endswith(figure.labels["m2.order"])
            ]
            drawn = places(panel.drawing, f"hue{i} dash{i}")
            shares = [(y - zero) / (one - zero) for _, y in drawn]
            assert shares == pytest.approx([figure.accuracy for figure in figures], abs=2e-4)
            (x0, _), (x1, _), (x2, _) = drawn
            assert x1 - x0 == pytest.approx(x2 - x1, abs=0.02)
            single = places(panel.drawing, f"hue{i} dash{i} repeat")
            assert sorted((y - zero) / (one - zero) for _, y in single) == pytest.approx(
                sorted(mean for figure in figures for mean in figure.repeats), abs=2e-4
            )
    words = [words for _, words in along.legend]
    assert words == [*METHODS[:3], "guessing"]
    assert "Faint dots: single repeats (seed 0, 1 and 2)." in along.remark


def test_bands_are_the_intervals() -> None:
    own = study(Plan(methods=METHODS[:1]))
    panel = only(accuracy_curves(own)).panels[0]
    zero, one = value_axis(panel.drawing)
    (band,) = (p for p in ElementTree.fromstring(panel.drawing).iter("path") if "band" in p.get("class", ""))
    heights = [float(y) for _, y in re.findall(r"[ML](\S+) ([^MLZ]+)", band.get("d", ""))]
    figures = [figure for figure in own.record.figures if figure.labels["m2.order"] == "first"]
    for i, figure in enumerate(figures):
        spread = (heights[i] - heights[-1 - i]) / (one - zero)
        assert spread == pytest.approx(2 * figure.interval95, abs=5e-4)


def test_many_methods_have_whiskers_that_stand_apart() -> None:
    along = only(accuracy_curves(study()))
    assert "band" not in along.panels[0].drawing
    assert along.remark.startswith("Whiskers: 95 % interval over episodes. Methods stand a little apart")
    starts = [places(along.panels[0].drawing, f"hue{i} dash{i % 3}")[0][0] for i in range(len(METHODS))]
    assert starts == sorted(set(starts))


def test_guessing_follows_the_way() -> None:
    record = study_record(Plan(axes={"way": ("2", "4")}, repeat="", own_clips=(), methods=METHODS[:1]))
    figures = tuple(replace(figure, way=int(figure.labels["way"])) for figure in record.figures)
    along = only(accuracy_curves(Study("study1", "ways", replace(record, figures=figures))))
    drawing = along.panels[0].drawing
    zero, one = value_axis(drawing)
    (line,) = (g for g in ElementTree.fromstring(drawing) if g.get("class") == "curve baseline")
    (path,) = line.findall("path")
    heights = [float(y) for _, y in re.findall(r"[ML](\S+) ([^MLZ]+)", path.get("d", ""))]
    assert [(y - zero) / (one - zero) for y in heights] == pytest.approx([0.5, 0.25], abs=2e-4)


def test_alignment_knows_the_aligned_methods_and_the_uniform_plan() -> None:
    view = study_alignment(study())
    assert view is not None
    (along,) = view.curves
    assert [words for _, words in along.legend] == [*METHODS[:3], "a uniform plan"]
    assert "repeat" not in along.panels[0].drawing
    assert (
        "Alignment truth along timing at m2.order first: a2m2_net 80.0 ± 2.0 % at 0, "
        in along.panels[0].drawing
    )
    assert alignment_curves(study(replace(Plan(), aligned=0))) is None
    assert study_alignment(study(replace(Plan(), aligned=0))) is None


def test_many_pictures_are_folded() -> None:
    axes = {"timing": ("0", "1"), "order": tuple(f"o{i}" for i in range(9))}
    along = only(accuracy_curves(study(Plan(axes=axes, repeat="", methods=METHODS[:2]))))
    assert len(along.panels) == MOST_OPEN
    assert [panel.title for panel in along.folded] == ["order o6", "order o7", "order o8"]


def test_crowded_levels_share_ticks() -> None:
    axes = {"frames": ("8", "9", "10", "64")}
    along = only(accuracy_curves(study(Plan(axes=axes, repeat="", own_clips=(), methods=METHODS[:1]))))
    texts = [t.text for t in ElementTree.fromstring(along.panels[0].drawing).iter("text")]
    assert "8" in texts
    assert "64" in texts
    assert "9" not in texts
    assert len(places(along.panels[0].drawing, "hue0 dash0")) == 4


def test_cells_are_the_figures_and_the_strongest_is_the_best() -> None:
    own = study()
    view = study_maps(own)
    assert view is not None
    (group,) = view.axes
    assert group.axis == "m2.order"
    assert [one.title for one in group.maps] == ["timing 0", "timing 0.5", "timing 1"]
    for one in group.maps:
        expected = {
            f"{figure.method}, m2.order {figure.labels['m2.order']}: {percent(figure.accuracy)} ± "
            f"{percent(figure.interval95)} %"
            for figure in own.record.figures
            if one.title == f"timing {figure.labels['timing']}"
        }
        cells = [r for r in ElementTree.fromstring(one.picture).iter("rect") if r.get("class") == "hit"]
        assert {cell.findtext("title") for cell in cells} == expected
    shades = [float(o) for one in group.maps for o in re.findall(r'fill-opacity="(\S+?)"', one.picture)]
    figures = [figure.accuracy for figure in own.record.figures]
    assert (max(shades), min(shades)) == (1.0, FAINTEST)
    assert (view.low, view.high) == (percent(min(figures)), percent(max(figures)))


def test_map_of_figures_all_alike_and_of_a_place_left_out() -> None:
    record = study_record(replace(Plan(), left_out={"timing": "1", "m2.order": "second"}))
    alike = tuple(replace(figure, accuracy=0.5) for figure in record.figures)
    view = study_maps(Study("study1", "alike", replace(record, figures=alike)))
    assert view is not None
    last = view.axes[0].maps[-1]
    assert last.title == "timing 1"
    assert last.picture.count('class="hit"') == len(METHODS)
    assert 'fill-opacity="1"' in last.picture


def test_table_is_that_of_the_text_with_its_best_bold(folder: Path, page: str) -> None:
    record = read_studies([folder])[0].record
    table = accuracy_table(record)
    section = page[page.index('id="study1-study_accuracy"') : page.index('id="study1-study_growths"')]
    shown = section.replace("\N{NO-BREAK SPACE}", " ")
    for number, row in enumerate(table.rows):
        for column, text in enumerate(row):
            assert text in shown
            assert (f"<strong>{text}</strong>" in shown) == ((number, column) in table.best)
    blocks = [
        html.unescape(block) for block in re.findall(r"<pre><code>(.*?)</code></pre>", section, re.DOTALL)
    ]
    assert blocks == [markdown(table), latex(table)]


def test_units_and_ranges_stay_with_their_numbers() -> None:
    assert keep_units("± 1.0 %, 2.0 ± 0.5 [1.5 … 2.5] at 0").split(" ") == [
        "±\N{NO-BREAK SPACE}1.0\N{NO-BREAK SPACE}%,",
        "2.0\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.5",
        "[1.5\N{NO-BREAK SPACE}…\N{NO-BREAK SPACE}2.5]",
        "at",
        "0",
    ]


def test_equals_are_both_the_best() -> None:
    record = study_record(replace(PLAIN, methods=METHODS[:2]))
    alike = tuple(replace(figure, accuracy=0.5) for figure in record.figures)
    assert accuracy_table(replace(record, figures=alike)).best == {(0, 1), (0, 2), (1, 1), (1, 2)}


def test_text_to_copy_is_escaped_for_its_language() -> None:
    table = replace(accuracy_table(study_record(PLAIN)), head=("a|b", "c_d"), rows=((r"\x", "50 % ~ ^"),))
    assert markdown(table).startswith("| a\\|b | c_d |\n|---|---|\n")
    assert latex(table).splitlines()[2] == r"a|b & c\_d \\"
    assert (
        latex(table).splitlines()[4] == r"\textbackslash{}x & 50 \% \textasciitilde{} \textasciicircum{} \\"
    )


def change(difference: float, p_holm: float, interval95: float = 0.05) -> StudyDifference:
    return StudyDifference(
        {"m2.order": "first"},
        "growth",
        "timing",
        "a2m2_net",
        "otam",
        difference,
        interval95,
        (),
        0.0,
        0.01,
        p_holm,
    )


def lead(record: StudyRecord, timing: str) -> str:
    first, second = (
        next(
            figure.accuracy
            for figure in record.figures
            if figure.method == method and figure.labels == {"timing": timing, "m2.order": "first"}
        )
        for method in ("a2m2_net", "otam")
    )
    return signed(first - second)


@pytest.mark.parametrize(
    ("one", "verdict", "words"),
    [
        (change(0.1, 0.05), "grows", "The lead of a2m2_net over otam grows along timing: "),
        (change(-0.1, 0.0), "shrinks", "The lead of a2m2_net over otam shrinks along timing: "),
        (
            change(0.1, 0.051),
            "cannot be told",
            "Whether the lead of a2m2_net over otam grows along timing cannot be told: ",
        ),
        (
            change(0.0, 1.0, 0.0),
            "does not grow",
            "The lead of a2m2_net over otam does not grow along timing: ",
        ),
    ],
)
def test_growths_in_plain_sentences(one: StudyDifference, verdict: str, words: str) -> None:
    record = study_record()
    assert growth_verdict(one) == verdict
    ends = f"{lead(record, '0')} points at 0, {lead(record, '1')} at 1."
    assert growth_sentence(record, one) == words + ends


def test_leads_at_the_ends_differ_by_the_growth() -> None:
    own = study()
    view = study_growths(own)
    assert view is not None
    assert len(view.rows) == 2 * (len(METHODS) - 1)
    for row in view.rows:
        ends = re.search(r"(\S+) points at 0, (\S+) at 1\.", row.words)
        assert ends is not None
        before, after, growth = (float(t.replace("−", "-")) for t in (*ends.groups(), row.points.split()[0]))
        assert after - before == pytest.approx(growth, abs=0.11)


def test_differences_of_each_kind_are_marked_by_corrected_p() -> None:
    own = study()
    view = study_differences(own)
    assert view is not None
    assert [table.title for table in view] == ["a2m2_net minus the others", "Levels of an axis"]
    for table, kind in zip(view, ("method", "level"), strict=True):
        chosen = [one for one in own.record.differences if one.kind == kind]
        assert [row.counts for row in table.rows] == [one.p_holm <= 0.05 for one in chosen]
        assert [row.drawing.count("point open") for row in table.rows] == [
            one.p_holm > 0.05 for one in chosen
        ]
        assert f"corrected for {len(chosen)} comparisons" in table.caption
        assert table.opened == (len(chosen) <= 12)
        assert (
            f"[{signed(min(chosen[0].repeats))} … {signed(max(chosen[0].repeats))}]" in table.rows[0].points
        )


def test_sections_without_content_are_left_out(tmp_path: Path) -> None:
    write_study(tmp_path, replace(PLAIN, methods=METHODS[:1], axes={"order": ("first",)}))
    page = render([tmp_path])
    for name in ("curves", "maps", "growths", "differences", "alignment"):
        assert f"study1-study_{name}" not in page
    for name in ("overview", "accuracy"):
        assert f'id="study1-study_{name}"' in page
    assert "1 method at 1 place of a grid. Each figure" in Outline(page).words


def test_studies_evaluations_and_trainings_on_one_page(tmp_path: Path, folder: Path) -> None:
    write_results(tmp_path / "tested", Task(episodes=10))
    write_training(tmp_path / "pre")
    write_study(tmp_path / "plain", PLAIN)
    folders = [tmp_path / "pre", folder, tmp_path / "tested", tmp_path / "plain"]
    page = render(folders)
    outline = Outline(page)
    assert max(Counter(outline.values("id")).values()) == 1
    assert "2 studies, 1 evaluation and 1 training" in outline.words
    assert "timing: Alignment under <misalignment>" in outline.words
    assert {"#study1", "#study2", "#run1", "#training1"} <= set(outline.values("href"))
    assert page.index('id="study2"') < page.index('id="run1"') < page.index('id="training"')
    assert "study" not in render([tmp_path / "tested"]).partition("</style>")[2]
    assert len(study_accuracy(read_studies([folder])[0]).table.table.rows) == 2 * len(METHODS)


@pytest.mark.parametrize("name", ["</style><script>alert(1)</script>", "{{ 7 * 7 }}", 'x" onload="y'])
def test_hostile_names_stay_text(tmp_path: Path, name: str) -> None:
    axes = {"timing": ("0", "1"), name: (name, "other")}
    write_study(tmp_path, Plan(title=name, axes=axes, repeat="", methods=(name, "other"), notes=(name,)))
    outline = Outline(render([tmp_path, tmp_path]))
    assert f"Please note: {name}" in outline.words
    assert "script" not in {tag for tag, _ in outline.attributes}
    assert not outline.values("onload")
