"""Damaged and missing records of trainings are refused in one line that names the file and the cure."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_report_page import Outline

from a2m2.errors import A2M2Error, RecordError
from a2m2.report.page import render
from a2m2.train_records import read_metrics
from training_records import write_training

CURE = re.escape("; train again, or go on from its last checkpoint with --resume")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_training(tmp_path / "pre")
    return tmp_path / "pre"


def test_folder_that_is_neither(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"holds no run\.json; .*, or a training with its train\.json"):
        render([tmp_path])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda r: r.update(stage="third"), r"stage 'third' is neither pretrain nor meta"),
        (lambda r: r.update(classes=None), r"'NoneType' object is not iterable"),
        (lambda r: r.update(steps="many"), r"steps: .*integer"),
        (lambda r: r.update(clips=-1), r"a negative number of steps, clips or parameters"),
        (lambda r: r["config"].pop("validation"), r"its content: .*dictionary"),
        (lambda r: r["config"]["validation"].update(way=1), r"its validation is no task: way 1, shot 1"),
        (lambda r: r["config"]["validation"].pop("way"), r"its content: .*integer"),
        (lambda r: r["best"].update(accuracy=float("nan")), r"the best step has a figure that is not finite"),
        (lambda r: r["best"].update(accuracy=1.5), r"the best step has 1\.5 where a share from 0 to 1"),
        (lambda r: r["best"].update(step=900), r"the best step: step 900 does not lie within 0 and 400"),
    ],
)
def test_record_that_does_not_fit(folder: Path, edit: Callable[[Any], None], message: str) -> None:
    raw = json.loads((folder / "train.json").read_text())
    edit(raw)
    (folder / "train.json").write_text(json.dumps(raw))
    with pytest.raises(
        RecordError, match=rf"train\.json cannot be (used|read) \(.*{message}.*\); train again"
    ):
        render([folder])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"step":400,"loss":NaN,"accuracy":0.5}', r"step 400 has a figure that is not finite"),
        ('{"step":400,"loss":Infinity,"accuracy":0.5}', r"step 400 has a figure that is not finite"),
        ('{"step":400,"loss":0.5,"accuracy":2}', r"step 400 has 2 where a share from 0 to 1 was expected"),
        ('{"step":400,"loss":0.5}', r"step 400 lacks accuracy"),
        ('{"step":400,"validation_accuracy":0.5}', r"step 400 lacks validation_interval95"),
        (
            '{"step":400,"validation_accuracy":NaN,"validation_interval95":0.1}',
            r"the validation at step 400 has a figure that is not finite",
        ),
        (
            '{"step":390,"loss":0.5,"accuracy":0.5}',
            r"training: step 390 does not lie after 390 and within 400",
        ),
        (
            '{"step":401,"loss":0.5,"accuracy":0.5}',
            r"training: step 401 does not lie after 390 and within 400",
        ),
    ],
)
def test_metrics_that_do_not_fit(folder: Path, line: str, message: str) -> None:
    path = folder / "metrics.jsonl"
    kept = [text for text in path.read_text().splitlines() if not text.startswith('{"step":400')]
    path.write_text("\n".join([*kept, line]) + "\n")
    with pytest.raises(RecordError, match=rf"metrics\.jsonl cannot be used \({message}\){CURE}"):
        render([folder])


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b"null"])
@pytest.mark.parametrize("name", ["train.json", "metrics.jsonl"])
def test_damaged_file(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(RecordError, match=rf"{re.escape(name)}.*(cannot be|is damaged).*train again"):
        render([folder])


def test_gradient_norms_that_overflowed_are_no_damage(folder: Path) -> None:
    lines = (folder / "metrics.jsonl").read_text()
    (folder / "metrics.jsonl").write_text(lines.replace('"gradient_norm":5.0', '"gradient_norm":Infinity', 1))
    assert any(metric.values.get("gradient_norm") == float("inf") for metric in read_metrics(folder))
    Outline(render([folder]))


@pytest.mark.parametrize("name", ["train.json", "metrics.jsonl"])
def test_a_changed_record_is_drawn_or_refused_but_never_breaks(folder: Path, name: str) -> None:
    rng = random.Random(name)
    path = folder / name
    lines = path.read_text().splitlines() if name == "metrics.jsonl" else [path.read_text()]
    unfitting = [None, -1, 0, 1e300, float("nan"), "text", [], {}, True, [[1]], {"a": 1}]
    refusals = []
    for _ in range(60):
        changed = list(lines)
        i = rng.randrange(len(changed))
        raw = json.loads(changed[i])
        inside = rng.choice([raw, *(value for value in raw.values() if isinstance(value, dict) and value)])
        key = rng.choice(list(inside))
        inside[key] = rng.choice(unfitting)
        changed[i] = json.dumps(raw)
        path.write_text("\n".join(changed) + "\n")
        try:
            Outline(render([folder]))
        except A2M2Error as error:
            refusals.append(str(error))
    assert refusals
    assert all("\n" not in refusal and name in refusal for refusal in refusals)
