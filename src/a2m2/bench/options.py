"""What the command lines of this package's programs share; a program adds options of its own."""

from __future__ import annotations

import argparse
from pathlib import Path


def program_parser(
    name: str, description: str | None, *, epilog: str | None = None
) -> argparse.ArgumentParser:
    """A parser for the program ``a2m2.bench.NAME``; line breaks in its texts stay.

    Args:
        name: of the module.
        description: its docstring.
        epilog: what stands below the options.
    """
    return argparse.ArgumentParser(
        prog=f"python -m a2m2.bench.{name}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawTextHelpFormatter,
    )


def measurement_parser(
    name: str, description: str | None, *, epilog: str | None = None
) -> argparse.ArgumentParser:
    """As :func:`program_parser`, with ``--json``. A module that calls this is a measurement, see
    :func:`a2m2.bench.programs.programs`."""
    parser = program_parser(name, description, epilog=epilog)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    return parser


def add_seed(parser: argparse.ArgumentParser, what: str, *, default: int = 0) -> None:
    """``--seed``, of ``what``."""
    parser.add_argument("--seed", type=int, default=default, help=f"seed of {what} ({default})")


def add_out(parser: argparse.ArgumentParser, what: str, *, default: str | None = None) -> None:
    """``--out``, a folder for ``what``; without a default it must be given."""
    known = f" ({default})" if default else ""
    parser.add_argument(
        "--out",
        type=Path,
        default=None if default is None else Path(default),
        required=default is None,
        metavar="FOLDER",
        help=f"folder for {what}{known}",
    )
