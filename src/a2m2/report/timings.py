"""Section: how long the parts took, where ``timings.json`` was kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from a2m2.report.inputs import Results


@dataclass(frozen=True)
class Timings:
    """Names and values as printed."""

    rows: tuple[tuple[str, str], ...]


def timings(results: Results) -> Timings | None:
    """Timings of one run; None when it kept none."""
    rows = tuple(_rows(results.timings, ""))
    return Timings(rows) if rows else None


def _rows(content: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    """Nested names joined; numbers are seconds."""
    for key, value in content.items():
        name = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _rows(value, f"{name} › ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, _duration(value)
        else:
            yield name, str(value)


def _duration(seconds: float) -> str:
    if seconds >= 120:
        return f"{seconds / 60:,.1f} min"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
