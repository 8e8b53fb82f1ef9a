"""From the records of all cells to the figures of a study."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from a2m2.errors import ConfigError
from a2m2.eval.alignment import UNIFORM
from a2m2.eval.repeats import RepeatedFigure, growth, holm, over_repeats, p_value
from a2m2.eval.stats import Summary, read_summary, verified_accuracies
from a2m2.records import RunRecord, read_run
from a2m2.studies.grid import Cell, GridSettings
from a2m2.study_records import Labels, StudyDifference, StudyFigure, StudyRecord


@dataclass(frozen=True, eq=False)
class _Place:
    """One place of the grid: its cells, one a repeat.

    Attributes:
        labels: axis to label, without the axis of repeats.
        runs, summaries: of each repeat.
        accuracies: method to one array a repeat, one value an episode.
    """

    labels: Labels
    cells: tuple[str, ...]
    runs: tuple[RunRecord, ...]
    summaries: tuple[Summary, ...]
    accuracies: dict[str, tuple[NDArray[np.float64], ...]]

    @property
    def episodes(self) -> tuple[object, ...]:
        """What two places must share to be compared episode by episode."""
        run = self.runs[0]
        return run.data_digest, run.episodes_digest, len(self.runs)


def collect(grid: GridSettings, cells: Sequence[Cell], out: Path) -> StudyRecord:
    """The figures of a study whose cells have all been run.

    Raises:
        RecordError: records of a cell that are incomplete.
        ConfigError: a reference method that was not run.
    """
    places = _places(grid, cells, out)
    methods = {name: text for place in places for name, text in place.runs[0].methods.items()}
    reference = grid.reference or next(iter(methods))
    if reference not in methods:
        raise ConfigError(f"reference {reference} was not run; name one of {', '.join(methods)}")
    differences = [
        *_between_methods(places, reference),
        *_between_levels(grid, places),
        *_growths(grid, places, reference),
    ]
    notes = tuple(dict.fromkeys(note for place in places for run in place.runs for note in run.notes))
    return StudyRecord(
        title=grid.title,
        axes={axis: tuple(dict.fromkeys(cell.labels[axis] for cell in cells)) for axis in grid.axes},
        repeat=grid.repeat,
        reference=reference,
        methods=methods,
        figures=tuple(_figure(place, method) for place in places for method in place.accuracies),
        differences=tuple(_corrected(differences)),
        grid=grid.model_dump(mode="json"),
        notes=notes,
    )


def _places(grid: GridSettings, cells: Sequence[Cell], out: Path) -> list[_Place]:
    """Cells that differ in the axis of repeats alone, together."""
    groups: dict[tuple[tuple[str, str], ...], list[Cell]] = {}
    for cell in cells:
        key = tuple((axis, label) for axis, label in cell.labels.items() if axis != grid.repeat)
        groups.setdefault(key, []).append(cell)
    return [_place(dict(key), members, out) for key, members in groups.items()]


def _place(labels: Labels, cells: Sequence[Cell], out: Path) -> _Place:
    folders = [out / "cells" / cell.name for cell in cells]
    runs = tuple(read_run(folder) for folder in folders)
    accuracies = [verified_accuracies(folder, run) for folder, run in zip(folders, runs, strict=True)]
    return _Place(
        labels,
        tuple(cell.name for cell in cells),
        runs,
        tuple(read_summary(folder) for folder in folders),
        {method: tuple(one[method] for one in accuracies) for method in runs[0].methods},
    )


def _figure(place: _Place, method: str) -> StudyFigure:
    figure = over_repeats(place.accuracies[method])
    run = place.runs[0]
    truths = [summary.alignment.get(method) for summary in place.summaries]
    known = [truth["non_idle"] for truth in truths if truth is not None]
    uniform = [
        summary.alignment[UNIFORM]["non_idle"]["share"]
        for summary in place.summaries
        if UNIFORM in summary.alignment
    ]
    return StudyFigure(
        labels=place.labels,
        method=method,
        accuracy=figure.mean,
        interval95=figure.interval95,
        repeats=figure.repeats,
        repeats95=figure.repeats95,
        episodes=figure.episodes,
        way=run.way,
        shot=run.shot,
        query=run.query,
        alignment=float(np.mean([truth["share"] for truth in known])) if known else None,
        alignment95=max(truth["interval95"] for truth in known) if known else None,
        uniform=float(np.mean(uniform)) if known and uniform else None,
        cells=place.cells,
    )


def _difference(
    labels: Labels,
    kind: str,
    axis: str,
    names: tuple[str, str],
    first: Sequence[NDArray[np.float64]],
    second: Sequence[NDArray[np.float64]],
) -> StudyDifference:
    """Paired, episode by episode and repeat by repeat."""
    figure = over_repeats([a - b for a, b in zip(first, second, strict=True)])
    p = p_value(figure.mean, figure.interval95)
    return StudyDifference(
        labels, kind, axis, *names, figure.mean, figure.interval95, figure.repeats, figure.repeats95, p, p
    )


def _between_methods(places: Sequence[_Place], reference: str) -> Iterator[StudyDifference]:
    """The reference minus every other method, wherever both ran."""
    for place in places:
        for method, accuracies in place.accuracies.items():
            if method != reference and reference in place.accuracies:
                yield _difference(
                    place.labels, "method", "", (reference, method), place.accuracies[reference], accuracies
                )


def _between_levels(grid: GridSettings, places: Sequence[_Place]) -> Iterator[StudyDifference]:
    """Every level of an axis minus its first, method by method, where both met the same episodes."""
    for axis, first, other in _neighbours(grid, places):
        if other.episodes != first.episodes:
            continue
        rest = {name: label for name, label in first.labels.items() if name != axis}
        for method in first.accuracies:
            if method in other.accuracies:
                names = (f"{method}: {other.labels[axis]}", f"{method}: {first.labels[axis]}")
                yield _difference(
                    rest, "level", axis, names, other.accuracies[method], first.accuracies[method]
                )


def _growths(grid: GridSettings, places: Sequence[_Place], reference: str) -> Iterator[StudyDifference]:
    """How the lead of the reference changes along an axis whose levels have clips of their own."""
    for axis, first, last in _neighbours(grid, places, ends_only=True):
        if last.episodes == first.episodes or reference not in first.accuracies:
            continue
        rest = {name: label for name, label in first.labels.items() if name != axis}
        for method in first.accuracies:
            if method == reference or method not in last.accuracies:
                continue
            difference, interval = growth(_lead(first, reference, method), _lead(last, reference, method))
            p = p_value(difference, interval)
            yield StudyDifference(
                rest, "growth", axis, reference, method, difference, interval, (), 0.0, p, p
            )


def _lead(place: _Place, a: str, b: str) -> RepeatedFigure:
    pairs = zip(place.accuracies[a], place.accuracies[b], strict=True)
    return over_repeats([one - other for one, other in pairs])


def _neighbours(
    grid: GridSettings, places: Sequence[_Place], *, ends_only: bool = False
) -> Iterator[tuple[str, _Place, _Place]]:
    """Places that differ in one axis alone: the first level with each later one, or with the last only."""
    for axis in grid.axes:
        if axis == grid.repeat:
            continue
        rows: dict[tuple[tuple[str, str], ...], list[_Place]] = {}
        for place in places:
            rest = tuple((name, label) for name, label in place.labels.items() if name != axis)
            rows.setdefault(rest, []).append(place)
        for row in rows.values():
            for other in row[-1:] if ends_only else row[1:]:
                if other is not row[0]:
                    yield axis, row[0], other


def _corrected(differences: Sequence[StudyDifference]) -> Iterator[StudyDifference]:
    """With Holm's correction, each kind a family of its own."""
    for _, members in itertools.groupby(differences, key=lambda one: one.kind):
        family = list(members)
        adjusted = holm([one.p for one in family])
        yield from (replace(one, p_holm=p) for one, p in zip(family, adjusted, strict=True))
