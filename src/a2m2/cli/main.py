"""The ``a2m2`` command and what happens to its errors."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from a2m2 import __version__
from a2m2.checks import write_failure
from a2m2.cli.ablate import ablate
from a2m2.cli.bench import bench
from a2m2.cli.compare import compare
from a2m2.cli.data import check, import_lists
from a2m2.cli.demo import demo
from a2m2.cli.enrol import enrol
from a2m2.cli.episodes import episodes
from a2m2.cli.evaluate import evaluate
from a2m2.cli.index import index
from a2m2.cli.info import info
from a2m2.cli.recognize import recognize
from a2m2.cli.report import report
from a2m2.cli.reproduce import reproduce
from a2m2.cli.search import search
from a2m2.cli.serve import serve
from a2m2.cli.spot import spot
from a2m2.cli.synth import synth
from a2m2.cli.train import pretrain, train
from a2m2.cli.watch import watch
from a2m2.errors import A2M2Error

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""Few-shot action recognition in video.

    From one to five labelled clips a class to recognition of new ones: second-order moments of any backbone's
    features at several temporal scales, aligned by exact optimal transport (A²M²-Net, arXiv 2509.17638).
    """,
    epilog="Start with: `a2m2 demo`. Every command shows examples with --help.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"a2m2 {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", help="Show the version and stop.", callback=_show_version, is_eager=True
    ),
) -> None:
    """Options of the command itself."""


def _guard(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with its failures in one line on stderr: status 1 for what a user can mend, 130 for Ctrl-C."""

    @functools.wraps(command)
    def guarded(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except KeyboardInterrupt:
            typer.echo(
                "\nstopped; what was finished is kept and the same command continues from it", err=True
            )
            raise typer.Exit(130) from None
        except A2M2Error as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None
        except BrokenPipeError:
            # The reader of our output went away (a2m2 info | head): nothing is wrong.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "the output"
            typer.echo(f"error: {write_failure(Path(place), error)}", err=True)
            raise typer.Exit(1) from None

    return guarded


_COMMANDS = (
    demo,
    enrol,
    recognize,
    serve,
    spot,
    watch,
    index,
    search,
    synth,
    pretrain,
    train,
    evaluate,
    compare,
    ablate,
    reproduce,
    episodes,
    report,
    info,
)
for _command in _COMMANDS:
    app.command()(_guard(_command))
# What follows the name of a program is the program's own, --help too.
app.command(context_settings={"allow_interspersed_args": False})(_guard(bench))

_data = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Check published lists of videos against a folder, and make manifests of them.",
)
_data.command("check")(_guard(check))
_data.command("import")(_guard(import_lists))
app.add_typer(_data, name="data")


def main() -> None:
    """Run the command."""
    app(prog_name="a2m2")
