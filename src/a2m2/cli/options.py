"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="YAML file with settings, or the name of a shipped one, such as synth-small.",
        show_default=False,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change one setting: section.key=value. Repeatable.", show_default=False),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and stop.")]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Threads to use; 2 when not given. Results do not depend on it."),
]
Cache = Annotated[
    Path | None,
    typer.Option("--cache", help="Folder for cached features; $A2M2_CACHE or ~/.cache/a2m2 when not given."),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option("--device", help="Where clips are encoded; auto takes a GPU if there is one."),
]
TrainingDevice = Annotated[
    Literal["auto", "cpu", "gpu", "cuda"],
    typer.Option(
        "--device", help="Where to train; auto takes a GPU if there is one. gpu and cuda are the same."
    ),
]
SeeingWeights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        help="See with a trained network: its folder or file, or a shipped one. [default: motion-small]",
        show_default=False,
    ),
]
SeeingBackbone = Annotated[
    str | None,
    typer.Option(
        "--backbone",
        help="See with a frozen backbone: a transformers folder, a hub name, or motion-filters.",
        show_default=False,
    ),
]
SeeingFrames = Annotated[
    int | None,
    typer.Option(
        "--frames",
        min=1,
        help="Frames sampled from each clip, for --backbone. [default: 8]",
        show_default=False,
    ),
]
SeeingSize = Annotated[
    int | None,
    typer.Option(
        "--size",
        min=8,
        help="Side of the frames in pixels, for --backbone. [default: 224]",
        show_default=False,
    ),
]
Speeds = Annotated[
    str, typer.Option("--speeds", help="How fast actions may be, relative to the enrolled clips.")
]
Stride = Annotated[
    float, typer.Option("--stride", help="From one window to the next, as a share of the window.")
]


def given(**values: Any) -> dict[str, Any]:
    """The values that were given on the command line: not None and not empty."""
    return {key: value for key, value in values.items() if value not in (None, [], ())}


def as_overrides(section: str, **values: Any) -> list[str]:
    """``section.key=value`` for each value given, in the form that :func:`a2m2.config.load` takes."""
    import yaml

    prefix = f"{section}." if section else ""
    lines = []
    for key, value in given(**values).items():
        text = yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
        lines.append(f"{prefix}{key}={text}")
    return lines


def import_methods(names: list[str]) -> None:
    """Import methods of outsiders that the command line names, so that the files of their networks may name them too.

    Raises:
        ConfigError: no such function.
    """
    for name in names:
        if ":" in name:
            from a2m2.methods import find_method

            find_method(name)
