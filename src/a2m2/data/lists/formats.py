"""The formats of published lists, each with the function that reads one of its lines.

================== ======================== ==================================================================
format             example                  meaning
================== ======================== ==================================================================
class/video        ``brush_hair/April_09``  class name, video
split-index/video  ``train8/78687``         split and index of the class within that split, video
split-index//path  ``train0//videos/A/x.avi``  the same with the path of the video
id frames label    ``x 120 3``              video, number of frames, index of the class within that file
csv                ``path,class,split``     a header, then a video a line
================== ======================== ==================================================================

A format is recognised by the lines alone: the first one in the order above, index formats before
``class/video``, that fits every line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from a2m2.data.lists.listed import ListFormat
from a2m2.data.lists.splits import SPLIT_WORDS, split_called
from a2m2.errors import DataError
from a2m2.reading import read_text, shorten


class Line(NamedTuple):
    """What one line says: its number, the split (empty: none), class name or index, and the video's path."""

    number: int
    split: str
    class_name: str
    class_index: int | None
    path: str


class Lines(NamedTuple):
    """All lines of a file, the format they have, and why it was taken for that."""

    format: ListFormat
    reason: str
    lines: list[Line]


_INDEXED = re.compile(rf"({'|'.join(SPLIT_WORDS)})(\d{{1,18}})/+([^/].*)", re.IGNORECASE)
_LONGEST_NUMBER = 18
"""Digits of an index, a length or a time in a list; more would be no such thing."""

_VIDEO_COLUMNS = ("path", "video_path", "video", "video_id", "youtube_id", "id", "filename", "file", "name")
_CLASS_COLUMNS = ("class", "class_name", "label", "action", "category", "activity")
_SPLIT_COLUMNS = ("split", "subset", "set")
_TIME_COLUMNS = ("time_start", "time_end")
"""Kinetics' own CSV has these beside ``youtube_id``; they make the ``_start_end`` of its file names."""


def read_lines(path: Path) -> Lines:
    """The lines of a list in whichever of the formats it has.

    Raises:
        DataError: the file cannot be read, is empty, or has a line that does not fit; file and line are named.
    """
    try:
        text = read_text(path, error=DataError, what="the list ", cure="save it as text in UTF-8")
    except FileNotFoundError:
        raise DataError(f"no list {path}; check the path") from None
    # As open() reads text: every kind of line end counts.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    numbered = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not numbered:
        raise DataError(f"{path} lists no videos; give a list with a line for each")
    if path.suffix.lower() == ".csv" or _is_header(numbered[0][1]):
        return _read_csv(path, text)
    return _recognise(path, numbered)


def read_indexed(number: int, line: str) -> Line | None:
    """``train8/78687`` and ``train0//videos/Class/x.avi``; the class is named by the folder, if there is one."""
    match = _INDEXED.fullmatch(line)
    if match is None:
        return None
    split, index, path = match.groups()
    return Line(number, split_called(split), _folder(path), int(index), path)


def read_counted(number: int, line: str) -> Line | None:
    """``id num_frames label``; the label counts from the start in each file."""
    parts = line.rsplit(None, 2)
    if len(parts) < 3 or not (_is_number(parts[1]) and _is_number(parts[2])):
        return None
    return Line(number, "", _folder(parts[0]), int(parts[2]), parts[0])


def read_classed(number: int, line: str) -> Line | None:
    """``class/video``, whatever precedes the class."""
    folders, slash, video = line.rpartition("/")
    name = folders.rpartition("/")[2]
    return Line(number, "", name, None, line) if slash and name and video else None


_Reader = Callable[[int, str], Line | None]
_READERS: tuple[tuple[str, _Reader], ...] = (
    ("train8/78687", read_indexed),
    ("id num_frames label", read_counted),
    ("class/video", read_classed),
)


def _recognise(path: Path, numbered: list[tuple[int, str]]) -> Lines:
    misfits: dict[str, list[tuple[int, str]]] = {}
    for example, read in _READERS:
        lines = [read(number, line) for number, line in numbered]
        fitting = [line for line in lines if line is not None]
        if len(fitting) == len(numbered):
            return Lines(*_format_of(read, fitting), fitting)
        misfits[example] = [entry for entry, line in zip(numbered, lines, strict=True) if line is None]
    nearest = min(misfits, key=lambda example: len(misfits[example]))
    number, line = misfits[nearest][0]
    rest = len(numbered) - len(misfits[nearest])
    like = (
        f"a line like {nearest}, as {rest} others are"
        if rest
        else "class/video, train8/78687 or a CSV header"
    )
    raise DataError(f"{path}:{number}: expected {like}, got {line[:80]!r}; correct the line")


def _format_of(read: _Reader, lines: Iterable[Line]) -> tuple[ListFormat, str]:
    if read is read_counted:
        return "id frames label", "every line ends in two numbers"
    if read is read_classed:
        return "class/video", "every line has a folder and a name"
    if any("/" in line.path for line in lines):
        return "split-index//path", "every line begins with a split and a number, paths follow"
    return "split-index/video", "every line begins with a split and a number"


def _is_header(line: str) -> bool:
    return _is_header_of(_header(line))


def _is_header_of(cells: list[str]) -> bool:
    names = [name.lower() for name in cells]
    return _column(names, _VIDEO_COLUMNS) is not None and _column(names, _CLASS_COLUMNS) is not None


def _header(line: str) -> list[str]:
    return [name.strip().strip('"').lower() for name in re.split("[,;\t]", line)]


def _column(header: list[str], names: Iterable[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _read_csv(path: Path, text: str) -> Lines:
    first = next(line for line in text.split("\n") if line.strip())
    if not _is_header(first):
        raise DataError(
            f"{path}: expected a header such as path,class,split, got {first.strip()[:80]!r}; add it as first line"
        )
    delimiter = next((mark for mark in ",;\t" if mark in first), ",")
    reader = csv.reader(text.split("\n"), delimiter=delimiter, strict=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: {error}; save it as CSV in UTF-8") from None
    if not rows or not _is_header_of(rows[0][1]):
        raise DataError(
            f"{path}: its header cannot be read as CSV; write it plainly, such as path,class,split"
        )
    header = [name.lower() for name in rows[0][1]]
    if len(rows) == 1:
        raise DataError(f"{path} lists no videos; give a list with a line for each")
    read = _row_reader(path, header)
    return Lines(
        "csv", f"its first line is a header: {shorten(','.join(header))}", [read(*row) for row in rows[1:]]
    )


def _row_reader(path: Path, header: list[str]) -> Callable[[int, list[str]], Line]:
    video, label, split = (
        _column(header, names) for names in (_VIDEO_COLUMNS, _CLASS_COLUMNS, _SPLIT_COLUMNS)
    )
    times = [header.index(name) for name in _TIME_COLUMNS if name in header]

    def read(number: int, cells: list[str]) -> Line:
        if len(cells) != len(header):
            raise DataError(
                f"{path}:{number}: expected {len(header)} cells, got {len(cells)}; correct the line"
            )
        name, label_text = cells[video or 0], cells[label or 0]
        if not name or not label_text:
            raise DataError(f"{path}:{number}: the video or its class is empty; fill it in")
        if len(times) == 2 and all(_is_number(cells[column]) for column in times):
            name += "".join(f"_{int(cells[column]):06d}" for column in times)
        said = split_called(cells[split]) if split is not None else ""
        index = int(label_text) if _is_number(label_text) else None
        return Line(number, said, _folder(name) if index is not None else label_text, index, name)

    return read


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _LONGEST_NUMBER


def _folder(path: str) -> str:
    """The folder that a video lies in, empty when the path is a name alone."""
    return path.rsplit("/", 2)[-2] if "/" in path else ""
