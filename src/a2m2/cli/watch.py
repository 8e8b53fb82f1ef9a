"""``a2m2 watch``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2m2.cli.options import Speeds, Stride
from a2m2.cli.spot import speeds_of

if TYPE_CHECKING:
    from a2m2.spotting.events import Event


def watch(
    actions: Annotated[Path, typer.Argument(help="File that 'a2m2 enrol' wrote.", show_default=False)],
    camera: Annotated[
        str, typer.Option("--camera", help="Number of a camera, a URL, or a video file.", show_default=False)
    ],
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Score from which a window counts; decided by clips and what was seen if not given.",
            show_default=False,
        ),
    ] = None,
    speeds: Speeds = "0.75,1,1.33",
    stride: Stride = 0.25,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
    as_fast_as_possible: Annotated[
        bool, typer.Option("--as-fast-as-possible", help="Do not wait for a file to play, and drop no frame.")
    ] = False,
) -> None:
    """Say when an enrolled action starts and ends in live pictures. Ctrl-C stops.

    A start is told once the first window that shows the action is over. Frames that come faster than they can be
    looked at are dropped, so that answers are never late; their number is told at the end.

    Examples:

        a2m2 watch actions.a2m2 --camera 0

        a2m2 watch actions.a2m2 --camera rtsp://192.168.1.20/stream --json

        a2m2 watch actions.a2m2 --camera match.mp4
    """
    from a2m2.recognize import Recognizer
    from a2m2.spotting import SpotSettings
    from a2m2.spotting.search import plan_for
    from a2m2.spotting.watching import watch as events
    from a2m2.video.live import LiveStream

    settings = SpotSettings(speeds_of(speeds), stride, threshold)
    enrolled = Recognizer.load(actions).enrolled_
    stream = LiveStream(camera, wait=as_fast_as_possible)
    number = 0
    try:
        plan = plan_for(enrolled, settings, frames_per_second=stream.frames_per_second)
        for event in events(enrolled, plan, stream.frames(), threshold=threshold):
            number += event.kind == "start"
            typer.echo(_as_json(event) if as_json else _in_words(event))
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
    finally:
        stream.close()
    typer.echo(
        f"{number} action{'' if number == 1 else 's'} seen, {stream.num_dropped} frames dropped", err=True
    )
    if stream.damage is not None:
        raise stream.damage


def _in_words(event: Event) -> str:
    from a2m2.spotting.subtitles import timestamp

    return f"{timestamp(event.seconds)} {event.kind:<5} {event.label} {100 * event.probability:.0f} %"


def _as_json(event: Event) -> str:
    import json

    fields = {
        "event": event.kind,
        "seconds": round(event.seconds, 3),
        "class": event.label,
        "probability": round(event.probability, 6),
    }
    return json.dumps(fields, ensure_ascii=False)
