"""Read results folders, and refuse what is missing or damaged before anything is drawn.

Every refusal is a :class:`~a2m2.errors.RecordError` that names the file and says what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a2m2.errors import RecordError
from a2m2.eval.stats import MethodSummary, Summary, read_summary
from a2m2.reading import mapping_of, parse_json, read_text
from a2m2.records import EvidenceRecord, FilmStrip, RunRecord, read_evidence, read_run
from a2m2.report.reading import check_finite, labels_of, reading

AGAIN = "evaluate again with 'a2m2 evaluate'"


@dataclass(frozen=True)
class Evidence:
    """An alignment record and the file it came from; its thumbnails lie beside that file."""

    path: Path
    record: EvidenceRecord


@dataclass(frozen=True)
class Results:
    """One results folder, read and checked.

    Attributes:
        folder: where it lies; never printed on the page.
        anchor: name for links inside the page, unique in it.
        label: name for people, unique in the page.
        run: what was run.
        summary: its figures.
        evidence: records for alignment pictures, in the order of their files.
        timings: content of ``timings.json``, empty when there is none.
    """

    folder: Path
    anchor: str
    label: str
    run: RunRecord
    summary: Summary
    evidence: tuple[Evidence, ...]
    timings: dict[str, Any]

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / self.run.way


def read_results(folders: Sequence[Path]) -> list[Results]:
    """Read the folders in the order given; labels are folder names, numbered where two are alike.

    Raises:
        RecordError: no folder, or one that is incomplete or damaged.
    """
    if not folders:
        raise RecordError(
            "expected at least one folder of results, got none; name one that 'a2m2 evaluate' wrote, "
            "a training or a study"
        )
    labelled = zip(folders, labels_of(folders), strict=True)
    return [_read_one(folder, f"run{i}", label) for i, (folder, label) in enumerate(labelled, 1)]


def _read_one(folder: Path, anchor: str, label: str) -> Results:
    if not folder.is_dir():
        raise RecordError(
            f"{folder} is not a folder; expected one that 'a2m2 evaluate --out' wrote, a training or a study"
        )
    return Results(
        folder=folder,
        anchor=anchor,
        label=label,
        run=_read_run(folder),
        summary=_read_summary(folder / "summary.json"),
        evidence=tuple(read_evidences(folder, AGAIN)),
        timings=_read_timings(folder / "timings.json"),
    )


def _read_run(folder: Path) -> RunRecord:
    if not (folder / "run.json").is_file():
        raise RecordError(
            f"{folder} holds no run.json; expected a folder that 'a2m2 evaluate --out' wrote, or a training with "
            "its train.json, or a study with its study.json"
        )
    with reading(folder / "run.json", AGAIN):
        run = read_run(folder)
        if run.way < 2 or min(run.shot, run.query, run.episodes) < 1:
            raise ValueError(f"way {run.way}, shot {run.shot}, query {run.query} is no protocol")
    return run


def _read_summary(path: Path) -> Summary:
    if not path.is_file():
        raise RecordError(f"{path.parent} holds no summary.json; {AGAIN}")
    with reading(path, AGAIN):
        summary = read_summary(path.parent)
        if not summary.methods:
            raise ValueError("no method in it")
        for name, figures in summary.methods.items():
            _check_method(name, figures, summary.classes)
        for pair in summary.pairs:
            check_finite(f"{pair.a} minus {pair.b}", pair.difference, pair.interval95)
            if not {pair.a, pair.b} <= set(summary.methods):
                raise ValueError(f"it compares {pair.a} with {pair.b}, which are not both methods")
        for name, kinds in summary.alignment.items():
            for kind in ("non_idle", "all"):
                _check_share(f"alignment of {name}", kind, kinds.get(kind, {}))
    return summary


def _check_method(name: str, figures: MethodSummary, classes: Sequence[str]) -> None:
    check_finite(name, figures.accuracy, figures.interval95)
    rows, size = figures.confusion, len(classes)
    if rows and (len(rows) != size or any(len(row) != size for row in rows)):
        raise ValueError(f"confusion of {name} is not {size} by {size}, one row and column a class")
    for label, entry in figures.by_class.items():
        if label not in classes or not {"accuracy", "queries"} <= set(entry):
            raise ValueError(f"by_class of {name} has an unknown or incomplete class {label}")
        check_finite(f"{label} of {name}", *entry.values())


def _check_share(what: str, kind: str, figures: Mapping[str, float]) -> None:
    """A share over no episode is not a number, and is left out of the page."""
    if not {"share", "interval95", "episodes"} <= set(figures):
        raise ValueError(f"{what} lacks figures of {kind}")
    check_finite(what, figures["episodes"], *(figures.values() if figures["episodes"] else ()))


def _read_timings(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    with reading(path, AGAIN):
        return mapping_of(parse_json(read_text(path, error=RecordError, cure=AGAIN)))


def read_evidences(folder: Path, cure: str) -> Iterator[Evidence]:
    """The alignment records with the files they stand in, checked against themselves.

    Raises:
        RecordError: a damaged one; ``cure`` says what to do.
    """
    with reading(folder / "evidence", cure):
        records = read_evidence(folder)
    for path, record in zip(sorted((folder / "evidence").glob("*.json")), records, strict=True):
        with reading(path, cure):
            _check_strip("query", record.query)
            _check_strip("support", record.support)
            _check_matrix("plan", record.plan, record)
            _check_matrix("similarity", record.similarity, record)
            check_finite("score", record.score, *record.extra.values())
            if any(mass < 0 for row in record.plan for mass in row):
                raise ValueError("plan holds a negative mass")
        yield Evidence(path, record)


def _check_strip(side: str, strip: FilmStrip) -> None:
    frames, thumbnails = len(strip.frame_seconds), len(strip.thumbnails)
    if frames != thumbnails or not frames:
        raise ValueError(f"{side} has {thumbnails} thumbnails for {frames} frames, expected one each")
    if len(strip.scale) != len(strip.spans) or not strip.spans:
        raise ValueError(
            f"{side} has {len(strip.scale)} scales for {len(strip.spans)} candidates, expected one each"
        )
    check_finite(f"{side}'s times", strip.duration_seconds, *strip.frame_seconds, *sum(strip.spans, ()))
    if strip.frame_seconds != tuple(sorted(strip.frame_seconds)) or strip.frame_seconds[0] < 0:
        raise ValueError(f"{side}'s frame_seconds do not ascend from 0")


def _check_matrix(name: str, matrix: Sequence[Sequence[float]], record: EvidenceRecord) -> None:
    rows, columns = len(record.query.spans), len(record.support.spans)
    if len(matrix) != rows or any(len(row) != columns for row in matrix):
        raise ValueError(f"{name} is not {rows} by {columns}, one entry a pair of candidates")
    for row in matrix:
        check_finite(name, *row)
