"""``a2m2 info``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def info(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A results folder, a training, a recogniser, a data set, or a video; nothing for the installation.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Say what something is: the installation, a results folder, a training, a recogniser, a data set or a video.

    Examples:

        a2m2 info

        a2m2 info runs/one_shot

        a2m2 info runs/pretrained

        a2m2 info actions.a2m2

        a2m2 info my_clips

        a2m2 info my_clips/jump/003.mp4
    """
    if path is None:
        _installation()
    elif (path / "train.json").is_file():
        _training(path)
    elif (path / "run.json").is_file():
        _results(path)
    elif path.suffix == ".a2m2":
        _recogniser(path)
    elif path.is_file() and path.suffix.lower() != ".csv":
        _video(path)
    else:
        _dataset(path)


def _installation() -> None:
    from a2m2.data.cache import default_cache
    from a2m2.methods import METHODS
    from a2m2.versions import versions

    for name, version in versions().items():
        typer.echo(f"{name:<14}{version}")
    cache = default_cache()
    files = [file for file in cache.rglob("*") if file.is_file()] if cache.is_dir() else []
    size = sum(file.stat().st_size for file in files)
    typer.echo(f"cache         {cache}: {len(files)} files, {size / 1e6:.1f} MB; delete it whenever you like")
    typer.echo("methods")
    for name, builder in METHODS.items():
        typer.echo(f"  {name:<22}{(builder.__doc__ or '').strip().splitlines()[0]}")


def _recogniser(path: Path) -> None:
    from a2m2.cli.recognition_output import print_report
    from a2m2.recognize import Recognizer

    recognizer = Recognizer.load(path, device="cpu")
    print_report(recognizer.report_)
    typer.echo(f"seen with {recognizer.enrolled_.encoder.description}")


def _results(folder: Path) -> None:
    from a2m2.cli.tables import print_accuracy
    from a2m2.eval.stats import read_summary
    from a2m2.records import read_run

    run = read_run(folder)
    print_accuracy(run, read_summary(folder))
    networks = run.config.get("weights")
    what = f"networks {', '.join(networks)}" if networks else f"backbone {run.config['backbone']['source']}"
    typer.echo(f"{what}, weights {run.weights_digest}, fitted on {run.fit}")
    typer.echo(f"config {run.config_digest}, data {run.data_digest}, episodes {run.episodes_digest}")
    typer.echo(", ".join(f"{name} {version}" for name, version in run.versions.items()))


def _training(folder: Path) -> None:
    from a2m2.report.training_inputs import read_trainings
    from a2m2.train_records import STAGES

    (training,) = read_trainings([folder])
    record, task, best = training.record, training.task, training.record.best
    typer.echo(f"training by {STAGES[record.stage]} ({record.stage}), method {record.method}")
    typer.echo(
        f"data {record.dataset}: {len(record.classes)} base classes with {record.clips} clips ({record.split}), "
        f"{len(record.validation_classes)} validation classes with {record.validation_clips} clips "
        f"({record.validation_split})"
    )
    state = "done" if record.done else "not finished; go on with --resume if it was interrupted"
    typer.echo(f"steps {training.step} of {record.steps}, {state}")
    if best is None:
        typer.echo("best validation: none yet")
    else:
        typer.echo(
            f"best validation {100 * best.accuracy:.2f} ± {100 * best.interval95:.2f} % at step {best.step}, "
            f"{best.episodes} episodes, {task.way}-way {task.shot}-shot; chance {100 / task.way:.1f} %"
        )
    start = f"weights {record.start}" if record.start else "the backbone's own weights"
    typer.echo(f"started from {start}, {record.parameters} parameters trained")
    typer.echo(
        f"weights {record.weights_digest or 'none yet'}, config {record.config_digest}, data {record.data_digest}"
    )
    typer.echo(", ".join(f"{name} {version}" for name, version in record.versions.items()))
    for note in record.notes:
        typer.echo(f"note: {note}")


def _video(path: Path) -> None:
    from a2m2.video import probe

    video = probe(path)
    typer.echo(
        f"{path}: {video.num_frames} frames, {video.duration_seconds:.3f} s, {video.width}×{video.height}, "
        f"{video.codec}, {video.average_fps:.3f} frames/s"
        f"{', variable rate' if video.is_variable_rate else ''}"
        f"{f', rotation {video.rotation}° applied' if video.rotation else ''}"
    )


def _dataset(path: Path) -> None:
    from collections import Counter

    from a2m2.data import load_dataset

    dataset = load_dataset(path)
    typer.echo(f"{dataset.name}: {len(dataset)} clips, {len(dataset.classes)} classes")
    for split in dataset.splits or ("",):
        part = dataset.select([split]) if split else dataset
        counts = Counter(video.class_name for video in part.videos)
        fewest = min(counts, key=lambda name: (counts[name], name))
        least, most = counts[fewest], max(counts.values())
        size = f"{least}" if least == most else f"{least} to {most}"
        least_of = "" if least == most else f" (fewest: {fewest})"
        annotated = sum(video.annotation is not None for video in part.videos)
        typer.echo(
            f"{split or 'no splits'}: {len(part)} clips, {len(counts)} classes, "
            f"{size} clips a class{least_of}, {annotated} with annotation"
        )
