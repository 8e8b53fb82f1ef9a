"""Damaged and missing records of studies are refused in one line that names the file and the cure."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from report_studies import METHODS, Plan, write_study
from test_report_page import Outline

from a2m2.errors import A2M2Error, RecordError
from a2m2.report.page import render
from a2m2.report.study_inputs import read_studies

CURE = "; run its grid again with 'a2m2 ablate', which keeps the cells that are there"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    axes = {"timing": ("0", "1"), "order": ("first", "second")}
    write_study(tmp_path / "study", Plan(axes=axes, repeat="", methods=METHODS[:2], episodes=20))
    return tmp_path / "study"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_damaged_file(folder: Path, content: bytes) -> None:
    (folder / "study.json").write_bytes(content)
    with pytest.raises(RecordError, match=rf"study\.json cannot be (read|used) \(.*\){CURE}"):
        render([folder])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda r: r.update(figures=[]), r"no figure in it"),
        (lambda r: r["axes"].update(order=["first", "first"]), r"axis order has no levels, or one twice"),
        (lambda r: r.update(repeat="seed"), r"repeat 'seed' is no axis"),
        (lambda r: r.update(reference="ghost"), r"reference 'ghost' is no method of it"),
        (lambda r: r["figures"][0].update(method="ghost"), r"a figure of ghost, which is no method of it"),
        (
            lambda r: r["figures"][0]["labels"].update(timing="7"),
            r"a figure of a2m2_net stands at \{'timing': '7', 'order': 'first'\}, which is no place of the grid",
        ),
        (lambda r: r["figures"][0]["labels"].pop("order"), r"which is no place of the grid"),
        (lambda r: r["figures"].append(r["figures"][0]), r"two figures are of the same method and place"),
        (lambda r: r["figures"][0].update(accuracy=1.5), r"a figure of a2m2_net has 1\.5 where a share"),
        (lambda r: r["figures"][0].update(repeats95=float("nan")), r"has a figure that is not finite"),
        (lambda r: r["figures"][0].update(alignment95=None), r"has half of an alignment"),
        (lambda r: r["figures"][0].update(way=1), r"way 1, shot 1, query 1 is no protocol"),
        (
            lambda r: r["differences"][0].update(kind="other"),
            r"is of kind 'other', which is none of method, level",
        ),
        (lambda r: r["differences"][0].update(axis="order"), r"is along 'order', expected no axis"),
        (lambda r: r["differences"][-1].update(axis=""), r"is along '', expected an axis"),
        (lambda r: r["differences"][0].update(b="ghost"), r"a2m2_net with ghost, which are not both methods"),
        (lambda r: r["differences"][0].update(difference=3.0), r"has 3 where a figure from -2 to 2"),
        (
            lambda r: r["differences"][0].update(p_holm=-1.0),
            r"p of a2m2_net minus diagonal has -1 where a share",
        ),
        (lambda r: r.update(methods=None), r"methods: .*dictionary"),
    ],
)
def test_record_that_does_not_fit(folder: Path, edit: Callable[[Any], None], message: str) -> None:
    raw = json.loads((folder / "study.json").read_text())
    edit(raw)
    (folder / "study.json").write_text(json.dumps(raw))
    with pytest.raises(RecordError, match=rf"study\.json cannot be (read|used) \(.*{message}.*\){CURE}"):
        render([folder])


def test_records_of_another_version(folder: Path) -> None:
    raw = json.loads((folder / "study.json").read_text())
    (folder / "study.json").write_text(json.dumps({**raw, "schema": 99}))
    with pytest.raises(RecordError, match=rf"study\.json: records of schema 99, this version reads 1{CURE}"):
        render([folder])


def test_folders_of_one_name_are_told_apart(tmp_path: Path, folder: Path) -> None:
    write_study(tmp_path / "other" / "study", Plan(methods=METHODS[:2]))
    studies = read_studies([folder, tmp_path / "other" / "study"])
    assert [(one.anchor, one.label) for one in studies] == [("study1", "study (1)"), ("study2", "study (2)")]


def test_a_changed_record_is_drawn_or_refused_but_never_breaks(folder: Path) -> None:
    rng = random.Random(0)
    original = (folder / "study.json").read_text()
    unfitting = [None, -1, 0, 1e300, float("nan"), "text", [], {}, True, [[1]], {"a": 1}]
    refusals = []
    for _ in range(60):
        raw = json.loads(original)
        members = [raw, raw["axes"], *raw["figures"], *raw["differences"], raw["figures"][0]["labels"]]
        inside = rng.choice(members)
        inside[rng.choice(list(inside))] = rng.choice(unfitting)
        (folder / "study.json").write_text(json.dumps(raw))
        try:
            Outline(render([folder]))
        except A2M2Error as error:
            refusals.append(str(error))
    assert refusals
    assert all("\n" not in refusal and "study.json" in refusal for refusal in refusals)
