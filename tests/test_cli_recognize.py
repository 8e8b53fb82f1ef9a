"""``a2m2 enrol`` and ``a2m2 recognize``: from folders of clips to answers, errors in their rows, nothing half-done."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from threading import Barrier, Lock
from typing import Any

import pytest

from a2m2.cli.recognition_output import print_answers
from a2m2.recognition_records import Recognition, ScoredClass
from a2m2.recognize import Explanation, LeaveOneOut, Recognizer
from a2m2.recognize.in_words import report_lines
from a2m2.recognize.report import ClassReport, Confusion, SuspiciousClip
from a2m2.records import read_evidence
from a2m2.video import write_clip
from test_cli import call, error_line
from tiny_clips import make_dataset, moving_square

CLASSES = ["down", "left", "right"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "clips", splits={"": CLASSES}, clips_per_class=3)


@pytest.fixture
def fast(cache: Path) -> tuple[object, ...]:
    return ("--backbone", "motion-filters", "--frames", "4", "--size", "48", "--cache", cache)


def test_from_a_folder_to_answers(
    data: Path,
    fast: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    actions = tmp_path / "actions.a2m2"
    assert call(monkeypatch, "enrol", data, "-o", actions, *fast) == 0
    printed = capsys.readouterr().out
    assert "9 clips of 3 classes, each recognised from the others" in printed
    assert "recognised 100 % of 9 clips; guessing would be 33 %" in printed
    assert "chosen among 2 settings: stage mid" in printed
    assert "calibrated on these clips" in printed
    assert printed.endswith(f"{actions}: recognise with it: a2m2 recognize {actions} clip.mp4\n")

    assert call(monkeypatch, "info", actions) == 0
    printed = capsys.readouterr().out
    assert "seen with motion-filters, weights " in printed
    assert printed.endswith(", stage mid, fitted on the enrolled clips\n")

    new = [tmp_path / "new" / f"{name}.mp4" for name in CLASSES]
    for path in new:
        write_clip(path, moving_square(path.stem, 77))
    assert call(monkeypatch, "recognize", actions, *new, "--json", "--top", 2, "--always-name") == 0
    answers = json.loads(capsys.readouterr().out)
    assert [(answer["clip"], answer["answer"]) for answer in answers] == [
        (str(path), path.stem) for path in new
    ]
    assert all(len(answer["ranked"]) == 2 and answer["error"] is None for answer in answers)

    assert call(monkeypatch, "recognize", actions, *new, "--csv", "--always-name") == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["answer"] for row in rows] == CLASSES
    assert [row["class_1"] for row in rows] == CLASSES
    for row, answer in zip(rows, answers, strict=True):
        assert float(row["probability_1"]) == pytest.approx(answer["ranked"][0]["probability"], abs=1e-4)
        assert float(row["probability_3"]) <= float(row["probability_2"])

    monkeypatch.chdir(tmp_path)
    shown = [path.relative_to(tmp_path) for path in new]
    assert call(monkeypatch, "recognize", actions, *shown, "--explain", "why", "--always-name") == 0
    printed = capsys.readouterr().out
    assert all(f"{name}.mp4" in printed for name in CLASSES)
    assert [record.support.class_name for record in read_evidence(tmp_path / "why")] == CLASSES
    page = (tmp_path / "why" / "report.html").read_text()
    assert all(f"{name}.mp4: <strong>{name}</strong>" in page for name in CLASSES)
    assert str(tmp_path) not in page


def test_a_broken_clip_keeps_its_row_and_the_others_their_answers(
    data: Path,
    fast: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    actions, text = tmp_path / "actions.a2m2", tmp_path / "text.mp4"
    assert call(monkeypatch, "enrol", data, "-o", actions, *fast) == 0
    text.write_text("hello\n")
    good = data / "left" / "00.mp4"
    for extra in ((), ("--explain", tmp_path / "why")):
        capsys.readouterr()
        assert call(monkeypatch, "recognize", actions, text, good, "--json", *extra) == 1
        broken, whole = json.loads(capsys.readouterr().out)
        assert (broken["answer"], broken["ranked"]) == (None, [])
        assert broken["error"]
        assert whole["answer"] == "left"
    assert call(monkeypatch, "recognize", actions, text, good, "--csv") == 1
    broken, whole = csv.DictReader(capsys.readouterr().out.splitlines())
    assert (broken["answer"], whole["answer"]) == ("", "left")
    assert broken["error"]
    assert call(monkeypatch, "recognize", actions, text, good) == 1
    assert "cannot be decoded: " in capsys.readouterr().out


def test_reasons_do_not_depend_on_threads_and_use_as_many_as_are_given(
    data: Path,
    fast: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    actions = tmp_path / "actions.a2m2"
    assert call(monkeypatch, "enrol", data, "-o", actions, *fast) == 0
    clips = [data / name / f"0{number}.mp4" for number in range(2) for name in CLASSES]
    asked: list[int] = []
    met, lock, explain = Barrier(3), Lock(), Recognizer.explain

    def waiting(self: Recognizer, clip: Path, **options: Any) -> Explanation:
        if self.num_threads == 3:  # goes on only when three clips are worked on at the same time
            with lock:
                asked.append(options["number"])
            met.wait(timeout=30)
        return explain(self, clip, **options)

    monkeypatch.setattr(Recognizer, "explain", waiting)
    texts = {}
    for threads in (1, 3):
        why = tmp_path / f"why{threads}"
        capsys.readouterr()
        assert call(monkeypatch, "recognize", actions, *clips, "--explain", why, "--threads", threads) == 0
        evidence = {path.name: path.read_bytes() for path in sorted((why / "evidence").iterdir())}
        texts[threads] = capsys.readouterr().out, evidence
    assert sorted(asked) == list(range(6))
    assert texts[1] == texts[3]
    assert len([name for name in texts[1][1] if name.endswith(".json")]) == 6


def test_broken_clips_when_enrolling(
    data: Path,
    fast: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    actions = tmp_path / "actions.a2m2"
    (data / "left" / "01.mp4").write_text("hello\n")
    (data / "down" / "02.mp4").write_bytes(b"")
    assert call(monkeypatch, "enrol", data, "-o", actions, *fast) == 1
    line = error_line(capsys)
    assert line.startswith("error: 2 videos cannot be decoded: ")
    assert "down/02.mp4" in line
    assert "left/01.mp4" in line
    assert not actions.exists()
    assert call(monkeypatch, "enrol", data, "-o", actions, *fast, "--skip-broken") == 0
    printed = capsys.readouterr().out
    assert "left out, cannot be decoded: down/02.mp4\nleft out, cannot be decoded: left/01.mp4\n" in printed
    assert "7 clips of 3 classes" in printed
    for name in ("00", "01", "02"):
        (data / "left" / f"{name}.mp4").write_text("hello\n")
    assert call(monkeypatch, "enrol", data, "-o", actions, *fast, "--skip-broken") == 1
    assert "no clip of left can be decoded; replace its clips" in error_line(capsys)


def test_dry_run_and_wrong_places(
    data: Path,
    fast: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    actions = tmp_path / "actions.a2m2"
    assert call(monkeypatch, "enrol", data, "-o", actions, "--dry-run") == 0
    printed = capsys.readouterr().out
    assert f"would enrol 9 clips of 3 classes from {data}" in printed
    assert "seen with motion-small, trained a2m2_net, weights " in printed
    assert not actions.exists()
    (tmp_path / "empty").mkdir()
    cases: list[tuple[tuple[object, ...], str]] = [
        (("enrol", tmp_path / "empty", "-o", actions), "no videos in"),
        (("enrol", tmp_path / "none", "-o", actions), "no folder or manifest"),
        (("enrol", data, "-o", actions, "--weights", "a", "--backbone", "b"), "name one"),
        (("enrol", data, "-o", tmp_path, *fast), "it is a folder"),
        (("enrol", data, "-o", actions, "--size", "48"), "--frames and --size are for --backbone"),
        (("recognize", tmp_path / "none.a2m2", "a.mp4"), "no recogniser"),
        (("recognize", tmp_path, "a.mp4"), "is a folder; give the file that a2m2 enrol wrote"),
        (("recognize", actions, "a.mp4", "--json", "--csv"), "exclude each other"),
    ]
    for arguments, expected in cases:
        assert call(monkeypatch, *arguments) == 1, arguments
        assert expected in error_line(capsys), arguments


def test_names_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    name = "[/b] :b:"
    print_answers([("[a].mp4", Recognition("[a].mp4", name, (ScoredClass(name, 1.0, 1.0),)))], top=1)
    printed = capsys.readouterr().out
    assert "[a].mp4" in printed
    assert printed.count(name) == 2


# --- the report in words ---


def report(**changes: object) -> LeaveOneOut:
    plain = {
        "classes": (ClassReport("jump", 5, 5, 4), ClassReport("wave", 4, 4, 4)),
        "confusions": (Confusion("jump", "wave", 1),),
        "suspicious": (SuspiciousClip("jump/003.mp4", "jump", "wave", 0.4),),
        "copies": (),
        "calibration_error": 0.1234,
        "unknown_auroc": 0.9,
        "calibrated": True,
        "setting": "stage mid, order prior 0.3",
        "settings_tried": 4,
    }
    return LeaveOneOut(**{**plain, **changes})


def test_the_report_in_words() -> None:
    assert report_lines(report()) == [
        "recognised 89 % of 9 clips; guessing would be 50 %",
        "chosen among 4 settings: stage mid, order prior 0.3; the best of several looks a little better than it is",
        "confused: 1 clip of jump taken for wave",
        "look at jump/003.mp4: labelled jump, but closer to wave",
        'threshold for "unknown" and probabilities: calibrated on these clips',
        "expected calibration error of the probabilities: 0.12",
        "known against unknown actions, area under the ROC curve: 0.90",
    ]


def test_the_report_says_what_it_does_not_know() -> None:
    single = report(
        classes=(ClassReport("jump", 1, 0, 0), ClassReport("wave", 1, 0, 0)),
        confusions=(),
        suspicious=(),
        calibrated=False,
        calibration_error=None,
        unknown_auroc=None,
        settings_tried=1,
    )
    assert report_lines(single) == [
        "nothing could be tested: with one clip a class none can be left out; give two or more of each",
        'threshold for "unknown" and probabilities: shipped defaults, there are too few clips to calibrate them; '
        "take both with a grain of salt",
    ]
    alone = report(classes=(ClassReport("jump", 3, 3, 3),), confusions=(), suspicious=(), calibrated=False)
    assert report_lines(alone)[0].startswith("one class only")
    copied = report(copies=(("a.mp4", "b.mp4"),))
    assert "the same video more than once: a.mp4, b.mp4; it counts as one when left out" in report_lines(
        copied
    )


def test_only_the_first_few_are_named() -> None:
    many = report(
        suspicious=tuple(SuspiciousClip(f"{number}.mp4", "jump", "wave", 1.0) for number in range(8))
    )
    lines = report_lines(many)
    assert sum(line.startswith("look at ") for line in lines) == 5
    assert "and 3 more clips that are closer to another class" in lines
