"""``a2m2 ablate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from a2m2.cli.options import Cache, DryRun
from a2m2.progress import show_progress


def ablate(
    grid: Annotated[
        Path,
        typer.Argument(help="YAML file with the grid, or the name of a shipped one.", show_default=False),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the study.", show_default=False)],
    episodes: Annotated[
        int | None, typer.Option(min=1, help="Episodes of every cell, instead of the grid's.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Trainings side by side, and threads.")] = 2,
    into: Annotated[
        Path | None,
        typer.Option(help="Markdown file to put the tables into, between the marks of the grid's name."),
    ] = None,
    cache: Cache = None,
    dry_run: DryRun = False,
) -> None:
    """Run a grid of evaluations: every combination of its axes is a cell, every method a row.

    Synthetic clips and networks that the grid asks for are made first, each once. What was computed for a video is
    kept, so another matcher on the same descriptors decodes nothing. Interrupted, the same command goes on where it
    stopped; a changed grid repeats only the cells that it changes.

    Examples:

        a2m2 ablate my_grid.yaml --out runs/my_grid --dry-run

        a2m2 ablate knobs-sets --out runs/knobs-sets

        a2m2 report runs/knobs-sets
    """
    from a2m2.studies.grid import read_cells, read_grid
    from a2m2.studies.run import plan, run

    settings = read_grid(grid)
    read_cells(grid, out)  # what does not fit together is told here, with the name of the file
    if episodes is not None:
        protocol = {**settings.evaluate.get("protocol", {}), "episodes": episodes}
        settings = settings.model_copy(update={"evaluate": {**settings.evaluate, "protocol": protocol}})
    if dry_run:
        for line in [settings.title, *plan(settings, out).lines()]:
            typer.echo(line)
        return
    with show_progress() as progress:
        study = run(settings, out, cache=cache, num_workers=workers, progress=progress)
    from a2m2.checks import write_text_atomic
    from a2m2.report.study_text import accuracy_table, as_csv, document, latex

    text = document(study)
    write_text_atomic(out / "study.md", text + "\n")
    write_text_atomic(out / "study.tex", latex(accuracy_table(study)) + "\n")
    write_text_atomic(out / "study.csv", as_csv(study))
    typer.echo(text)
    if into is not None:
        from a2m2.bench.marks import fill_marks

        fill_marks(into, {grid.stem: text})
    typer.echo(f"\nfigures in {out / 'study.json'}, tables beside it; draw them with: a2m2 report {out}")
