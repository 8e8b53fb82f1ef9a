"""``a2m2 reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from a2m2.cli.data import Lists
from a2m2.cli.options import Cache, Config, DryRun, Overrides, TrainingDevice, as_overrides
from a2m2.cli.train import Seed, Threads
from a2m2.progress import show_progress


def reproduce(
    benchmark: Annotated[
        str,
        typer.Argument(
            help="ssv2-full, ssv2-small, kinetics-100, ucf-101 or hmdb-51; ucf101 and the like do too.",
            show_default=False,
        ),
    ],
    videos: Annotated[
        Path,
        typer.Option("--videos", help="Folder that holds the videos, at any depth.", show_default=False),
    ],
    lists: Lists,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of everything. [default: runs/NAME]", show_default=False),
    ] = None,
    shot: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            help="Shots to train for and to test with; repeatable. [default: 1, 3 and 5]",
            show_default=False,
        ),
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave out videos that are missing or cannot be decoded.")
    ] = False,
    backbone: Annotated[
        str | None,
        typer.Option(help="Transformers folder, hub name, small-cnn, or random:NAME.", show_default=False),
    ] = None,
    episodes: Annotated[
        int | None,
        typer.Option(min=1, help="Episodes of each test. [default: 10000]", show_default=False),
    ] = None,
    seed: Seed = None,
    config: Config = None,
    overrides: Overrides = None,
    device: TrainingDevice = "auto",
    threads: Threads = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Videos read at a time by the check.")] = 2,
    cache: Cache = None,
    dry_run: DryRun = False,
) -> None:
    """Run a published benchmark from its lists to test accuracies, by the recipe that comes with the package.

    Lists and videos are checked first, and those that are missing or broken are named before anything is trained. Then
    one pre-training, a meta-training for each number of shots, and one test of each, on the test split that nothing has
    looked at before. Interrupted, the same command goes on where it stopped; what is done is not done again.

    The recipes have not been run on the real videos yet.

    Examples:

        a2m2 reproduce ssv2-full --videos ssv2 --lists splits/ssv2_full --dry-run

        a2m2 reproduce ucf-101 --videos UCF-101 --lists splits/ucf101 --allow-missing --workers 8

        a2m2 reproduce hmdb51 --videos hmdb51 --lists train.txt --lists val.txt --lists test.txt --shot 1 --shot 5

        a2m2 reproduce kinetics-100 --videos k400 --lists splits/kinetics100 --backbone weights/resnet50
    """
    from a2m2.data.lists import find_benchmark
    from a2m2.reproduce.plan import EPISODES, SHOTS, plan_reproduction

    name = find_benchmark(benchmark)
    job = plan_reproduction(
        name,
        videos,
        lists,
        out=out if out is not None else Path("runs") / name,
        config=config,
        overrides=[
            *as_overrides("", seed=seed),
            *as_overrides("backbone", source=backbone),
            *(overrides or []),
        ],
        shots=shot or SHOTS,
        episodes=episodes or EPISODES,
        allow_missing=allow_missing,
    )
    from a2m2.cli import data_output as lists_output
    from a2m2.cli import reproduce_output as output
    from a2m2.reproduce.check import check_videos, import_videos
    from a2m2.reproduce.run import run

    lists_output.print_lists(job.listed, name, "as asked")
    lists_output.print_matches(job.matches, decoded=True)
    if dry_run:
        from a2m2.reproduce.steps import steps

        output.print_steps(job, steps(job, cache=cache))
        return
    with show_progress() as progress:
        checked = check_videos(job, cache=cache, num_workers=workers, progress=progress)
    found = (*checked.unusable, *checked.faults)
    lists_output.print_findings(found, all_of_them=f"all are in {job.findings}")
    with show_progress() as progress:
        import_videos(job, checked, cache=cache, num_threads=workers, progress=progress)
        tests = run(job, cache=cache, progress=progress, num_threads=threads, accelerator=device)
    output.print_accuracies(job, tests, num_left_out=len(checked.unusable))
    output.draw(job)
