"""``a2m2 recognize``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2m2.cli.options import Device

if TYPE_CHECKING:
    from a2m2.errors import DecodeError
    from a2m2.recognize import Recognition, Recognizer


def recognize(
    actions: Annotated[Path, typer.Argument(help="File that 'a2m2 enrol' wrote.", show_default=False)],
    clips: Annotated[
        list[Path], typer.Argument(help="Videos, or folders of frames, to recognise.", show_default=False)
    ],
    top: Annotated[int, typer.Option(min=1, help="Classes to name for each clip.")] = 3,
    always_name: Annotated[
        bool, typer.Option("--always-name", help="Name the closest class, never answer 'unknown'.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    explain: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the reasons: closest enrolled clips, alignments, a page.", show_default=False
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Clips worked on at the same time.")] = 2,
    device: Device = "auto",
) -> None:
    """Recognise the actions in clips, or say that one is unknown.

    A clip that cannot be decoded gets its error in its row; the others are answered, and the exit status is 1.
    Probabilities are those of the enrolled classes, given that the clip shows one of them.

    Examples:

        a2m2 recognize actions.a2m2 new.mp4

        a2m2 recognize actions.a2m2 clips/*.mp4 --csv > answers.csv

        a2m2 recognize actions.a2m2 new.mp4 --json --top 5

        a2m2 recognize actions.a2m2 new.mp4 --explain why
    """
    from a2m2.cli.recognition_output import print_answers
    from a2m2.errors import ConfigError, DecodeError
    from a2m2.recognize import Recognizer
    from a2m2.recognize.tabular import as_csv as csv_of
    from a2m2.recognize.tabular import as_json as json_of

    if as_json and as_csv:
        raise ConfigError("--json and --csv exclude each other; give one")
    recognizer = Recognizer.load(actions, num_threads=threads, device=device)
    names = [str(clip) for clip in clips]
    if explain is None:
        found = recognizer.recognize(clips, reject_unknown=not always_name, names=names)
    else:
        found = _explained(recognizer, clips, not always_name, explain)
    answers = list(zip(names, found, strict=True))
    if as_json:
        typer.echo(json_of(answers, top=top))
    elif as_csv:
        typer.echo(csv_of(answers, top=top))
    else:
        print_answers(answers, top=top)
    if any(isinstance(answer, DecodeError) for _, answer in answers):
        raise typer.Exit(1)


def _explained(
    recognizer: Recognizer, clips: Sequence[Path], reject_unknown: bool, folder: Path
) -> Iterator[Recognition | DecodeError]:
    """The answers, once their reasons are written."""
    from a2m2.errors import DecodeError
    from a2m2.report import build_report

    found = list(
        recognizer.explain_each(clips, reject_unknown=reject_unknown, names=[clip.name for clip in clips])
    )
    explanations = [one for one in found if not isinstance(one, DecodeError)]
    if explanations:
        recognizer.write_explanations(folder, explanations)
        typer.echo(f"reasons: {build_report([folder])}", err=True)
    for one in found:
        yield one if isinstance(one, DecodeError) else one.recognition
