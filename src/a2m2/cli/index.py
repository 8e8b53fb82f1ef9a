"""``a2m2 index``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from a2m2.cli.options import Cache, Device, DryRun, SeeingBackbone, SeeingFrames, SeeingSize, SeeingWeights
from a2m2.progress import show_progress

if TYPE_CHECKING:
    from a2m2.library import IndexRecord, IndexSettings


def index(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Folder with videos or folders of frames, arranged in any way, or a manifest CSV.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the index, new or begun.", show_default=False)
    ],
    weights: SeeingWeights = None,
    backbone: SeeingBackbone = None,
    frames: SeeingFrames = None,
    size: SeeingSize = None,
    fit_clips: Annotated[
        int, typer.Option(min=1, help="Clips that the reduction is fitted on, for --backbone.")
    ] = 256,
    shard_size: Annotated[
        int, typer.Option(min=1, help="Clips a shard: as many can be lost by a kill.")
    ] = 128,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Exit with status 0 though clips were left out.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    cache: Cache = None,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Threads here, or workers of a Ray cluster (RAY_ADDRESS, or one made for this)."),
    ] = "local",
    threads: Annotated[int, typer.Option(min=1, help="Clips worked on at the same time.")] = 2,
    device: Device = "auto",
    dry_run: DryRun = False,
) -> None:
    """Describe a whole collection of clips, so that it can be searched by example.

    Run it again after a kill, and it goes on where it stopped; run it again after clips came, went or changed, and
    only new contents are described. Clips that were moved or renamed are known by what they hold. Those that cannot
    be read are named at the end, and the exit status is 1; the rest can be searched.

    Examples:

        a2m2 index my_videos --out my_index

        a2m2 index my_videos --out my_index --weights runs/trained --threads 8

        a2m2 index my_videos --out my_index --backbone facebook/dinov2-small

        a2m2 index my_videos --out my_index --engine ray --threads 64

        a2m2 index my_videos --out my_index --dry-run
    """
    from a2m2.data import default_cache
    from a2m2.errors import ConfigError
    from a2m2.library import IndexSettings, index_collection
    from a2m2.recognize.origin import check_origin

    if backbone is None and (frames is not None or size is not None):
        raise ConfigError(
            "--frames and --size are for --backbone; a trained network has those of its training"
        )
    settings = IndexSettings(
        origin=None if weights is None and backbone is None else check_origin(weights, backbone),
        num_frames=frames or 8,
        size=size or 224,
        fit_clips=fit_clips,
        shard_size=shard_size,
        num_threads=threads,
        engine=engine,
        device=device,
    )
    place = default_cache() if cache is None else cache
    if dry_run:
        _print_plan(folder, out, settings, place)
        return
    with show_progress() as progress:
        record = index_collection(folder, out, settings=settings, cache=place, progress=progress)
    if as_json:
        typer.echo(record.to_json())
    else:
        _print_record(record, out)
    if record.broken and not skip_broken:
        raise typer.Exit(1)


def _print_plan(folder: Path, out: Path, settings: IndexSettings, cache: Path) -> None:
    from a2m2.library import plan_index

    with show_progress() as progress:
        plan = plan_index(folder, out, settings=settings, cache=cache, progress=progress)
    typer.echo(f"{plan.clips} clips of {plan.contents} different contents in {folder}")
    typer.echo(f"seen with {plan.seen_with}")
    typer.echo(f"would describe {plan.to_describe}, forget {plan.forgotten}, and write {out}")
    for name in plan.damaged:
        typer.echo(f"damaged, would be made again: shard {name}")
    for clip in plan.unreadable:
        typer.echo(f"cannot be read: {clip.name}: {clip.cause}")


def _print_record(record: IndexRecord, out: Path) -> None:
    typer.echo(
        f"{record.clips} clips of {record.contents} different contents: {record.described} described now, "
        f"{record.kept} before, {record.forgotten} forgotten"
    )
    first_pass = f", {record.first_pass_bytes:.0f} for the first pass" if record.first_pass_bytes else ""
    typer.echo(f"{record.shard_bytes:.0f} bytes a content{first_pass}")
    for name in record.damaged:
        typer.echo(f"damaged, made again: shard {name}")
    for clip in record.broken:
        typer.echo(f"left out: {clip.name}: {clip.cause}")
    typer.echo(f"search it: a2m2 search {out} --like clip.mp4")
