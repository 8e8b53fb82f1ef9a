"""Damaged and missing records are refused in one line that names the file and the cure."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from report_records import Film, Task, write_evidence, write_results

from a2m2.errors import A2M2Error, RecordError
from a2m2.report.inputs import read_results
from a2m2.report.page import render

AGAIN = re.escape("; evaluate again with 'a2m2 evaluate'")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_results(tmp_path / "run", Task(episodes=10, alignment=True, timings=True))
    write_evidence(tmp_path / "run", Film(num_frames=4), Film(num_frames=4))
    return tmp_path / "run"


def change(path: Path, edit: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(
        RecordError, match=r"nowhere is not a folder; expected one that 'a2m2 evaluate --out' wrote"
    ):
        read_results([tmp_path / "nowhere"])


@pytest.mark.parametrize("name", ["run.json", "summary.json"])
def test_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(RecordError, match=rf"run holds no {re.escape(name)}; .*evaluate"):
        render([folder])


@pytest.mark.parametrize("name", ["run.json", "summary.json", "timings.json", "evidence/000.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_damaged_file(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(RecordError, match=rf"{re.escape(name)} cannot be (read|used) \(.*\); evaluate again"):
        render([folder])


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        (
            "run.json",
            lambda c: c.update(way=1),
            r"run\.json cannot be (read|used) \(way 1, shot 1, query 2 is no protocol\)",
        ),
        (
            "run.json",
            lambda c: c.update(methods=None),
            r"run\.json cannot be (read|used) \(methods: .*dictionary.*\)",
        ),
        (
            "summary.json",
            lambda c: c.update(methods={}),
            r"summary\.json cannot be (read|used) \(no method in it\)",
        ),
        (
            "summary.json",
            lambda c: c.pop("classes"),
            r"summary\.json cannot be (read|used) \(classes: .*required.*\)",
        ),
        (
            "summary.json",
            lambda c: c["methods"]["protonet"].update(confusion=[[1, 2], [3, 4]]),
            r"\(confusion of protonet is not 6 by 6, one row and column a class\)",
        ),
        (
            "summary.json",
            lambda c: c["methods"]["protonet"].update(accuracy=float("nan")),
            r"\(protonet has a figure that is not finite\)",
        ),
        (
            "summary.json",
            lambda c: c["methods"]["protonet"]["by_class"].update(ghost={"accuracy": 1.0, "queries": 2}),
            r"\(by_class of protonet has an unknown or incomplete class ghost\)",
        ),
        (
            "summary.json",
            lambda c: c["pairs"][0].update(a="ghost"),
            r"\(it compares ghost with .*, which are not both methods\)",
        ),
        (
            "summary.json",
            lambda c: c["alignment"]["diagonal"].pop("all"),
            r"\(alignment of diagonal lacks figures of all\)",
        ),
        (
            "evidence/000.json",
            lambda c: c["plan"].pop(),
            r"000\.json cannot be (read|used) \(plan is not 7 by 7, one entry a pair of candidates\)",
        ),
        ("evidence/000.json", lambda c: c["plan"][0].__setitem__(0, -0.1), r"\(plan holds a negative mass\)"),
        (
            "evidence/000.json",
            lambda c: c["similarity"][2].__setitem__(1, float("inf")),
            r"\(similarity has a figure that is not finite\)",
        ),
        (
            "evidence/000.json",
            lambda c: c["support"]["thumbnails"].pop(),
            r"\(support has 3 thumbnails for 4 frames, expected one each\)",
        ),
        (
            "evidence/000.json",
            lambda c: c["query"]["scale"].pop(),
            r"\(query has 6 scales for 7 candidates, expected one each\)",
        ),
        (
            "evidence/000.json",
            lambda c: c["query"]["frame_seconds"].reverse(),
            r"\(query's frame_seconds do not ascend from 0\)",
        ),
    ],
)
def test_content_that_does_not_fit(
    folder: Path, name: str, edit: Callable[[Any], None], message: str
) -> None:
    change(folder / name, edit)
    with pytest.raises(RecordError, match=f"{message}{AGAIN}"):
        render([folder])


def test_thumbnail_that_is_missing(folder: Path) -> None:
    (folder / "evidence" / "0q_002.jpg").unlink()
    with pytest.raises(RecordError, match=rf"0q_002\.jpg is missing, a thumbnail that a record names{AGAIN}"):
        render([folder])


@pytest.mark.parametrize("content", [b"", b"no picture", b"GIF89a"])
def test_thumbnail_that_is_no_jpeg(folder: Path, content: bytes) -> None:
    (folder / "evidence" / "0q_002.jpg").write_bytes(content)
    with pytest.raises(RecordError, match=rf"0q_002\.jpg is not a JPEG image{AGAIN}"):
        render([folder])


def test_thumbnail_cannot_lead_out_of_the_folder(folder: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "secret.jpg")
    change(
        folder / "evidence" / "000.json", lambda c: c["query"]["thumbnails"].__setitem__(0, "../secret.jpg")
    )
    with pytest.raises(RecordError, match=r"names the thumbnail \.\./secret\.jpg, which lies outside it"):
        render([folder])


def test_large_thumbnails_are_made_smaller(folder: Path) -> None:
    page = render([folder])
    noise = Image.effect_noise((1600, 1200), 80)
    noise.save(folder / "evidence" / "0q_002.jpg", quality=95)
    assert (folder / "evidence" / "0q_002.jpg").stat().st_size > 500_000
    assert len(render([folder])) < len(page) + 150_000


def test_records_of_another_version(folder: Path) -> None:
    change(folder / "run.json", lambda c: c.update(schema=99))
    with pytest.raises(
        RecordError, match=r"run\.json: records of schema 99, this version reads 1; evaluate again"
    ):
        render([folder])


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for parent in ("a", "b"):
        write_results(tmp_path / parent / "run", Task(episodes=3))
    write_results(tmp_path / "c", Task(episodes=3))
    results = read_results([tmp_path / "a" / "run", tmp_path / "c", tmp_path / "b" / "run"])
    assert [r.label for r in results] == ["run (1)", "c", "run (2)"]
    assert [r.anchor for r in results] == ["run1", "run2", "run3"]


def test_figures_that_are_not_known_are_left_out(folder: Path) -> None:
    unknown = {"share": float("nan"), "interval95": float("nan"), "episodes": 0}
    change(folder / "summary.json", lambda c: c["alignment"]["diagonal"].update(non_idle=unknown))
    page = render([folder])
    section = page[page.index('id="run1-alignment"') : page.index('id="run1-by_class"')]
    assert "uniform plan" in section
    assert "diagonal" not in section


@pytest.mark.parametrize("name", ["run.json", "summary.json", "evidence/000.json"])
def test_a_changed_record_is_drawn_or_refused_but_never_breaks(folder: Path, name: str) -> None:
    rng = random.Random(name)
    original = json.loads((folder / name).read_text())
    refusals = []
    for _ in range(40):
        content = json.loads(json.dumps(original))
        _change_somewhere(content, rng)
        (folder / name).write_text(json.dumps(content))
        try:
            render([folder])
        except A2M2Error as error:
            refusals.append(str(error))
    assert refusals
    assert all("\n" not in refusal and name.split("/")[0] in refusal for refusal in refusals)


def _change_somewhere(content: Any, rng: random.Random) -> None:
    """Replace one value deep inside by something unfitting, or remove it."""
    while True:
        key = rng.choice(list(content) if isinstance(content, dict) else range(len(content)))
        inner = content[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.85:
            content = inner
            continue
        unfitting = [None, -1, 0, 1e300, float("nan"), "text", [], {}, True, [[1]], {"a": 1}]
        if rng.random() < 0.2:
            del content[key]
        else:
            content[key] = rng.choice(unfitting)
        return
