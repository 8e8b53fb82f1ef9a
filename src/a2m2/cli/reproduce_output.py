"""What ``a2m2 reproduce`` prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import typer
from rich.table import Table

from a2m2.cli.tables import console
from a2m2.eval.stats import INTERVAL_COVERS
from a2m2.report import build_report
from a2m2.reproduce.cost import CAVEAT, Cost
from a2m2.reproduce.literature import CAVEAT as PUBLISHED_CAVEAT
from a2m2.reproduce.literature import published_accuracies
from a2m2.reproduce.plan import Reproduction
from a2m2.reproduce.run import Tested
from a2m2.reproduce.steps import Step

_PUBLISHED_WAY = 5


def print_steps(job: Reproduction, steps: Sequence[Step]) -> None:
    """The steps of a reproduction, how far each is, and what they cost together."""
    table = Table(title=f"{job.benchmark}, steps", title_justify="left", title_style="bold")
    for name in ("", "step", "writes", "state", "GPU h", "CPU h", "GB"):
        table.add_column(name, justify="left" if name in ("step", "writes", "state") else "right")
    for number, step in enumerate(steps, 1):
        table.add_row(str(number), step.what, step.place.name, step.state, *_cells(step.cost))
    costs = [step.cost for step in steps]
    total = Cost(
        _sum(costs, lambda cost: cost.gpu_hours),
        _sum(costs, lambda cost: cost.cpu_hours),
        _sum(costs, lambda cost: cost.disk_bytes),
    )
    table.add_row("", "all", str(job.out), "", *_cells(total), end_section=True)
    console().print(table)
    typer.echo(CAVEAT)
    if None in (total.gpu_hours, total.cpu_hours):
        typer.echo(f"?: the cost of {job.recipe.backbone.source} is not known")
    if job.recipe.clips_in_memory:
        typer.echo(
            "clips_in_memory keeps the frames of every clip on disk and in memory too; they are not counted"
        )
    missing = sum(path is None for path in job.matches.found)
    if missing:
        what = "would be left out" if job.allow_missing else "would stop it; --allow-missing leaves them out"
        typer.echo(f"{missing:,} listed videos have no single file, which {what}")


def print_accuracies(job: Reproduction, tests: Sequence[Tested], *, num_left_out: int) -> None:
    """Accuracy for each number of shots, beside the published figures where they are of the same task."""
    first = tests[0].run
    title = (
        f"{job.benchmark}, {first.way}-way, accuracy %: {first.query} query a class, {first.episodes:,} episodes, "
        f"seed {first.seed}, training seed {job.recipe.seed}"
    )
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("method")
    for test in tests:
        table.add_column(f"{test.shot}-shot", justify="right")
    table.add_column("source")
    table.add_row(job.recipe.method, *map(_accuracy, tests), "measured here", end_section=True)
    comparable = first.way == _PUBLISHED_WAY
    for other in published_accuracies(job.benchmark) if comparable else ():
        figures = (f"{other.accuracy[t.shot]:.1f}" if t.shot in other.accuracy else "–" for t in tests)
        table.add_row(other.method, *figures, other.source)
    screen = console()
    screen.print(table)
    screen.print(f"± is the 95 % interval {INTERVAL_COVERS}.", highlight=False)
    if num_left_out:
        screen.print(
            f"{num_left_out:,} videos left out: these are not figures of the whole benchmark.",
            highlight=False,
        )
    caveat = PUBLISHED_CAVEAT if comparable else "published figures are 5-way and not shown beside these"
    screen.print(f"{caveat}.", highlight=False)


def draw(job: Reproduction) -> None:
    """Draw the report and say where it is."""
    folders = [*map(job.tested, job.shots), *map(job.trained, job.shots), job.pretrained]
    typer.echo(f"\nreport: {build_report(folders, job.out / 'report.html')}")


def _accuracy(test: Tested) -> str:
    (figures,) = test.summary.methods.values()
    return f"{100 * figures.accuracy:.2f} ± {100 * figures.interval95:.2f}"


def _cells(cost: Cost) -> tuple[str, str, str]:
    size = None if cost.disk_bytes is None else cost.disk_bytes / 1e9
    return _cell(cost.gpu_hours), _cell(cost.cpu_hours), _cell(size)


def _cell(value: float | None) -> str:
    if value is None:
        return "?"
    return f"{value:.1f}" if value >= 0.05 else "<0.1" if value > 0 else ""


def _sum(costs: Sequence[Cost], figure: Callable[[Cost], float | None]) -> float | None:
    values = [figure(cost) for cost in costs]
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
