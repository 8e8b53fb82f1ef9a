"""``a2m2 report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Results folders of 'a2m2 evaluate', training folders of 'a2m2 pretrain' and 'a2m2 train', "
            "studies of 'a2m2 ablate', explained answers of 'a2m2 recognize --explain'.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The page; report.html in the first folder by default.")
    ] = None,
) -> None:
    """Draw results, learning curves and studies as one self-contained HTML page.

    Evaluations, trainings and studies may be mixed in any order; a training may still be running. The page is made from
    the records alone: no weights, no videos, no network.

    Examples:

        a2m2 report runs/one_shot

        a2m2 report runs/one_shot runs/five_shot --out page.html

        a2m2 report runs/trained

        a2m2 report runs/tested runs/trained runs/pretrained

        a2m2 report runs/my_grid
    """
    from a2m2.report import build_report

    page = build_report(folders, out if out is not None else folders[0] / "report.html")
    typer.echo(f"report: {page}")
