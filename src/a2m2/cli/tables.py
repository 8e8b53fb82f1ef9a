"""Tables on the terminal."""

from __future__ import annotations

import yaml
from rich.console import Console
from rich.table import Table

from a2m2.config import Section
from a2m2.eval.stats import INTERVAL_COVERS, PairSummary, Summary
from a2m2.records import RunRecord

_WIDTH = 110


def console() -> Console:
    """Standard output; as wide as the terminal, or wide enough for every table where there is none."""
    # Names are printed as they are: a class may be called [a] or :b:.
    screen = Console(markup=False, emoji=False)
    if not screen.is_terminal:
        screen.width = _WIDTH
    return screen


def print_accuracy(run: RunRecord, summary: Summary) -> None:
    """Accuracy of each method, its lead over the others, and what the intervals cover."""
    where = f"{run.dataset} ({' + '.join(run.splits)})" if run.splits else run.dataset
    title = (
        f"{where}: {run.way}-way {run.shot}-shot, {run.query} quer{'y' if run.query == 1 else 'ies'} a class, "
        f"{run.episodes} episodes, seed {run.seed}; chance {100 / run.way:.1f} %"
    )
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("method")
    table.add_column("accuracy %", justify="right")
    table.add_column("what it is")
    for name, figures in sorted(summary.methods.items(), key=lambda item: -item[1].accuracy):
        value = f"{100 * figures.accuracy:.2f} ± {100 * figures.interval95:.2f}"
        table.add_row(name, value, run.methods[name])
    screen = console()
    screen.print(table)
    if summary.pairs:
        screen.print(_pairs_table(summary.pairs, "paired differences, points"))
    if summary.alignment:
        screen.print(_alignment_table(summary))
    screen.print(f"± is the 95 % interval {INTERVAL_COVERS}.", highlight=False)
    for note in run.notes:
        screen.print(f"note: {note}", highlight=False)


def print_pairs(pairs: tuple[PairSummary, ...], title: str) -> None:
    """Paired differences alone."""
    screen = console()
    screen.print(_pairs_table(pairs, title))
    screen.print(f"± is the 95 % interval {INTERVAL_COVERS}.", highlight=False)


def _pairs_table(pairs: tuple[PairSummary, ...], title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("method")
    table.add_column("against")
    table.add_column("difference", justify="right")
    table.add_column("interval")
    for pair in pairs:
        clear = abs(pair.difference) > pair.interval95
        value = f"{100 * pair.difference:+.2f} ± {100 * pair.interval95:.2f}"
        table.add_row(pair.a, pair.b, value, "clear of 0" if clear else "holds 0")
    return table


def _alignment_table(summary: Summary) -> Table:
    table = Table(
        title="alignment truth: mass between single frames that joins the same sub-action, %",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("plan of")
    table.add_column("non-idle frames", justify="right")
    table.add_column("all frames", justify="right")
    for name, shares in summary.alignment.items():
        cells = [
            f"{100 * shares[k]['share']:.1f} ± {100 * shares[k]['interval95']:.1f}"
            for k in ("non_idle", "all")
        ]
        table.add_row(name, *cells)
    return table


def print_plan(settings: Section, lines: list[str]) -> None:
    """The resolved settings and what a run would do."""
    screen = console()
    screen.print(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False), highlight=False, end="")
    screen.print("")
    for line in lines:
        screen.print(line, highlight=False)
