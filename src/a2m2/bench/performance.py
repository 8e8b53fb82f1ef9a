"""The page of performance figures, from the JSON files that measurements wrote into a folder.

Examples::

    a2m2 bench episodes --json figures/episodes.json
    a2m2 bench costs --json figures/costs.json
    a2m2 bench performance figures --into docs/performance.md
    a2m2 bench performance figures/decode.json --into docs/performance.md --keep

A file is called by its program: ``NAME.json``. Programs without a file are named as not measured, or with ``--keep``
stay as they are on the page. Plots are written into a folder beside the page, which has its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from a2m2.bench.figures import Cell, FigureTable, format_cell, measured_how, read_figures
from a2m2.bench.line_plot import line_plot
from a2m2.bench.options import program_parser
from a2m2.checks import output_file, write_text_atomic
from a2m2.errors import DataError

SECTIONS = {
    "ot": "Transport",
    "episodes": "Episodes",
    "costs": "Cost against size",
    "coarse": "Long videos: coarse to fine",
    "search": "Search in collections",
    "decode": "Decoding",
    "gpu": "A GPU beside the cores",
    "kills": "Killed commands",
    "fuzz": "Damaged inputs",
}
"""Programs that the page wants, in its order, with their headings; files of others follow."""

_LEFT_OUT = ("settings", "machine", "versions", "tables", "seed", "config")
_MOST_ROWS = 60
_DEEPEST = 3
"""Keys within keys that a page shows of a file without tables."""

_INTRODUCTION = """# Performance

Measured by the programs of `a2m2 bench`; each section gives its command. This page is made from their JSON files:

    a2m2 bench performance FOLDER --into docs/performance.md
"""
_HEADING = "## "


def write_page(places: Sequence[Path], into: Path, *, note: str = "", keep: bool = False) -> list[str]:
    """Write the page and its plots; returns the programs that are not on it.

    Args:
        places: files ``NAME.json``, or folders with those of each program.
        into: the page.
        note: what to know of all figures, for example that the machine was busy.
        keep: leave on the page what it has of programs without a file, and its beginning when there is no ``note``.

    Raises:
        DataError: no such folder or file, or no file in a folder.
        RecordError: a file that cannot be read.
        OutputError: the page cannot be written.
    """
    files = {path.stem: path for place in places for path in _files(place)}
    output_file(into)
    beginning, sections = _sections(into) if keep and into.exists() else ("", {})
    if note or not beginning:
        beginning = "\n".join([_INTRODUCTION, *([f"{note}\n"] if note else [])])
    headings = {SECTIONS.get(name, name.replace("_", " ").capitalize()): name for name in [*SECTIONS, *files]}
    parts, missing = [beginning], []
    for heading in [*headings, *(heading for heading in sections if heading not in headings)]:
        name = headings.get(heading)
        parts.append(f"{_HEADING}{heading}\n")
        if name in files:
            parts += _section(name, files[name], into)
        elif heading in sections:
            parts.append(sections[heading])
        else:
            missing.append(name or heading)
            parts.append(f"Not measured yet: `a2m2 bench {name} --json FOLDER/{name}.json`.\n")
    write_text_atomic(into, "\n".join(parts).rstrip() + "\n")
    return missing


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    files = sorted(place.glob("*.json"))
    if not files:
        raise DataError(
            f"{place} holds no JSON files; measure with 'a2m2 bench NAME --json {place}/NAME.json'"
        )
    return files


def _sections(page: Path) -> tuple[str, dict[str, str]]:
    """What stands before the first section of a page, and in each section by its heading."""
    beginning, *others = f"\n{page.read_text(encoding='utf-8')}".split(f"\n{_HEADING}")
    sections = {}
    for text in others:
        heading, _, content = text.partition("\n")
        sections[heading] = content.strip("\n") + "\n"
    return beginning.strip("\n") + "\n", sections


def _section(name: str, path: Path, into: Path) -> Iterator[str]:
    tables, content = read_figures(path)
    plain = not tables
    if plain:
        tables = [_plain_table(content)]
    for paragraph in measured_how(tables, content):
        yield f"{paragraph}\n"
    for number, table in enumerate(tables, 1):
        if not plain:
            yield f"### {table.title}\n"
        if table.plot is not None:
            picture = into.with_suffix("") / f"{name}-{number}.svg"
            output_file(picture)
            write_text_atomic(picture, _plot(table))
            yield f"![{table.title}]({picture.parent.name}/{picture.name})\n"
        yield f"{table.markdown()}\n"


def _plot(table: FigureTable) -> str:
    assert table.plot is not None
    x, names = table.columns.index(table.plot["x"]), list(table.plot["y"])
    series = []
    for name in names:
        y = table.columns.index(name)
        points = [
            (float(one), float(other))
            for one, other in ((row[x], row[y]) for row in table.rows)
            if isinstance(one, int | float) and isinstance(other, int | float)
        ]
        series.append((name, points))
    return line_plot(table.columns[x], names[0] if len(names) == 1 else "", series)


def _plain_table(content: Mapping[str, Any]) -> FigureTable:
    """The numbers of a file without tables, each with the names that lead to it."""
    rows = [(name, format_cell(value)) for name, value in _numbers(content, "") if name]
    note = "" if len(rows) <= _MOST_ROWS else f"And {len(rows) - _MOST_ROWS} more figures in the file."
    return FigureTable("Figures", ("figure", "value"), tuple(rows[:_MOST_ROWS]), note=note)


def _numbers(value: Any, name: str, depth: int = 0) -> Iterator[tuple[str, Cell]]:
    if isinstance(value, Mapping):
        for key, entry in value.items():
            if depth < _DEEPEST and (name or key not in _LEFT_OUT):
                yield from _numbers(entry, f"{name}, {key}" if name else str(key), depth + 1)
    elif isinstance(value, list):
        for index, entry in enumerate(value, 1):
            yield from _numbers(entry, f"{name} {index}", depth)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, value


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = program_parser("performance", __doc__)
    parser.add_argument(
        "places", type=Path, nargs="+", help="files NAME.json, or folders with those of each program"
    )
    parser.add_argument(
        "--into", type=Path, default=Path("docs/performance.md"), help="Markdown file to write"
    )
    parser.add_argument("--note", default="", help="a sentence below the heading")
    parser.add_argument(
        "--keep", action="store_true", help="leave on the page what it has of programs without a file"
    )
    options = parser.parse_args(arguments)
    missing = write_page(options.places, options.into, note=options.note, keep=options.keep)
    print(f"{options.into} written" + (f"; not measured: {', '.join(missing)}" if missing else ""))


if __name__ == "__main__":
    main()
