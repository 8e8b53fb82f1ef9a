"""``a2m2 compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    first: Annotated[
        Path, typer.Argument(help="Results folder of 'a2m2 evaluate --out'.", show_default=False)
    ],
    second: Annotated[Path, typer.Argument(help="Another one, over the same episodes.", show_default=False)],
) -> None:
    """Compare two results folders episode by episode.

    Both must hold the same episodes of the same videos; the difference of two methods then has a much smaller
    interval than the two accuracies have.

    Examples:

        a2m2 compare runs/uniform runs/cross_reference

        a2m2 compare runs/order_0 runs/order_0.3
    """
    from a2m2.cli.tables import print_pairs
    from a2m2.eval.stats import compare_runs

    print_pairs(compare_runs(first, second), f"{first} minus {second}, points")
