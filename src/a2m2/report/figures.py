"""Questions that several sections ask of a run's figures."""

from __future__ import annotations

from dataclasses import replace

from a2m2.eval.stats import PairSummary, Summary


def ranked(summary: Summary) -> list[str]:
    """Method names, most accurate first; equals stay in the run's order."""
    return sorted(summary.methods, key=lambda name: -summary.methods[name].accuracy)


def paired(summary: Summary, a: str, b: str) -> PairSummary | None:
    """Method ``a`` minus method ``b``, whichever way round it was recorded; None when not compared."""
    for pair in summary.pairs:
        if (pair.a, pair.b) == (a, b):
            return pair
        if (pair.a, pair.b) == (b, a):
            return replace(pair, a=a, b=b, difference=-pair.difference)
    return None


def is_clear(pair: PairSummary) -> bool:
    """Whether the interval of a difference leaves 0 out."""
    return abs(pair.difference) > pair.interval95
