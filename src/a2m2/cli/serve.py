"""``a2m2 serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from a2m2.cli.options import SeeingBackbone, SeeingWeights


def serve(
    actions: Annotated[
        Path | None,
        typer.Argument(help="File that 'a2m2 enrol' wrote; none starts empty.", show_default=False),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets others in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8642,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = True,
    weights: SeeingWeights = None,
    backbone: SeeingBackbone = None,
    max_upload: Annotated[int, typer.Option(min=1, help="Largest file, in MB.")] = 200,
    max_clips: Annotated[int, typer.Option(min=1, help="Clips in one session.")] = 200,
    max_sessions: Annotated[int, typer.Option(min=1, help="People at one time.")] = 8,
    idle_minutes: Annotated[
        float, typer.Option(min=0.1, help="A session that asks for nothing for so long is deleted.")
    ] = 30.0,
    jobs: Annotated[int, typer.Option(min=1, help="Enrolments and recognitions at the same time.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Clips worked on at the same time in each.")] = 2,
) -> None:
    """Open a page in which clips are dropped into classes, enrolled and recognised.

    Needs pip install 'a2m2[web]'. Everything stays on this machine: clips lie in a temporary folder of their session
    and are deleted with it. Ctrl-C stops the server.

    Examples:

        a2m2 serve

        a2m2 serve actions.a2m2

        a2m2 serve --weights runs/trained --port 0

        a2m2 serve actions.a2m2 --host 0.0.0.0 --no-open --max-upload 50
    """
    import webbrowser

    from a2m2.errors import ConfigError

    try:
        from a2m2.web.server import listen, make_app
        from a2m2.web.server import serve as run
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        raise ConfigError("the web app needs aiohttp; run: pip install 'a2m2[web]'") from None
    from a2m2.recognize import Recognizer
    from a2m2.web.limits import Limits

    if actions is not None and (weights is not None or backbone is not None):
        raise ConfigError(
            f"{actions} says what to see with; leave out --weights and --backbone, or leave out the file"
        )
    limits = Limits(
        upload_mb=max_upload, clips=max_clips, sessions=max_sessions, idle_minutes=idle_minutes, jobs=jobs
    )
    if actions is not None:
        template = Recognizer.load(actions, num_threads=threads)
    else:
        template = Recognizer(weights=weights, backbone=backbone, num_threads=threads)
    source = template.describe_source()
    listening = listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listening.getsockname()[1]}/"
    typer.echo(f"seen with {source}")
    typer.echo(f"{address}  (Ctrl-C stops the server and deletes every clip)")
    if open_browser:
        webbrowser.open(address)
    run(make_app(template, limits, host=host), listening)
    typer.echo("stopped; every clip is deleted")
