"""What ``a2m2 enrol`` and ``a2m2 recognize`` print."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from rich.table import Table

from a2m2.cli.tables import console
from a2m2.errors import DecodeError
from a2m2.recognize import LeaveOneOut
from a2m2.recognize.in_words import report_lines
from a2m2.recognize.tabular import Answer


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
