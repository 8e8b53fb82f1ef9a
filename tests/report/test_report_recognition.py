"""Explained answers on the page: nothing is called right or wrong, and what does not fit is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from report_records import Film, Task, write_evidence, write_results
from test_report_page import Outline

from a2m2.errors import RecordError
from a2m2.recognition_records import (
    RECORD,
    UNKNOWN,
    Recognition,
    RecognitionRecord,
    ScoredClass,
    read_recognition,
)
from a2m2.report.page import render

RANKED = (ScoredClass("waving & nodding", 9.43, 0.75), ScoredClass("sitting", 2.5, 0.25))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two answers, the second refused."""
    root = tmp_path / "why"
    for number, clip in enumerate(("new.mp4", "odd <one>.mp4")):
        query = Film(class_name="", video=clip)
        write_evidence(root, query, Film(), number=number, predicted=(RANKED[0].label, UNKNOWN)[number])
    answers = (
        Recognition("new.mp4", "waving & nodding", RANKED),
        Recognition("odd <one>.mp4", UNKNOWN, RANKED),
    )
    record = RecognitionRecord(("sitting", "waving & nodding"), 6, False, answers)
    (root / RECORD).write_text(record.to_json(), encoding="utf-8")
    return root


def test_answers_with_their_reasons(folder: Path) -> None:
    page = render([folder])
    outline = Outline(page)
    words = outline.words
    assert "What was recognised, and why (why)" in words
    assert "2 clips, recognised from 6 enrolled clips of 2 classes: sitting, waving & nodding." in words
    assert "too few clips are enrolled to calibrate" in words
    assert "new.mp4: waving & nodding" in words
    assert "odd <one>.mp4: unknown, too unlike every enrolled class" in words
    assert words.count("75.0 %") == words.count("25.0 %") == 2
    # Nobody knows what the clips show.
    assert "✓" not in words
    assert "✗" not in words
    assert "another class" not in words
    assert "episode" not in words
    assert "Film strip of the clip new.mp4 above one of a support of waving &amp; nodding" in page


def test_answers_beside_an_evaluation(folder: Path, tmp_path: Path) -> None:
    write_results(tmp_path / "run", Task())
    words = Outline(render([tmp_path / "run", folder])).words
    assert "1 set of answers and 1 evaluation" in words


def test_records_survive_and_say_what_they_are(folder: Path) -> None:
    record = read_recognition(folder)
    assert RecognitionRecord.from_json(record.to_json()) == record
    assert [answer.refused for answer in record.answers] == [False, True]
    with pytest.raises(
        RecordError, match=r"holds no recognition\.json; expected a folder of 'a2m2 recognize"
    ):
        read_recognition(folder / "evidence")


def _fewer_reasons(folder: Path, raw: dict[str, list[dict[str, object]]]) -> None:
    next((folder / "evidence").glob("*.json")).unlink()


def _no_rank(folder: Path, raw: dict[str, list[dict[str, object]]]) -> None:
    raw["answers"][0]["ranked"] = []


def _no_probability(folder: Path, raw: dict[str, list[dict[str, object]]]) -> None:
    raw["answers"][0]["ranked"] = [{"label": "a", "score": 1.0, "probability": 1.5}]


def _no_answers(folder: Path, raw: dict[str, list[dict[str, object]]]) -> None:
    del raw["answers"]


def _another_schema(folder: Path, raw: dict[str, object]) -> None:
    raw["schema"] = 9


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_fewer_reasons, "2 answers with 1 reasons, expected one each"),
        (_no_rank, "new.mp4 has no ranked class"),
        (_no_probability, "new.mp4 has 1.5 where a share from 0 to 1 was expected"),
        (_no_answers, "cannot be read"),
        (_another_schema, "records of schema 9, this version reads 1"),
    ],
)
def test_folders_that_do_not_fit_are_refused(
    folder: Path, change: Callable[[Path, dict[str, object]], None], expected: str
) -> None:
    raw = json.loads((folder / RECORD).read_text())
    change(folder, raw)
    (folder / RECORD).write_text(json.dumps(raw))
    with pytest.raises(RecordError, match=expected):
        render([folder])
