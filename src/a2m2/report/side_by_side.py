"""Section of a page with several runs: the same methods next to each other, paired where that is fair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from a2m2.eval.stats import PairSummary, compare_runs
from a2m2.records import RunRecord
from a2m2.report.figures import is_clear, ranked
from a2m2.report.inputs import Results
from a2m2.report.overview import protocol
from a2m2.report.wording import digits_for, percent, signed


@dataclass(frozen=True)
class Entry:
    """One method in one run.

    Attributes:
        accuracy, interval: as printed.
        difference: against the same method in the table's first run, paired by episodes, with its interval;
            empty in that run and where nothing is paired.
        clear: whether the difference's interval leaves 0 out.
    """

    accuracy: str
    interval: str
    difference: str
    clear: bool


@dataclass(frozen=True)
class RunHead:
    """One column: a run and what sets it apart."""

    anchor: str
    label: str
    dataset: str
    protocol: str


@dataclass(frozen=True)
class SideBySide:
    """Runs as columns, methods as rows; ``reference`` is the run that differences are taken from."""

    heads: tuple[RunHead, ...]
    rows: tuple[tuple[str, tuple[Entry | None, ...]], ...]
    paired: bool
    reference: str


def side_by_side(runs: Sequence[Results]) -> list[SideBySide]:
    """One table a set of runs over the same episodes and videos, and one of all runs where these differ.

    Raises:
        RecordError: a paired run whose ``episodes.jsonl`` is missing, damaged, or not the one it names.
    """
    if len(runs) < 2:
        return []
    groups: dict[tuple[object, ...], list[Results]] = {}
    for run in runs:
        groups.setdefault(_task(run.run), []).append(run)
    tables = [_table(group, paired=True) for group in groups.values() if len(group) > 1]
    if len(groups) > 1:
        tables.append(_table(runs, paired=False))
    return tables


def _task(run: RunRecord) -> tuple[object, ...]:
    """What two runs must share to be compared episode by episode."""
    protocol_numbers = (run.way, run.shot, run.query, run.episodes, run.seed)
    return (
        run.episodes_digest,
        run.data_digest,
        run.videos,
        run.video_classes,
        run.classes,
        *protocol_numbers,
    )


def _table(runs: Sequence[Results], *, paired: bool) -> SideBySide:
    first, *later = runs
    pairs: list[dict[str, PairSummary]] = [{} for _ in runs]
    if paired:
        for i, run in enumerate(later, 1):
            pairs[i] = {pair.a: pair for pair in compare_runs(run.folder, first.folder) if pair.a == pair.b}
    methods = dict.fromkeys(method for run in runs for method in ranked(run.summary))
    return SideBySide(
        heads=tuple(RunHead(run.anchor, run.label, run.run.dataset, protocol(run.run)) for run in runs),
        rows=tuple((method, tuple(_row(method, runs, pairs))) for method in methods),
        paired=paired,
        reference=first.label,
    )


def _row(method: str, runs: Sequence[Results], pairs: Sequence[dict[str, PairSummary]]) -> list[Entry | None]:
    row: list[Entry | None] = []
    for run, differences in zip(runs, pairs, strict=True):
        figures, pair = run.summary.methods.get(method), differences.get(method)
        if figures is None:
            row.append(None)
            continue
        digits = digits_for(figures.interval95)
        row.append(
            Entry(
                accuracy=percent(figures.accuracy, digits),
                interval=percent(figures.interval95, digits),
                difference=f"{signed(pair.difference, digits)} ± {percent(pair.interval95, digits)}"
                if pair
                else "",
                clear=pair is not None and is_clear(pair),
            )
        )
    return row
