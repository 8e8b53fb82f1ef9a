"""The programs of this package, found in its files: a module with a ``main(arguments)`` is one."""

from __future__ import annotations

import ast
import difflib
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from a2m2.bench.options import measurement_parser
from a2m2.errors import ConfigError


@dataclass(frozen=True)
class Program:
    """A module that can be run.

    Attributes:
        name: of the module, and on the command line.
        purpose: first line of its docstring.
        measures: whether it writes its figures with ``--json``; the others make clips, weights or documents.
    """

    name: str
    purpose: str
    measures: bool


def programs(folder: Path | None = None) -> tuple[Program, ...]:
    """Every program in a folder of modules, this package's when None; read, not imported."""
    folder = Path(__file__).parent if folder is None else folder
    found = (_program(path) for path in sorted(folder.glob("*.py")))
    return tuple(program for program in found if program is not None)


def run_program(name: str, arguments: Sequence[str]) -> int:
    """Run a program as its own command line would; returns its exit status.

    Raises:
        ConfigError: there is none of this name.
    """
    names = [program.name for program in programs()]
    if name not in names:
        alike = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {alike[0]}? " if alike else ""
        raise ConfigError(f"no program named {name!r}; {hint}'a2m2 bench' lists them")
    return importlib.import_module(f"a2m2.bench.{name}").main(list(arguments)) or 0


def _program(path: Path) -> Program | None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
        return None
    measures = any(
        isinstance(node, ast.Name) and node.id == measurement_parser.__name__ for node in ast.walk(tree)
    )
    return Program(path.stem, (ast.get_docstring(tree) or "").partition("\n")[0], measures)
