"""``a2m2 evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from a2m2.cli.options import Cache, Config, Device, DryRun, Overrides, Threads, as_overrides, import_methods
from a2m2.progress import show_progress


def evaluate(
    networks: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Trained networks, side by side: training folders or weights files. None: methods without training.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data", help="Folder ROOT/[SPLIT/]CLASS/clip.ext or a manifest CSV.", show_default=False
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the results.")] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="Transformers folder, hub name, motion-filters, or random:NAME.", show_default=False
        ),
    ] = None,
    split: Annotated[list[str] | None, typer.Option(help="Split to test on; repeat to pool several.")] = None,
    method: Annotated[list[str] | None, typer.Option(help="Method to run; repeat for several.")] = None,
    stage: Annotated[
        list[str] | None, typer.Option(help="Backbone stage: mid, last or a number; repeat to join several.")
    ] = None,
    way: Annotated[
        int | None, typer.Option(help="Classes an episode. [default: 5]", show_default=False)
    ] = None,
    shot: Annotated[
        int | None, typer.Option(help="Labelled clips a class. [default: 1]", show_default=False)
    ] = None,
    query: Annotated[
        int | None, typer.Option(help="Clips to recognise a class. [default: 1]", show_default=False)
    ] = None,
    episodes: Annotated[
        int | None, typer.Option(help="Number of episodes. [default: 10000]", show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the episodes. [default: 0]", show_default=False)
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option(help="What reduction and mean come from: auto, train, supports, transductive."),
    ] = None,
    probe: Annotated[
        str | None,
        typer.Option(
            help="Ask what a method knows of order: reversed (--way 2), twins (--way 2 or 3) or shuffled.",
            show_default=False,
        ),
    ] = None,
    pictures: Annotated[int, typer.Option(min=0, help="Alignment pictures to keep for the report.")] = 4,
    config: Config = None,
    overrides: Overrides = None,
    cache: Cache = None,
    threads: Threads = None,
    device: Device = "auto",
    dry_run: DryRun = False,
) -> None:
    """Test trained networks, or methods without training, on few-shot episodes drawn from a folder of clips.

    A network runs its own matcher; with --method others read its descriptors. Without --data it is tested on the test
    split of the clips that it was trained on.

    What is computed for a video is kept: a second run with other methods, shots or episodes decodes nothing. Methods
    without training fit their reduction on the train split, or without one on each episode's supports.

    Examples:

        a2m2 evaluate runs/trained --out runs/tested

        a2m2 evaluate runs/trained --method a2m2_net --method diagonal --set a2.order_prior=0.3 -o runs/order

        a2m2 evaluate --data my_clips --backbone facebook/dinov2-small --shot 5 --out runs/my_clips

        a2m2 evaluate --data synth --split val --split test --method a2m2_net --method diagonal -o runs/pooled

        a2m2 evaluate runs/trained --probe reversed --way 2 --method a2m2_net --method protonet -o runs/reversed

        a2m2 evaluate --data synth --set a2.order_prior=0.3 --set a2.order_axis=progress -o runs/order --dry-run
    """
    from a2m2.config import load
    from a2m2.settings import EvaluateSettings

    places = [str(path) for path in networks or []]
    if data is None and config is None and places:
        data = _data_of(Path(places[0]))
    stages = [int(name) if name.lstrip("-").isdigit() else name for name in stage or []]
    settings = load(
        EvaluateSettings,
        config,
        [
            *as_overrides("", data=data, weights=places, split=split, methods=method, fit=fit, probe=probe),
            *as_overrides("backbone", source=backbone),
            *as_overrides("m2", stages=stages),
            *as_overrides("protocol", way=way, shot=shot, query=query, episodes=episodes, seed=seed),
            *(overrides or []),
        ],
    )
    import_methods(method or [])
    from a2m2.cli.tables import print_accuracy, print_plan
    from a2m2.eval.evaluate import evaluate as run
    from a2m2.eval.evaluate import plan

    if dry_run:
        print_plan(settings, plan(settings, cache=cache, device=device))
        return
    with show_progress() as progress:
        result = run(
            settings,
            out=out,
            cache=cache,
            progress=progress,
            num_threads=threads,
            num_pictures=pictures,
            device=device,
        )
    print_accuracy(result.run, result.summary)
    if out is not None:
        typer.echo(f"\nresults in {out}; draw them with: a2m2 report {out}")


def _data_of(network: Path) -> str | None:
    """The clips that the network in a training folder was trained on, None for a weights file."""
    from a2m2.train_records import is_training, read_training

    return str(read_training(network).config["data"]) if is_training(network) else None
