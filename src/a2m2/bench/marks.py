"""Markdown files with places for figures: ``<!-- begin NAME -->`` … ``<!-- end NAME -->``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from a2m2.checks import nearest_path, write_text_atomic
from a2m2.errors import RecordError
from a2m2.reading import read_text


def fill_marks(path: Path, contents: Mapping[str, str]) -> None:
    """Replace what stands between marks.

    Args:
        path: a Markdown file.
        contents: by the names of the marks.

    Raises:
        RecordError: no such file, or a mark that it does not have.
        OutputError: it cannot be written.
    """
    cure = "give a Markdown file with the marks"
    try:
        text = read_text(path, error=RecordError, cure=cure)
    except FileNotFoundError:
        raise RecordError(f"no file {path}; {nearest_path(path) or cure}") from None
    for name, content in contents.items():
        text = insert(text, name, content)
    write_text_atomic(path, text)


def insert(text: str, name: str, content: str) -> str:
    """``text`` with ``content`` between the marks of ``name``.

    Raises:
        RecordError: they are not in it.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    if begin not in text or end not in text:
        raise RecordError(
            f"expected the marks '{begin}' and '{end}' in the file; add them where the table shall be"
        )
    before, rest = text.split(begin, 1)
    _, after = rest.split(end, 1)
    return f"{before}{begin}\n{content}\n{end}{after}"
