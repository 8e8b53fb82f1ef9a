"""Trainings on the page: words and figures of the records, curves where the figures say."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from report_records import Task, write_results
from test_report_page import Outline

from a2m2.report.charts import axis_of_steps, axis_over
from a2m2.report.curves import MOST_POINTS, Plane, thinned
from a2m2.report.learning_curves import Plot, learning_curves
from a2m2.report.page import build_report, render
from a2m2.report.training import describe_trainings
from a2m2.report.training_inputs import Training, read_trainings
from a2m2.report.trainings_together import trainings_together
from training_records import Course, write_training


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_training(tmp_path / "pre")
    return tmp_path / "pre"


def read(folder: Path, course: Course = Course()) -> Training:
    """The training of a course."""
    write_training(folder, course)
    (training,) = read_trainings([folder])
    return training


def accuracy_plot(training: Training) -> Plot:
    return next(plot for plot in learning_curves(training) if plot.title == "Accuracy, %")


def curve_of(drawing: Markup, kind: str) -> list[tuple[float, float]]:
    """Places that the line of a curve goes through, in the drawing's units."""
    group = next(
        g for g in ElementTree.fromstring(drawing) if g.tag == "g" and g.get("class") == f"curve {kind}"
    )
    path = group.find("path")
    if path is None:
        return [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in group.findall("circle")]
    pairs = re.findall(r"[ML](\S+) ([^ML]+)", path.get("d", ""))
    return [(float(x), float(y)) for x, y in pairs]


def test_page_of_one_training_says_what_was_trained(folder: Path) -> None:
    text = Outline(render([folder])).words
    assert "tiny-actions, training: classification of base classes" in text
    assert (
        "The network learns to tell the 64 base classes of tiny-actions apart (1,280 clips, train split). Every 100 "
        "steps it is tested on 500 tasks of 12 other classes (240 clips, val split), each with 5 actions and 1 example "
        "clip of each; the weights that did best there are kept. Guessing would be right in 20 % of these tasks’ "
        "questions."
    ) in text
    for fact in (
        "Stage classification of base classes",
        "Method a2m2_net",
        "Backbone small-cnn",
        "Started from the backbone’s own weights",
        "Trained parameters 1,234,567",
        "Base classes 64 with 1,280 clips (train)",
        "Validation classes 12 with 240 clips (val)",
        "A step 32 clips",
        "Optimiser SGD, learning rate 0.001, cosine schedule",
        "Steps made 400 all that were asked for",
        "Weights aabbccddeeff0011 the network of the best validation",
    ):
        assert fact in text, fact


def test_best_validation_is_the_record_s(folder: Path) -> None:
    record = read_trainings([folder])[0].record
    assert record.best is not None
    text = Outline(render([folder])).words
    accuracy = f"{100 * record.best.accuracy:.1f}"
    assert f"Best validation {accuracy} % ± 2.0, 500 episodes Kept weights of step {record.best.step}" in text
    assert f"best {accuracy} % at step {record.best.step}" in text
    assert re.search(rf"{record.best.step} {accuracy} 2\.0 ● best", text)


def test_meta_training_says_so_and_names_where_it_started(tmp_path: Path) -> None:
    write_training(tmp_path / "first", Course(weights_digest="beef"))
    write_training(tmp_path / "second", Course("meta", start="beef"))
    write_training(tmp_path / "third", Course("meta", start="cafe"))
    text = Outline(render([tmp_path / name for name in ("second", "first", "third")])).words
    assert "The network practises small tasks like those of a test, drawn from the 64 base classes" in text
    assert "it is shown 5 actions and 1 example clip of each and has to recognise further clips" in text
    assert "Started from the network of first, weights beef" in text
    assert "Started from a network with weights cafe" in text
    assert "A step 8 episodes, 5-way 1-shot, 3 queries a class" in text
    assert "training: episodes of base classes" in text


def test_curves_go_through_the_figures(folder: Path) -> None:
    (training,) = read_trainings([folder])
    accuracies = [(validation.step, validation.accuracy) for validation in training.validations]
    losses = [(measure.step, measure.loss) for measure in training.measures]
    assert len(losses) == 40
    loss, accuracy = learning_curves(training)
    for drawing, kind, figures in ((loss, "training", losses), (accuracy, "validation", accuracies)):
        places = curve_of(drawing.drawing, kind)
        assert len(places) == len(figures)
        (x0, y0), (x1, y1) = places[0], places[-1]
        (s0, v0), (s1, v1) = figures[0], figures[-1]
        for (x, y), (step, value) in zip(places, figures, strict=True):
            assert (x - x0) / (x1 - x0) == pytest.approx((step - s0) / (s1 - s0), abs=1e-3)
            assert (y - y0) / (y1 - y0) == pytest.approx((value - v0) / (v1 - v0), abs=1e-2)


def test_accuracy_picture_has_band_chance_and_best(folder: Path) -> None:
    (training,) = read_trainings([folder])
    root = ElementTree.fromstring(accuracy_plot(training).drawing)
    ticks = {element.text: float(element.get("y", "")) - 4 for element in root.iter("text")}
    (chance,) = (line for line in root.iter("line") if line.get("class") == "chance")
    assert float(chance.get("y1", "")) == pytest.approx(ticks["20"], abs=0.02)
    (band,) = (path for path in root.iter("path") if path.get("class") == "band validation")
    ends = re.findall(r"[ML](\S+) ([^MLZ]+)", band.get("d", ""))
    places = curve_of(accuracy_plot(training).drawing, "validation")
    scale = (ticks["20"] - ticks["40"]) / 0.2
    assert len(ends) == 2 * len(places)
    for (x, y), (_, upper), (_, lower) in zip(places, ends, reversed(ends), strict=False):
        assert x > 0
        assert y - float(upper) == pytest.approx(0.02 * scale, abs=0.02)
        assert float(lower) - y == pytest.approx(0.02 * scale, abs=0.02)
    best = training.record.best
    assert best is not None
    (ring,) = (circle for circle in root.iter("circle") if circle.get("class") == "ring")
    at = [validation.step for validation in training.validations].index(best.step)
    assert (float(ring.get("cx", "")), float(ring.get("cy", ""))) == pytest.approx(places[at], abs=0.01)


def test_legends_name_the_lines(folder: Path) -> None:
    (training,) = read_trainings([folder])
    loss, accuracy = learning_curves(training)
    assert loss.title == "Loss (cross-entropy, nats)"
    assert [words for _, words in loss.legend] == ["training batches"]
    assert [words for _, words in accuracy.legend] == [
        "training: one of 64 base classes",
        "validation: 5-way 1-shot, new classes (band: 95 % interval)",
        "guessing at validation: 20 %",
    ]
    assert "optimiser steps" in loss.drawing


def test_chance_is_that_of_the_validation_s_way(tmp_path: Path) -> None:
    training = read(tmp_path / "three", Course(way=3))
    assert "guessing at validation: 33.3 %" in [words for _, words in accuracy_plot(training).legend]
    assert "Chance 33.3 % 1 in 3, at validation" in Outline(render([tmp_path / "three"])).words


def test_training_that_has_just_begun(tmp_path: Path) -> None:
    training = read(tmp_path, Course(reached=0))
    assert learning_curves(training) == ()
    assert not (tmp_path / "metrics.jsonl").exists()
    text = Outline(render([tmp_path])).words
    assert "Best validation none yet" in text
    assert "Please note: this training has just begun: nothing of its 400 steps is recorded yet" in text
    assert "Validations in figures" not in text
    assert "Weights none" in text


def test_training_without_validation_so_far(tmp_path: Path) -> None:
    training = read(tmp_path, Course(reached=60))
    loss, accuracy = learning_curves(training)
    assert [words for _, words in accuracy.legend] == ["training: one of 64 base classes"]
    assert 'class="chance"' not in accuracy.drawing
    assert len(curve_of(loss.drawing, "training")) == 6
    assert "best" not in accuracy.drawing


def test_interrupted_training_says_how_far_it_came(tmp_path: Path) -> None:
    write_training(tmp_path, Course(reached=230))
    text = Outline(render([tmp_path])).words
    assert "Steps made 230 of 400 asked for, not finished" in text
    assert "this training is not finished: its records reach step 230 of 400." in text


def test_one_point_only(tmp_path: Path) -> None:
    training = read(tmp_path, Course(reached=10, every=10))
    loss, accuracy = learning_curves(training)
    assert len(curve_of(loss.drawing, "training")) == 1
    root = ElementTree.fromstring(accuracy.drawing)
    assert not [path for path in root.iter("path") if "band" in (path.get("class") or "")]
    whiskers = [g for g in root if g.get("class") == "curve validation" and len(g.findall("line")) == 3]
    assert len(whiskers) == 1


def test_no_steps_at_all_is_one_validation_at_the_start(tmp_path: Path) -> None:
    write_training(tmp_path, Course(steps=1, reached=0))
    raw = json.loads((tmp_path / "train.json").read_text())
    raw.update(steps=0, done=True, best={"step": 0, "accuracy": 0.3, "interval95": 0.02, "episodes": 500})
    (tmp_path / "train.json").write_text(json.dumps(raw))
    line = {"step": 0, "validation_accuracy": 0.3, "validation_interval95": 0.02}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    text = Outline(render([tmp_path])).words
    assert "Steps made 0 none asked for: the network as it started" in text
    assert "Best validation 30.0 % ± 2.0" in text


def test_hundreds_of_points_are_averaged_and_that_is_said(tmp_path: Path) -> None:
    training = read(tmp_path, Course(steps=9000, every=100))
    assert len(training.measures) == 900
    loss, accuracy = learning_curves(training)
    assert loss.remark == "Each point of the training curve is the mean of 6 lines of metrics."
    assert len(curve_of(loss.drawing, "training")) == 150
    assert len(curve_of(accuracy.drawing, "validation")) == 90
    assert "<circle" in accuracy.drawing
    assert len(ElementTree.fromstring(accuracy.drawing).findall(".//circle")) == 1
    assert len(render([tmp_path])) < 80_000


def test_best_step_may_lie_ahead_of_metrics_that_were_cut(folder: Path) -> None:
    """A resumed training makes again the steps after its checkpoint, and may have validated them before."""
    (training,) = read_trainings([folder])
    shorter = replace(
        training, validations=training.validations[:1], measures=training.measures[:12], step=120
    )
    ElementTree.fromstring(accuracy_plot(shorter).drawing)
    assert "at step" in accuracy_plot(shorter).drawing


@given(st.lists(st.floats(-1e3, 1e3), max_size=700))
def test_thinning_keeps_the_mean_of_whole_groups_and_the_last_step(values: list[float]) -> None:
    points, size = thinned(list(enumerate(values)))
    assert len(points) <= MOST_POINTS
    if values:
        assert points[-1].at == len(values) - 1
        assert points[0].value == pytest.approx(sum(values[:size]) / len(values[:size]), abs=1e-9)
    assert (size == 1) == (len(values) <= MOST_POINTS)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=5), st.integers(0, 10**7))
def test_axes_hold_what_is_drawn(values: list[float], last: int) -> None:
    steps, axis = axis_of_steps(last), axis_over(values, parts=5, least=0.05)
    assert axis.low <= min(values) + 1e-6
    assert axis.high >= max(values) - 1e-6
    assert 2 <= len(axis.ticks) <= 8
    assert 1 <= len(steps.ticks) <= 7
    assert all(tick == round(tick) and 0 <= tick <= max(last, 1) for tick in steps.ticks)
    plane = Plane(steps, axis, str, str, "steps")
    assert plane.x(0) < plane.x(max(last, 1))


def test_trainings_lie_over_each_other_by_stage(tmp_path: Path) -> None:
    courses = {
        "meta_a": Course("meta", seed=1, every=50),
        "pre": Course(seed=2),
        "meta_b": Course("meta", "diagonal", seed=3, every=50, reached=230, top=0.5),
        "fresh": Course("meta", reached=0),
    }
    for name, course in courses.items():
        write_training(tmp_path / name, course)
    trainings = read_trainings([tmp_path / name for name in courses])
    pre, meta = trainings_together(trainings)
    assert pre.title == "Classification of base classes: accuracy at validation, %"
    assert meta.title == "Episodes of base classes: accuracy at validation, %"
    assert [entry.label for entry in pre.legend] == ["pre"]
    assert [(entry.label, entry.anchor) for entry in meta.legend] == [
        ("meta_a", "training1"),
        ("meta_b", "training3"),
    ]
    assert len(curve_of(meta.drawing, "hue0 dash0")) == 8
    assert len(curve_of(meta.drawing, "hue1 dash1")) == 4
    best = trainings[2].record.best
    assert best is not None
    assert meta.legend[1].best == f"{100 * best.accuracy:.1f} ± 2.0 % at step {best.step}"
    assert meta.chance[1] == "guessing: 20 %"
    assert meta.caution == ""
    assert trainings_together(trainings[:1]) == []


def test_trainings_on_other_validation_tasks_are_not_compared(tmp_path: Path) -> None:
    write_training(tmp_path / "a", Course(way=5))
    write_training(tmp_path / "b", Course(way=3))
    (together,) = trainings_together(read_trainings([tmp_path / "a", tmp_path / "b"]))
    assert together.caution.startswith("These trainings were not all validated on the same tasks")
    assert together.chance[1] == "guessing: 33.3 % and 20 %"
    assert together.drawing.count('class="chance"') == 2


def test_many_trainings_have_no_bands(tmp_path: Path) -> None:
    places = [tmp_path / f"t{i}" for i in range(12)]
    for i, place in enumerate(places):
        write_training(place, Course(seed=i))
    (together,) = trainings_together(read_trainings(places))
    assert "band" not in together.drawing
    assert together.remark == ""
    looks = re.findall(r'class="curve (hue\d dash\d)"', together.drawing)
    assert len(set(looks)) == 12


def test_evaluations_and_trainings_in_any_order(tmp_path: Path) -> None:
    write_results(tmp_path / "tested", Task(episodes=10))
    write_training(tmp_path / "pre")
    write_training(tmp_path / "again" / "pre", Course("meta"))
    folders = [tmp_path / "pre", tmp_path / "tested", tmp_path / "again" / "pre"]
    page = render(folders)
    outline = Outline(page)
    ids = Counter(outline.values("id"))
    assert max(ids.values()) == 1
    for target in outline.values("href"):
        assert target.startswith("data:") or target.removeprefix("#") in ids, target[:80]
    for labels in outline.values("aria-labelledby"):
        assert labels in ids
    assert "1 evaluation and 2 trainings" in outline.words
    assert {"#training", "#training1", "#training2", "#run1"} <= set(outline.values("href"))
    assert page.index('id="run1-accuracy"') < page.index('id="training"') < page.index('id="training1"')
    assert "pre (1), classification of base classes" in outline.words
    assert "pre (2), episodes of base classes" in outline.words
    for drawing in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        root = ElementTree.fromstring(drawing)
        assert root.get("aria-hidden") == "true" or (root.get("role") == "img" and root.get("aria-label"))
    assert render(folders) == page
    assert str(tmp_path) not in page


def test_page_without_trainings_has_no_such_section(tmp_path: Path) -> None:
    write_results(tmp_path, Task(episodes=10))
    assert 'id="training"' not in render([tmp_path])
    assert describe_trainings([]) is None


def test_page_lands_in_the_first_training(folder: Path) -> None:
    assert build_report([folder]) == folder / "report.html"
    assert read_trainings([folder])[0].label == "pre"


@pytest.mark.parametrize("name", ["</style><script>alert(1)</script>", "{{ 7 * 7 }}", 'x" onload="y'])
def test_hostile_names_stay_text(tmp_path: Path, name: str) -> None:
    place = tmp_path / name.replace("/", "∕")
    write_training(place, Course(dataset=name, method=name, notes=(name,)))
    outline = Outline(render([place, place]))
    assert f"Please note: {name}" in outline.words
    assert "script" not in {tag for tag, _ in outline.attributes}
    assert not outline.values("onload")
