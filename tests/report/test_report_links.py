"""What links say, checked against slow readings of the plan, and what the picture draws of them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from report_records import Film, Task, film_strip, write_evidence, write_results

from a2m2.records import EvidenceRecord, SubActionSpan
from a2m2.report.inputs import read_results
from a2m2.report.links import MOST_LINKS, find_links, sub_actions
from a2m2.report.pictures import pictures
from a2m2.report.timeline import place_candidates

ACTIONS = ("turn", "shake", "bounce")


@pytest.fixture
def record(tmp_path: Path) -> EvidenceRecord:
    return write_evidence(
        tmp_path,
        Film(actions=ACTIONS, start=0.0, end=0.8),
        Film(actions=ACTIONS[::-1], num_frames=12, start=0.25),
    )


def only_picture(folder: Path) -> ElementTree.Element:
    (results,) = read_results([folder])
    view = pictures(results)
    assert view is not None
    return ElementTree.fromstring(view.first[0].drawing)


def test_links_are_the_plan_s_entries(record: EvidenceRecord) -> None:
    links, groups = find_links(record)
    plan = np.array(record.plan)
    assert {(link.query, link.support) for link in links} == set(zip(*np.nonzero(plan >= 0.001), strict=True))
    assert [link.mass for link in links] == sorted(link.mass for link in links)
    for link in links:
        assert link.mass == plan[link.query, link.support]
        assert link.similarity == record.similarity[link.query][link.support]
    assert sum(group.mass for group in groups) == pytest.approx(plan.sum())


def test_groups_are_scales_and_what_goes_across(record: EvidenceRecord) -> None:
    links, groups = find_links(record)
    assert [group.label for group in groups] == ["1 frame", "2 frames", "4 frames", "across scales"]
    plan, rows, columns = np.array(record.plan), np.array(record.query.scale), np.array(record.support.scale)
    for k in range(3):
        assert groups[k].mass == pytest.approx(plan[np.ix_(rows == k, columns == k)].sum())
    for link in links:
        scales = record.query.scale[link.query], record.support.scale[link.support]
        assert link.group == (scales[0] if scales[0] == scales[1] else 3)


def test_scales_that_length_does_not_tell_apart_are_numbered(record: EvidenceRecord) -> None:
    alike = replace(record.query, scale=tuple(i % 2 for i in range(len(record.query.scale))))
    _, groups = find_links(replace(record, query=alike))
    assert [group.label for group in groups] == ["scale 1", "scale 2", "across scales"]


def test_sub_actions_of_candidates(tmp_path: Path) -> None:
    strip = film_strip(tmp_path, Film(num_frames=8, duration=8.0), "x")
    truth = (SubActionSpan("turn", 0.9, 3.1), SubActionSpan("shake", 3.1, 4.6))
    found = sub_actions(replace(strip, truth=truth))
    frames = [None, "turn", "turn", "shake", "shake", None, None, None]
    pairs = [None, None, None, None]
    fours = [None, None]
    assert found == [*frames, *pairs, *fours]
    (longer,) = {*sub_actions(replace(strip, truth=(SubActionSpan("turn", 0.0, 8.0),)))}
    assert longer == "turn"


def test_sub_action_needs_more_than_half_of_a_window(tmp_path: Path) -> None:
    strip = film_strip(tmp_path, Film(num_frames=4, duration=4.0, windows=(4,)), "x")
    for end, expected in ((1.0, None), (2.0, None), (3.0, "turn"), (4.0, "turn")):
        assert sub_actions(replace(strip, truth=(SubActionSpan("turn", 0.0, end),))) == [expected]


def test_faint_and_numerous_links_are_left_out(record: EvidenceRecord) -> None:
    shape = len(record.query.spans), len(record.support.spans)
    rows = np.full(shape, 1 / (shape[0] * shape[1]))
    links, groups = find_links(replace(record, plan=tuple(map(tuple, rows))))
    assert len(links) == MOST_LINKS
    assert sum(group.mass for group in groups) == pytest.approx(1)
    rows[0] *= 1e-3
    links, _ = find_links(replace(record, plan=tuple(map(tuple, rows))))
    assert all(link.query > 0 for link in links)


def test_picture_says_what_it_leaves_out(tmp_path: Path) -> None:
    write_results(tmp_path, Task(episodes=3))
    record = write_evidence(tmp_path, Film(), Film(num_frames=12))
    rows = np.full((len(record.query.spans), len(record.support.spans)), 0.4)
    rows /= rows.sum() * 2
    half = replace(record, plan=tuple(map(tuple, rows)))
    (tmp_path / "evidence" / "000.json").write_text(half.to_json())
    (results,) = read_results([tmp_path])
    view = pictures(results)
    assert view is not None
    assert view.first[0].remark.startswith(
        "This support receives 50.0 % of the query's mass; the rest goes to"
    )
    assert re.search(r"The links drawn carry \d\d\.\d % of the mass", view.first[0].remark)


def test_links_start_and_end_at_their_candidates(tmp_path: Path) -> None:
    write_results(tmp_path, Task(episodes=3))
    record = write_evidence(
        tmp_path, Film(actions=ACTIONS), Film(actions=ACTIONS, num_frames=10, size=(60, 120))
    )
    drawing = only_picture(tmp_path)
    links, _ = find_links(record)
    query, support = place_candidates(record.query), place_candidates(record.support)
    drawn = [g for g in drawing.iter("g") if g.get("class", "").startswith("link ")]
    assert len(drawn) == len(links)
    heaviest = max(link.mass for link in links)
    for link, group in zip(links, drawn, strict=True):
        path = group.findall("path")[1]
        start_x, start_y, *_, end_x, end_y = map(float, re.findall(r"-?[\d.]+", path.get("d", "")))
        assert start_x == pytest.approx(query[link.query].x, abs=0.01)
        assert end_x == pytest.approx(support[link.support].x, abs=0.01)
        assert start_y < end_y
        assert float(path.get("stroke-width", "")) == pytest.approx(
            max(0.8, 10 * link.mass / heaviest), abs=0.01
        )
        assert f"cosine {link.similarity:.2f}" in (group.findtext("title") or "")


def test_same_sub_action_has_one_colour_in_both_strips_and_on_its_links(tmp_path: Path) -> None:
    write_results(tmp_path, Task(episodes=3))
    record = write_evidence(tmp_path, Film(actions=ACTIONS), Film(actions=("shake", "turn", "leap")))
    drawing = only_picture(tmp_path)
    colours: dict[str, set[str]] = {}
    for group in drawing.iter("g"):
        if group.get("class") == "sub-action":
            name = (group.findtext("title") or "").split(":")[0]
            colours.setdefault(name, set()).add(group.findall("rect")[0].get("class", ""))
    assert set(colours) == {*ACTIONS, "leap"}
    assert all(len(kinds) == 1 for kinds in colours.values())
    assert len(set.union(*colours.values())) == 4
    links, _ = find_links(record)
    kinds = [
        g.get("class", "").split()[-1] for g in drawing.iter("g") if g.get("class", "").startswith("link ")
    ]
    for link, kind in zip(links, kinds, strict=True):
        assert {kind} == (colours[link.sub_action] if link.sub_action else {"apart"})


@pytest.mark.parametrize(
    ("query", "support"),
    [
        (Film(), Film(shots=3)),
        (Film(num_frames=16, windows=(1, 4, 8)), Film(num_frames=1, windows=(1,), duration=0.04)),
        (Film(size=(32, 112)), Film(size=(112, 20))),
        (Film(actions=tuple(f"action {i}" for i in range(14))), Film(actions=("x" * 200,))),
        (Film(windows=(2, 4)), Film(windows=(2, 4))),
    ],
    ids=["union of shots", "16 frames against 1", "tall and wide", "many and long names", "no single frames"],
)
def test_unusual_pairs_stay_inside_the_picture(tmp_path: Path, query: Film, support: Film) -> None:
    write_results(tmp_path, Task(episodes=3))
    write_evidence(tmp_path, query, support)
    drawing = only_picture(tmp_path)
    left, top, width, height = map(float, drawing.get("viewBox", "").split())
    for box in [*drawing.iter("image"), *drawing.iter("rect")]:
        x, y, w, h = (float(box.get(key, "")) for key in ("x", "y", "width", "height"))
        assert left <= x <= x + w <= left + width + 0.01
        assert top - 2 <= y <= y + h <= top + height + 2
