"""``a2m2 episodes``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def episodes(
    source: Annotated[
        Path,
        typer.Argument(
            help="Results folder of 'a2m2 evaluate', or clips: a folder or a manifest CSV.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV file to write.", show_default=False)],
    split: Annotated[
        list[str] | None, typer.Option(help="Split of the clips; repeat to pool several.")
    ] = None,
    way: Annotated[int, typer.Option(help="Classes an episode.")] = 5,
    shot: Annotated[int, typer.Option(help="Labelled clips a class.")] = 1,
    query: Annotated[int, typer.Option(help="Clips to recognise a class.")] = 1,
    number: Annotated[int, typer.Option("--episodes", min=1, help="Number of episodes.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the episodes.")] = 0,
) -> None:
    """Write a list of episodes that other code can read: the ones an evaluation ran, or would run.

    One row a video: episode, support or query, position of the class, names of class and video. A JSON file beside it
    holds the digest that two runs over the same episodes share, and what they were drawn from.

    Examples:

        a2m2 episodes runs/tested --out episodes.csv

        a2m2 episodes data/sequences --split test --shot 5 --episodes 10000 --out episodes.csv
    """
    from a2m2.data import EpisodeSampler, load_dataset
    from a2m2.data.episode_lists import write_episodes
    from a2m2.records import read_episodes, read_run

    if (source / "run.json").is_file():
        run = read_run(source)
        drawn = [record.episode for record in read_episodes(source)]
        classes, videos = run.classes, run.videos
        facts = {name: getattr(run, name) for name in ("dataset", "splits", "way", "shot", "query", "seed")}
    else:
        dataset = load_dataset(source)
        test = dataset.select(split or ["test"]) if dataset.splits else dataset
        sampler = EpisodeSampler(
            test.video_classes, class_names=test.classes, way=way, shot=shot, query=query, seed=seed
        )
        drawn = [sampler.episode(index) for index in range(number)]
        classes, videos = test.classes, test.video_names
        facts = {
            "dataset": test.name,
            "splits": test.splits,
            "way": way,
            "shot": shot,
            "query": query,
            "seed": seed,
        }
    digest = write_episodes(out, drawn, classes=classes, videos=videos, facts=facts)
    typer.echo(
        f"{len(drawn):,} episodes in {out}, digest {digest}; what they are stands in {out.with_suffix('.json')}"
    )
