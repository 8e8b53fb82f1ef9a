"""``a2m2 pretrain`` and ``a2m2 train``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2m2.cli.options import Cache, Config, DryRun, Overrides, TrainingDevice, as_overrides, import_methods
from a2m2.progress import show_progress

if TYPE_CHECKING:
    from a2m2.train_records import TrainRecord
    from a2m2.train_settings import Stage

Data = Annotated[
    str | None,
    typer.Option(
        "--data", help="Folder ROOT/SPLIT/CLASS/clip.ext or a manifest CSV with splits.", show_default=False
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the training.", show_default=False)]
Method = Annotated[
    str | None, typer.Option(help="Method whose matcher is trained. [default: a2m2_net]", show_default=False)
]
Seed = Annotated[int | None, typer.Option(help="Seed of everything random. [default: 0]", show_default=False)]
Steps = Annotated[int | None, typer.Option(min=0, help="Optimiser steps.", show_default=False)]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights", "-w", help="Training folder or weights file to start from.", show_default=False
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the training in --out, if there is one.")]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, help="Threads of tensor operations. Another number gives other last digits."
    ),
]
Devices = Annotated[
    int,
    typer.Option(
        "--devices",
        min=1,
        help="Processes that share the batches of each step, one a GPU where there are GPUs. "
        "Under torchrun or srun leave it out.",
    ),
]
TensorBoard = Annotated[bool, typer.Option("--tensorboard", help="Write metrics for TensorBoard too.")]


def _command(stage: Stage, name: str, text: str) -> Callable[..., None]:
    """The command of one stage; both take the same options."""

    def command(
        out: Out,
        data: Data = None,
        config: Config = None,
        weights: Weights = None,
        method: Method = None,
        steps: Steps = None,
        seed: Seed = None,
        overrides: Overrides = None,
        resume: Resume = False,
        device: TrainingDevice = "auto",
        devices: Devices = 1,
        threads: Threads = None,
        tensorboard: TensorBoard = False,
        cache: Cache = None,
        dry_run: DryRun = False,
    ) -> None:
        from a2m2.config import load
        from a2m2.train_settings import TrainSettings

        settings = load(
            TrainSettings,
            config,
            [
                *as_overrides("", data=data, method=method, seed=seed),
                *as_overrides(stage, steps=steps),
                *(overrides or []),
            ],
        )
        import_methods([method] if method else [])
        from a2m2.cli.tables import print_plan
        from a2m2.train.launch import train_on_devices
        from a2m2.train.prepare import plan, prepare
        from a2m2.train.ranks import ranks_of

        if dry_run:
            print_plan(settings, plan(prepare(settings, stage, start=weights, cache=cache)))
            return
        try:
            with show_progress() as progress:
                record = train_on_devices(
                    devices,
                    settings,
                    stage,
                    out,
                    start=weights,
                    resume=resume,
                    cache=cache,
                    progress=progress,
                    num_threads=threads,
                    accelerator=device,
                    tensorboard=tensorboard,
                )
        except KeyboardInterrupt:
            typer.echo("\nstopped; the same command with --resume goes on from the last checkpoint", err=True)
            raise typer.Exit(130) from None
        if ranks_of(os.environ).is_first:
            _say(record, out)

    command.__name__, command.__doc__ = name, text
    return command


pretrain = _command(
    "pretrain",
    "pretrain",
    """Stage 1: learn to tell the base classes apart (split train), validated on episodes of new classes (split val).

    The weights of the best validation are kept in OUT/weights.safetensors. The test split is never read. Killed at any
    moment, the same command with --resume goes on and ends with the same weights.

    Examples:

        a2m2 pretrain --config synth-small --data data/sequences --out runs/pretrained

        a2m2 pretrain -c resnet50 --data my_clips -o runs/pre --set pretrain.batch=8 --dry-run

        a2m2 pretrain -c synth-small --data data/sequences -o runs/pretrained --resume
    """,
)

train = _command(
    "meta",
    "train",
    """Stage 2: train on episodes of the base classes, as they will be tested.

    Starts from the weights of a pre-training (--weights), or from the backbone's own. The weights of the best
    validation are kept in OUT/weights.safetensors. The test split is never read. Killed at any moment, the same command
    with --resume goes on and ends with the same weights.

    Examples:

        a2m2 train -c synth-small --data data/sequences --weights runs/pretrained --out runs/trained

        a2m2 train -c synth-small --data data/sequences -w runs/pretrained -o runs/diagonal --method diagonal

        a2m2 evaluate runs/trained runs/diagonal --data data/sequences --out runs/compared
    """,
)


def _say(record: TrainRecord, out: Path) -> None:
    best = record.best
    if best is not None:
        typer.echo(
            f"best validation: {100 * best.accuracy:.1f} ± {100 * best.interval95:.1f} % of {best.episodes} episodes "
            f"of {record.validation_split}, at step {best.step} of {record.steps}; weights {record.weights_digest}"
        )
    if record.stage == "pretrain":
        typer.echo(
            f"{out}: train on episodes with: a2m2 train --weights {out} …, or draw it: a2m2 report {out}"
        )
    else:
        typer.echo(f"{out}: test it with: a2m2 evaluate {out} --data …, or draw it: a2m2 report {out}")
