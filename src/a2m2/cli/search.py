"""``a2m2 search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2m2.cli.options import Cache, Device

if TYPE_CHECKING:
    from a2m2.library import SearchRecord


def search(
    index: Annotated[Path, typer.Argument(help="Folder that 'a2m2 index' wrote.", show_default=False)],
    like: Annotated[
        list[Path],
        typer.Option(
            "--like",
            help="A clip of what to look for: a video or a folder of frames. Repeatable.",
            show_default=False,
        ),
    ],
    top: Annotated[int, typer.Option(min=1, help="Clips to name.")] = 10,
    candidates: Annotated[
        int, typer.Option(min=1, help="Clips to compare exactly, of those most alike on average.")
    ] = 96,
    exhaustive: Annotated[bool, typer.Option("--exhaustive", help="Compare all clips exactly.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    cache: Cache = None,
    threads: Annotated[int, typer.Option(min=1, help="Examples worked on at the same time.")] = 2,
    device: Device = "auto",
) -> None:
    """Find the clips of an index that are most like one or several examples.

    Mean descriptors name candidates, exact transport ranks them. A score is the mean over the examples; a higher one
    is more alike, and an example that is in the index itself is marked. Clips are named by their paths below the
    indexed folder; copies stand together.

    Examples:

        a2m2 search my_index --like throw.mp4

        a2m2 search my_index --like throw1.mp4 --like throw2.mp4 --top 50

        a2m2 search my_index --like throw.mp4 --csv > found.csv

        a2m2 search my_index --like throw.mp4 --exhaustive
    """
    from a2m2.data import default_cache
    from a2m2.errors import ConfigError
    from a2m2.library import open_library
    from a2m2.library.tabular import as_csv as csv_of

    if as_json and as_csv:
        raise ConfigError("--json and --csv exclude each other; give one")
    library = open_library(index, device=device)
    record = library.search(
        list(like),
        top=top,
        candidates=len(library) if exhaustive else max(candidates, top),
        cache=default_cache() if cache is None else cache,
        num_threads=threads,
    )
    if as_json:
        typer.echo(record.to_json())
    elif as_csv:
        typer.echo(csv_of(record))
    else:
        _print_hits(record)


def _print_hits(record: SearchRecord) -> None:
    from rich.table import Table

    from a2m2.cli.tables import console

    table = Table()
    table.add_column("", justify="right")
    table.add_column("score", justify="right")
    table.add_column("clip", overflow="fold")
    for rank, hit in enumerate(record.hits, 1):
        shown = "\n".join(hit.names) + (" (an example)" if hit.example else "")
        table.add_row(str(rank), f"{hit.score:.2f}", shown)
    console().print(table)
    typer.echo(f"{record.compared} of {record.contents} compared exactly")
