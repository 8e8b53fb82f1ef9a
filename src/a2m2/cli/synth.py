"""``a2m2 synth``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from a2m2.cli.options import Config, DryRun, Overrides, Threads, as_overrides
from a2m2.progress import show_progress


def synth(
    out: Annotated[
        Path, typer.Argument(help="Folder to write SPLIT/CLASS/clip.mp4 into.", show_default=False)
    ],
    stratum: Annotated[
        str | None, typer.Option(help="sets, sequences or figures. [default: sets]", show_default=False)
    ] = None,
    style: Annotated[
        str | None,
        typer.Option(
            help="plain, varied, lines, hatched or camouflage: how clips look. [default: plain]",
            show_default=False,
        ),
    ] = None,
    timing: Annotated[
        float | None,
        typer.Option(help="0: parts of equal length; 1: a compact action at a random time. [default: 1]"),
    ] = None,
    order: Annotated[
        float | None,
        typer.Option(help="Probability that a clip of a set permutes its sub-actions. [default: 0]"),
    ] = None,
    clips: Annotated[int | None, typer.Option(help="Clips of each class.", show_default=False)] = None,
    split: Annotated[list[str] | None, typer.Option(help="train, val or test; repeat for several.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed; the default makes synth-v1.", show_default=False)
    ] = None,
    config: Config = None,
    overrides: Overrides = None,
    threads: Threads = None,
    dry_run: DryRun = False,
) -> None:
    """Render synthetic action videos with ground truth: H.264 clips and the spans of their sub-actions.

    100 classes in train, val and test with disjoint definitions: sets or orders of motions of simple shapes, or phases
    of jointed bodies, hands and arms. Appearance says nothing about the class; only motion does. Interrupted, the same
    command goes on where it stopped.

    Examples:

        a2m2 synth data/sequences --stratum sequences --timing 1

        a2m2 synth data/sets --stratum sets --timing 1 --order 1 --clips 20 --split train --split test

        a2m2 synth data/figures --stratum figures --style varied --split test
    """
    from a2m2.config import load
    from a2m2.synth import SynthConfig, generate, plan

    settings = load(
        SynthConfig,
        config,
        [
            *as_overrides(
                "",
                stratum=stratum,
                style=style,
                timing=timing,
                order=order,
                clips_per_class=clips,
                splits=split,
                seed=seed,
            ),
            *(overrides or []),
        ],
    )
    if dry_run:
        typer.echo(plan(settings, out))
        return
    with show_progress() as progress:
        generate(
            out,
            settings,
            num_workers=threads or 2,
            progress=lambda done, total: progress("rendering clips", done, total),
        )
    typer.echo(
        f"{out}: test methods on it with: a2m2 evaluate --data {out} --split test --out runs/{out.name}"
    )
