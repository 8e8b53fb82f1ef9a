"""``a2m2 bench``."""

from __future__ import annotations

from typing import Annotated

import typer


def bench(
    name: Annotated[
        str | None, typer.Argument(help="Program to run; without it they are listed.", show_default=False)
    ] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(help="What the program takes; 'a2m2 bench NAME --help' says it.", show_default=False),
    ] = None,
) -> None:
    """Measure speed, memory and correctness on this machine.

    Every measurement prints a table, and writes its figures with --json FILE.

    Examples:

        a2m2 bench

        a2m2 bench ot --battery 2000

        a2m2 bench episodes --help

        a2m2 bench costs --json costs.json
    """
    from a2m2.bench.programs import programs, run_program

    if name is not None:
        status = run_program(name, arguments or [])
        if status:
            raise typer.Exit(status)
        return
    from rich.table import Table

    from a2m2.cli.tables import console

    found = programs()
    screen = console()
    for title, measures in (
        ("measurements", True),
        ("programs that make clips, weights or documents", False),
    ):
        table = Table("name", "what it does", title=title, title_justify="left", title_style="bold")
        for program in found:
            if program.measures == measures:
                table.add_row(program.name, program.purpose)
        screen.print(table)
    screen.print("run one: a2m2 bench NAME …; what it takes: a2m2 bench NAME --help", highlight=False)
