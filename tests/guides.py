"""The commands and the Python of a guide, to be run as they stand there."""

from __future__ import annotations

import contextlib
import glob
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import pytest

from test_cli import call

DOCS = Path(__file__).parent.parent / "docs"

_BLOCK = re.compile(r"^```python\n(.*?)^```$|^    (a2m2 [^\n]*)$", re.MULTILINE | re.DOTALL)


def steps(name: str) -> Iterator[tuple[Literal["python", "shell"], str]]:
    """Blocks of Python, and command lines that begin with ``a2m2``, in the order of the page."""
    for found in _BLOCK.finditer((DOCS / name).read_text(encoding="utf-8")):
        yield ("python", found[1]) if found[2] is None else ("shell", found[2])


def run_guide(
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    shorten: Mapping[str, str] = MappingProxyType({}),
    known: Mapping[str, object] = MappingProxyType({}),
    failing: Sequence[str] = (),
) -> None:
    """Run a guide from its first step to its last in the current folder.

    Args:
        name: of the page in docs.
        monkeypatch: of the test.
        shorten: pieces of text to exchange first, such as numbers that would take long; each has to be there.
        known: what the page's Python takes as given.
        failing: commands that are meant to exit with 1.
    """
    names = dict(known)
    unused = set(shorten)
    for kind, text in steps(name):
        for old, new in shorten.items():
            if old in text:
                unused.discard(old)
                text = text.replace(old, new)
        if kind == "python":
            exec(compile(text, name, "exec"), names)
            continue
        words = shlex.split(text, comments=True)[1:]
        arguments = [path for word in words for path in (sorted(glob.glob(word)) if "*" in word else [word])]
        assert _call(monkeypatch, arguments) == (1 if text in failing else 0), text
    assert not unused


def _call(monkeypatch: pytest.MonkeyPatch, words: Sequence[str]) -> int:
    """Exit status of a command; the file behind ``>`` gets what it prints."""
    if ">" not in words:
        return call(monkeypatch, *words)
    *arguments, _, place = words
    with open(place, "w", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        return call(monkeypatch, *arguments)
