"""Cost against size: frames, candidates, dimension, ways, shots, episodes, collection; and the exponent of each.

Examples::

    a2m2 bench costs
    a2m2 bench costs --only ways shots --rounds 3
    a2m2 bench costs --drop 2 --json costs.json

Rounds take turns through the sizes of a curve, and the least processor time of each size counts: other work on the
machine slows all of them and never speeds one up. An exponent is the slope of the logarithms over the upper sizes, with
the interval that its residuals give. The collection needs the extra ``search``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
import torch
from scipy import stats

from a2m2.bench.cost_curves import CURVES, Curve, Work
from a2m2.bench.figures import FigureTable, command, write_figures
from a2m2.bench.options import measurement_parser

UPPER = 4
"""Sizes that an exponent is fitted on."""

_LEAST_SECONDS = 2e-3
"""Work shorter than this is repeated within a turn."""


def measure(curve: Curve, sizes: Sequence[int], rounds: int) -> list[float]:
    """Least processor seconds of each size."""
    with torch.inference_mode():
        works = [curve.prepare(size) for size in sizes]
        for work in works:
            work()  # the first call compiles and fills caches
        repeats = [max(1, int(_LEAST_SECONDS / _seconds(work, 1))) for work in works]
        best = [float("inf")] * len(works)
        for _ in range(min(rounds, curve.most_rounds)):
            for place, (work, times) in enumerate(zip(works, repeats, strict=True)):
                best[place] = min(best[place], _seconds(work, times))
    return best


def fit_exponent(sizes: Sequence[int], seconds: Sequence[float]) -> tuple[float, float]:
    """Slope of log time over log size, and the half-width of its 95 % interval; NaN with fewer than three sizes."""
    line = stats.linregress(np.log(sizes), np.log(seconds))
    freedom = len(sizes) - 2
    half_width = float(stats.t.ppf(0.975, freedom) * line.stderr) if freedom > 0 else float("nan")
    return float(line.slope), half_width


def _seconds(work: Work, times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times


def _curve_table(curve: Curve, sizes: Sequence[int], seconds: Sequence[float]) -> FigureTable:
    rows = tuple((size, 1e3 * spent) for size, spent in zip(sizes, seconds, strict=True))
    return FigureTable(
        f"Cost against {curve.size}", (curve.name, "ms"), rows, plot={"x": curve.name, "y": ["ms"]}
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    options = _parser().parse_args(arguments)
    called = command("costs", arguments)
    torch.set_num_threads(1)
    chosen = [curve for curve in CURVES if options.only is None or curve.name in options.only]
    tables, rows = [], []
    for curve in chosen:
        sizes = curve.sizes[: len(curve.sizes) - options.drop]
        seconds = measure(curve, sizes, options.rounds)
        exponent, half_width = fit_exponent(sizes[-UPPER:], seconds[-UPPER:])
        table = _curve_table(curve, sizes, seconds).measured_by(called)
        print(
            f"{table.text()}\nexponent {exponent:.2f} ± {half_width:.2f}, expected {curve.expected}\n",
            flush=True,
        )
        tables.append(table)
        upper = f"{sizes[-UPPER:][0]:,} … {sizes[-1]:,}"
        rows.append((curve.size, upper, f"{exponent:.2f} ± {half_width:.2f}", curve.expected, curve.reason))
        # After every curve, so that an interrupted run keeps what it measured.
        write_figures(options.json, [_summary(rows, options.rounds, called), *tables])
    for row in rows:
        print("{}: {} (expected {}): {}".format(row[0], *row[2:]))


def _summary(rows: Sequence[tuple[str, ...]], rounds: int, called: str) -> FigureTable:
    return FigureTable(
        "Exponents of cost against size",
        ("size", "fitted over", "exponent", "expected", "because"),
        tuple(rows),
        note=f"Least processor time of up to {rounds} turns, one thread; slope of the logarithms over the "
        f"{UPPER} largest sizes, ± the 95 % interval of its residuals.",
        command=called,
    )


def _parser() -> argparse.ArgumentParser:
    parser = measurement_parser("costs", __doc__)
    names = [curve.name for curve in CURVES]
    parser.add_argument(
        "--only", nargs="+", choices=names, metavar="CURVE", help=f"some of: {', '.join(names)}"
    )
    parser.add_argument("--rounds", type=int, default=7, help="turns through the sizes (7)")
    parser.add_argument(
        "--drop", type=int, default=0, choices=(0, 1, 2), help="leave out so many of the largest sizes"
    )
    return parser


if __name__ == "__main__":
    main()
