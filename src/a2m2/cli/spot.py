"""``a2m2 spot``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2m2.checks import output_file
from a2m2.cli.options import Device, DryRun, Speeds, Stride
from a2m2.progress import show_progress

if TYPE_CHECKING:
    from a2m2.errors import DecodeError
    from a2m2.recognize import Recognizer
    from a2m2.spotting import SpotSettings
    from a2m2.spotting.outcome import Outcome


def spot(
    actions: Annotated[Path, typer.Argument(help="File that 'a2m2 enrol' wrote.", show_default=False)],
    videos: Annotated[
        list[Path], typer.Argument(help="Recordings, or folders of frames, to search.", show_default=False)
    ],
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Score from which a window counts; decided by clips and recording if not given.",
            show_default=False,
        ),
    ] = None,
    speeds: Speeds = "0.75,1,1.33",
    stride: Stride = 0.25,
    merge: Annotated[
        float | None,
        typer.Option(
            help="Join segments of a class that are at most so many seconds apart.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    elan: Annotated[
        Path | None, typer.Option(help="Write annotations that ELAN reads (.eaf).", show_default=False)
    ] = None,
    vtt: Annotated[Path | None, typer.Option(help="Write WebVTT subtitles.", show_default=False)] = None,
    timeline: Annotated[
        Path | None, typer.Option(help="Draw a timeline (.svg or .png).", show_default=False)
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Batches of windows scored at the same time.")] = 2,
    device: Device = "auto",
    dry_run: DryRun = False,
) -> None:
    """Find the enrolled actions in long recordings.

    The recording is decoded once; memory does not grow with its pictures. Windows of several lengths slide over it,
    each is scored as a clip would be, and of those that overlap the best stays. What resembles no enrolled action
    is left out. Where a recording is damaged, and on Ctrl-C, what was found until then is printed and written.
    With several recordings, --elan, --vtt and --timeline name folders.

    Examples:

        a2m2 spot actions.a2m2 match.mp4

        a2m2 spot actions.a2m2 match.mp4 --elan match.eaf --vtt match.vtt --timeline match.svg

        a2m2 spot actions.a2m2 monday.mp4 tuesday.mp4 --csv > found.csv

        a2m2 spot actions.a2m2 match.mp4 --speeds 0.5,1,2 --merge 1

        a2m2 spot actions.a2m2 match.mp4 --dry-run
    """
    from a2m2.cli import spotting_output as output
    from a2m2.errors import ConfigError
    from a2m2.recognize import Recognizer
    from a2m2.spotting import SpotSettings, tabular

    if as_json and as_csv:
        raise ConfigError("--json and --csv exclude each other; give one")
    places = output.Places.of(elan=elan, vtt=vtt, timeline=timeline, videos=videos)
    settings = SpotSettings(speeds_of(speeds), stride, threshold, merge, threads)
    recognizer = Recognizer.load(actions, num_threads=threads, device=device)
    if dry_run:
        errors = _tell_plan(recognizer, videos, settings)
        for path in places.paths(without=errors):
            typer.echo(f"would write {path}")
        for error in errors.values():
            typer.echo(f"error: {error}", err=True)
        if errors:
            raise typer.Exit(1)
        return
    for path in places.paths():
        output_file(path)
    outcomes, stopped = _search(recognizer, videos, settings)
    if as_json:
        typer.echo(tabular.as_json(outcomes))
    elif as_csv:
        typer.echo(tabular.as_csv(outcomes))
    else:
        output.print_segments(outcomes)
    for line in [*output.warnings(outcomes), *places.write(outcomes)]:
        typer.echo(line, err=True)
    status = output.exit_status(outcomes, stopped=stopped)
    if status:
        raise typer.Exit(status)


def speeds_of(text: str) -> tuple[float, ...]:
    """Numbers with commas between.

    Raises:
        ConfigError: something else.
    """
    from a2m2.errors import ConfigError

    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(
            f"expected speeds as numbers with commas between, got {text!r}; give for example 0.75,1"
        ) from None


def _search(
    recognizer: Recognizer, videos: Sequence[Path], settings: SpotSettings
) -> tuple[list[Outcome], bool]:
    """What was found in each recording, or why it cannot be read, and whether Ctrl-C ended the list."""
    from a2m2.errors import DecodeError
    from a2m2.spotting import spot as search

    outcomes: list[Outcome] = []
    for video in videos:
        with show_progress() as progress:
            try:
                record = search(
                    recognizer.enrolled_, video, settings=settings, name=str(video), progress=progress
                )
            except DecodeError as error:
                outcomes.append((video, error))
                continue
            except KeyboardInterrupt:  # while this one was opened or judged: those before it are kept
                typer.echo(f"stopped before {video} was searched", err=True)
                return outcomes, True
        outcomes.append((video, record))
        if record.ending == "interrupt":
            return outcomes, True
    return outcomes, False


def _tell_plan(
    recognizer: Recognizer, videos: Sequence[Path], settings: SpotSettings
) -> dict[Path, DecodeError]:
    """Print what a search would do; returns the recordings that cannot be read."""
    from contextlib import closing

    from a2m2.errors import DecodeError
    from a2m2.spotting.search import plan_for
    from a2m2.video.stream import VideoStream

    enrolled = recognizer.enrolled_
    typer.echo(f"actions: {', '.join(map(str, enrolled.classes))}")
    typer.echo(f"seen with {enrolled.encoder.description}")
    errors: dict[Path, DecodeError] = {}
    for video in videos:
        try:
            with closing(VideoStream(video)) as stream:
                plan = plan_for(
                    enrolled,
                    settings,
                    frames_per_second=stream.frames_per_second,
                    duration_seconds=stream.duration_seconds,
                )
                number = sum(plan.count(stream.duration_seconds).values())
                lengths = ", ".join(
                    f"{seconds:.1f} s" for seconds in (plan.seconds(one.length) for one in plan.lengths)
                )
                typer.echo(
                    f"{video}: {stream.duration_seconds:.0f} s, would look at {number} windows of {lengths}"
                )
        except DecodeError as error:
            errors[video] = error
    return errors
