"""What a measurement prints and writes: tables with a title, and one JSON file that holds them.

The file of a program has a key ``tables``, a list of objects with ``title``, ``columns`` (their headings), ``rows``
(lists of strings, numbers or null), ``note`` (what to know when reading it), ``command`` (what measures it again) and
``plot``: null, or the columns to draw over each other as ``{"x": COLUMN, "y": [COLUMN, …]}``, both axes logarithmic.
Other keys are the program's own. :mod:`a2m2.bench.performance` makes a page of such files::

    table = FigureTable("Time against size", ("clips", "ms"), ((100, 1.5), (200, 3.0)), command=command("search"))
    print(table.text())
    write_figures(options.json, [table], seed=0)
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from a2m2.checks import write_text_atomic
from a2m2.errors import RecordError

Cell = str | int | float | None


@dataclass(frozen=True)
class FigureTable:
    """Figures in rows and columns.

    Attributes:
        title: what was measured.
        columns: a heading for each column, units included.
        rows: one cell a column; None where there is no figure.
        note: what a reader has to know: N, the machine's share, what is left out.
        command: the command that measures it.
        plot: columns to draw, see the module's docstring.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    command: str = ""
    plot: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"expected {len(self.columns)} cells a row, got {len(row)} in {row}")

    def measured_by(self, command: str) -> FigureTable:
        """The same with a command."""
        return replace(self, command=command)

    def text(self) -> str:
        """The table for a terminal: the first column to the left, the others to the right."""
        cells = [self.columns, *(tuple(map(format_cell, row)) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [self.title]
        for row in cells:
            first, *rest = (
                cell.rjust(width) if index else cell.ljust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            lines.append("  ".join([first, *rest]).rstrip())
        return "\n".join([*lines, *([self.note] if self.note else [])])

    def markdown(self) -> str:
        """The table in Markdown, title and command left out."""
        lines = [self.columns, ("---", *["---:"] * (len(self.columns) - 1))]
        lines += [tuple(format_cell(cell).replace("|", "\\|") for cell in row) for row in self.rows]
        text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"{text}\n\n{self.note}" if self.note else text


def figures_markdown(tables: Sequence[FigureTable], content: Mapping[str, Any]) -> str:
    """What a program measured, in Markdown: commands, machine, and every table under its title.

    Args:
        tables: of the program.
        content: its other figures: ``machine`` is looked at.
    """
    parts = list(measured_how(tables, content))
    for table in tables:
        parts += [f"**{table.title}**", table.markdown()]
    return "\n\n".join(parts)


def measured_how(tables: Sequence[FigureTable], content: Mapping[str, Any]) -> Iterator[str]:
    """The commands that measure, and the machine, as paragraphs in Markdown."""
    for line in dict.fromkeys(table.command for table in tables if table.command):
        yield f"    {line}"
    known = content.get("machine")
    if isinstance(known, Mapping):
        yield f"On {known.get('processor', 'an unknown processor')}, {known.get('cores', '?')} cores."


def from_markdown(title: str, text: str, command: str) -> FigureTable:
    """A table that a program prints as Markdown."""
    lines = [line.strip()[1:-1] for line in text.splitlines()]
    columns, _, *rows = [tuple(cell.strip() for cell in line.split("|")) for line in lines]
    return FigureTable(title, columns, tuple(rows), command=command)


def format_cell(cell: Cell) -> str:
    """Whole numbers whole, others with three digits that count; nothing for None."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return f"{cell:,}"
    size = abs(cell)
    if size >= 100:
        return f"{cell:,.0f}"
    return f"{cell:#.3g}".rstrip(".") if size >= 1e-3 or cell == 0 else f"{cell:.1e}"


def command(name: str, arguments: Sequence[str] | None = None) -> str:
    """How a program was called, without ``--json FILE``; of absolute paths the last part only.

    Args:
        name: of the program.
        arguments: as its ``main`` got them; None for those of the process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None and given[:2] == ["bench", name]:  # by 'a2m2 bench NAME'
        del given[:2]
    if "--json" in given:
        place = given.index("--json")
        del given[place : place + 2]
    kept = [
        Path(one).name if Path(one).is_absolute() else one for one in given if not one.startswith("--json=")
    ]
    return shlex.join(["a2m2", "bench", name, *kept])


def machine() -> dict[str, Any]:
    """What the figures were measured on: processor, cores that this process may use, versions."""
    from a2m2.versions import versions

    return {"processor": _processor(), "cores": cores(), "system": platform.system(), "versions": versions()}


def write_figures(path: Path | None, tables: Sequence[FigureTable], **figures: Any) -> None:
    """Write tables, the machine and a program's own figures; nothing when there is no path."""
    if path is not None:
        content = {**figures, "machine": machine(), "tables": [asdict(table) for table in tables]}
        write_text_atomic(path, json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n")


def read_figures(path: Path) -> tuple[list[FigureTable], dict[str, Any]]:
    """Tables of a program's file, none when it holds none, and everything that stands in it.

    Raises:
        RecordError: no such file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        tables = [
            FigureTable(**{**one, "columns": tuple(one["columns"]), "rows": tuple(map(tuple, one["rows"]))})
            for one in content.get("tables", [])
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{path} holds no figures of a measurement ({error}); measure again") from None
    return tables, content


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
