"""What ``a2m2 enrol`` and ``a2m2 recognize`` print."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import typer
from rich.table import Table

from a2m2.cli.tables import console
from a2m2.errors import DecodeError
from a2m2.recognize import LeaveOneOut, Recognition

_FEW = 5
"""Confusions and suspicious clips that are named."""

Answer = tuple[str, Recognition | DecodeError]
"""The clip as it was named on the command line, and what came of it."""


def print_report(report: LeaveOneOut) -> None:
    """A table of the classes, then in words what leaving one out has shown."""
    typer.echo(f"{report.num_clips} clips of {len(report.classes)} classes, each recognised from the others")
    table = Table()
    table.add_column("class")
    table.add_column("clips", justify="right")
    table.add_column("recognised", justify="right")
    table.add_column("taken for")
    for entry in report.classes:
        taken = [
            f"{confusion.taken_for} ({confusion.count})"
            for confusion in report.confusions
            if confusion.label == entry.label
        ]
        tested = f"{entry.num_correct} of {entry.num_tested}" if entry.num_tested else "too few clips"
        table.add_row(str(entry.label), str(entry.num_clips), tested, ", ".join(taken))
    console().print(table)
    for line in report_lines(report):
        typer.echo(line)


def report_lines(report: LeaveOneOut) -> list[str]:
    """The report in plain words."""
    lines = [*_accuracy_lines(report)]
    for confusion in report.confusions[:_FEW]:
        noun = "clip" if confusion.count == 1 else "clips"
        lines.append(
            f"confused: {confusion.count} {noun} of {confusion.label} taken for {confusion.taken_for}"
        )
    lines += _more(len(report.confusions), "pairs of classes that are confused")
    for clip in report.suspicious[:_FEW]:
        lines.append(f"look at {clip.name}: labelled {clip.label}, but closer to {clip.nearest}")
    lines += _more(len(report.suspicious), "clips that are closer to another class")
    for group in report.copies:
        lines.append(f"the same video more than once: {', '.join(group)}; it counts as one when left out")
    return [*lines, *_confidence_lines(report)]


def _accuracy_lines(report: LeaveOneOut) -> list[str]:
    if len(report.classes) == 1:
        return [
            "one class only: nothing to confuse it with, so its accuracy says nothing; enrol a second one"
        ]
    if report.accuracy is None:
        return [
            "nothing could be tested: with one clip a class none can be left out; give two or more of each"
        ]
    lines = [
        f"recognised {100 * report.accuracy:.0f} % of {report.num_tested} clips; "
        f"guessing would be {100 / len(report.classes):.0f} %"
    ]
    if report.settings_tried > 1:
        lines.append(
            f"chosen among {report.settings_tried} settings: {report.setting}; "
            "the best of several looks a little better than it is"
        )
    return lines


def _confidence_lines(report: LeaveOneOut) -> list[str]:
    if not report.calibrated:
        return [
            'threshold for "unknown" and probabilities: shipped defaults, there are too few clips to calibrate them; '
            "take both with a grain of salt"
        ]
    lines = ['threshold for "unknown" and probabilities: calibrated on these clips']
    if report.calibration_error is not None:
        lines.append(f"expected calibration error of the probabilities: {report.calibration_error:.2f}")
    if report.unknown_auroc is not None:
        lines.append(f"known against unknown actions, area under the ROC curve: {report.unknown_auroc:.2f}")
    return lines


def _more(number: int, what: str) -> list[str]:
    return [f"and {number - _FEW} more {what}"] if number > _FEW else []


def print_answers(answers: Sequence[Answer], *, top: int) -> None:
    """A row a clip."""
    table = Table()
    table.add_column("clip", overflow="fold")
    table.add_column("answer")
    table.add_column("probability", justify="right")
    table.add_column("resembles")
    for name, answer in answers:
        if isinstance(answer, DecodeError):
            table.add_row(name, "", "", f"cannot be decoded: {answer.cause}; {answer.cure}")
            continue
        ranked = ", ".join(f"{entry.label} {100 * entry.probability:.0f} %" for entry in answer.ranked[:top])
        sure = "" if answer.refused else f"{100 * answer.ranked[0].probability:.0f} %"
        table.add_row(name, str(answer.label), sure, ranked)
    console().print(table)


def as_json(answers: Sequence[Answer], *, top: int) -> str:
    """A list with an object a clip."""
    return json.dumps(
        [_as_object(name, answer, top) for name, answer in answers], indent=1, ensure_ascii=False
    )


def as_csv(answers: Sequence[Answer], *, top: int) -> str:
    """A header and a line a clip."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ranks = [f"{what}_{rank}" for rank in range(1, top + 1) for what in ("class", "probability", "score")]
    writer.writerow(["clip", "answer", "error", *ranks])
    for name, answer in answers:
        if isinstance(answer, DecodeError):
            writer.writerow([name, "", f"{answer.cause}; {answer.cure}", *[""] * len(ranks)])
            continue
        cells = [
            cell
            for entry in answer.ranked[:top]
            for cell in (entry.label, f"{entry.probability:.4f}", f"{entry.score:.4f}")
        ]
        writer.writerow([name, answer.label, "", *cells, *[""] * (len(ranks) - len(cells))])
    return text.getvalue().rstrip("\n")


def _as_object(name: str, answer: Recognition | DecodeError, top: int) -> dict[str, Any]:
    if isinstance(answer, DecodeError):
        return {"clip": name, "answer": None, "error": f"{answer.cause}; {answer.cure}", "ranked": []}
    ranked = [
        {"class": entry.label, "probability": round(entry.probability, 6), "score": round(entry.score, 6)}
        for entry in answer.ranked[:top]
    ]
    return {"clip": name, "answer": answer.label, "error": None, "ranked": ranked}
