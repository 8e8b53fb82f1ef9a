"""``a2m2 demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2m2.cli.options import DryRun, Threads
from a2m2.cli.progress import show_progress

if TYPE_CHECKING:
    from a2m2.eval.evaluate import Evaluation

SHOTS = (1, 5)
FIT_CLIPS = 192


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for clips, features, results, report.")
    ] = Path("demo"),
    backbone: Annotated[
        str, typer.Option(help="Transformers folder or hub name; motion-filters needs no weights.")
    ] = "motion-filters",
    stratum: Annotated[str, typer.Option(help="sets or sequences: what a class is.")] = "sequences",
    timing: Annotated[float, typer.Option(min=0, max=1, help="How freely actions lie in time.")] = 1.0,
    clips: Annotated[int, typer.Option(min=6, help="Clips of each class.")] = 12,
    episodes: Annotated[int, typer.Option(min=1, help="Few-shot tasks for each number of shots.")] = 1000,
    threads: Threads = None,
    dry_run: DryRun = False,
) -> None:
    """See it work: render action videos, recognise unseen classes from 1 and 5 examples, write a report.

    Nothing is trained and nothing is downloaded. The 24 test classes share no definition with the 64 classes that
    the reduction is fitted on. Interrupted, the same command goes on where it stopped.

    Examples:

        a2m2 demo

        a2m2 demo --stratum sets --episodes 10000 --out demo_sets

        a2m2 demo --backbone facebook/dinov2-small --out demo_dino
    """
    if dry_run:
        typer.echo(
            f"would render 88 classes of {clips} clips ({stratum}, timing {timing:g}) into {out / 'clips'},"
        )
        typer.echo(
            f"run {episodes} episodes each of 5-way {' and '.join(f'{s}-shot' for s in SHOTS)} with {backbone},"
        )
        typer.echo(f"and draw {out / 'report.html'}")
        return
    from a2m2.cli.tables import print_accuracy
    from a2m2.config import load
    from a2m2.eval.evaluate import evaluate
    from a2m2.report import build_report
    from a2m2.settings import EvaluateSettings
    from a2m2.synth import SynthConfig, generate

    config = SynthConfig.build(
        {
            "stratum": stratum,
            "timing": timing,
            "order": timing if stratum == "sets" else 0.0,
            "clips_per_class": clips,
            "splits": ["train", "test"],
        },
        source="a2m2 demo",
    )
    pixels = config.size if backbone == "motion-filters" else 224
    folders, results = [], []
    with show_progress() as progress:
        generate(
            out / "clips",
            config,
            num_workers=threads or 2,
            progress=lambda done, total: progress("rendering clips", done, total),
        )
        for shot in SHOTS:
            settings = load(
                EvaluateSettings,
                data=str(out / "clips"),
                fit_max_clips=FIT_CLIPS,
                backbone={"source": backbone},
                video={"resize": pixels, "crop": pixels},
                protocol={"shot": shot, "episodes": episodes},
            )
            folder = out / f"{shot}_shot"
            results.append(
                evaluate(settings, out=folder, cache=out / "cache", progress=progress, num_threads=threads)
            )
            folders.append(folder)
    _show_first_episode(results[0])
    for result in results:
        print_accuracy(result.run, result.summary)
    page = build_report(folders, out / "report.html")
    typer.echo(f"\nreport: {page}\nopen it in a browser; {out} can be deleted at any time")


def _show_first_episode(result: Evaluation) -> None:
    """What one episode looks like, in words."""
    run, record = result.run, result.records[0]
    typer.echo(f"\nepisode 0: {run.way} actions never seen before, {run.shot} example of each")
    names = [run.classes[index] for index in record.episode.classes]
    answers = record.predictions["a2m2_net"]
    queries = [(way, video) for way, videos in enumerate(record.episode.query) for video in videos]
    for (way, video), answer in zip(queries, answers, strict=True):
        verdict = "right" if answer == way else f"wrong, it is {names[way]}"
        typer.echo(f"  {run.videos[video]}: {names[answer]} ({verdict})")
    typer.echo("")
