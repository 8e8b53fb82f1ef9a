"""``a2m2 enrol``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2m2.checks import output_file
from a2m2.cli.options import Cache, Device, DryRun, SeeingBackbone, SeeingFrames, SeeingSize, SeeingWeights
from a2m2.progress import Progress, show_progress

if TYPE_CHECKING:
    from a2m2.data import Dataset, VideoRecord
    from a2m2.recognize import Recognizer


def enrol(
    folder: Annotated[
        Path,
        typer.Argument(help="FOLDER/CLASS/clip.ext, or a manifest CSV.", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File to write, such as actions.a2m2.", show_default=False)
    ],
    weights: SeeingWeights = None,
    backbone: SeeingBackbone = None,
    frames: SeeingFrames = None,
    size: SeeingSize = None,
    choose: Annotated[
        bool, typer.Option("--choose/--no-choose", help="Choose settings, given 3 clips a class.")
    ] = True,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Leave out clips that cannot be decoded.")
    ] = False,
    cache: Cache = None,
    threads: Annotated[int, typer.Option(min=1, help="Clips worked on at the same time.")] = 2,
    device: Device = "auto",
    dry_run: DryRun = False,
) -> None:
    """Make a recogniser from a folder of labelled clips, and say how well it knows them.

    One clip a class is enough, five are better. No training and no GPU are needed: without --weights and --backbone it
    sees with the small network that comes with the package. Every clip is then recognised from the others; classes that
    are confused and clips that look mislabelled are named.

    Examples:

        a2m2 enrol my_clips --out actions.a2m2

        a2m2 enrol my_clips --out actions.a2m2 --backbone facebook/dinov2-small

        a2m2 enrol my_clips --out actions.a2m2 --weights runs/trained

        a2m2 enrol my_clips --out actions.a2m2 --skip-broken

        a2m2 enrol my_clips --out actions.a2m2 --dry-run
    """
    from a2m2.cli.recognition_output import print_report
    from a2m2.data import load_dataset
    from a2m2.errors import ConfigError
    from a2m2.recognize import Recognizer

    if backbone is None and (frames is not None or size is not None):
        raise ConfigError(
            "--frames and --size are for --backbone; a trained network has those of its training"
        )
    dataset = load_dataset(folder)
    recognizer = Recognizer(
        weights=weights,
        backbone=backbone,
        num_frames=frames or 8,
        size=size or 224,
        choose=choose,
        cache=cache,
        num_threads=threads,
        device=device,
    )
    if dry_run:
        typer.echo(f"would enrol {len(dataset)} clips of {len(dataset.classes)} classes from {folder}")
        typer.echo(f"seen with {recognizer.describe_source()}")
        typer.echo(f"would write {out}")
        return
    output_file(out)
    with show_progress() as progress:
        left_out = _fit(recognizer, dataset, skip_broken, progress)
    recognizer.save(out)
    for video in left_out:
        typer.echo(f"left out, cannot be decoded: {video.name}")
    print_report(recognizer.report_)
    typer.echo(f"\n{out}: recognise with it: a2m2 recognize {out} clip.mp4")


def _fit(
    recognizer: Recognizer, dataset: Dataset, skip_broken: bool, progress: Progress
) -> list[VideoRecord]:
    """Enrol the clips; returns those left out."""
    from a2m2.errors import UndecodableError

    videos = list(dataset.videos)
    try:
        _enrol(recognizer, videos, progress)
    except UndecodableError as error:
        if not skip_broken:
            raise
        broken = {failure.path for failure in error.errors}
        kept = [video for video in videos if video.path not in broken]
        _check_classes(dataset, kept)
        _enrol(recognizer, kept, progress)
        return [video for video in videos if video.path in broken]
    return []


def _enrol(recognizer: Recognizer, videos: list[VideoRecord], progress: Progress) -> None:
    recognizer.fit(
        [video.path for video in videos], [video.class_name for video in videos], progress=progress
    )


def _check_classes(dataset: Dataset, kept: list[VideoRecord]) -> None:
    """Refuse to lose a class without a word."""
    from a2m2.errors import DataError

    lost = sorted(set(dataset.classes) - {video.class_name for video in kept})
    if lost:
        raise DataError(
            f"no clip of {', '.join(lost)} can be decoded; replace its clips, or remove the folder of that class"
        )
