"""``a2m2 demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2m2.cli.options import DryRun, Threads
from a2m2.progress import show_progress

if TYPE_CHECKING:
    from a2m2.eval.evaluate import Evaluation
    from a2m2.train.jobs import TrainJob

SHOTS = (1, 5)
CONFIG = Path("synth-small")
METHODS = ("a2m2_net", "diagonal", "protonet_first_order")


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for clips, trainings, results, report.")
    ] = Path("demo"),
    stratum: Annotated[str, typer.Option(help="sets or sequences: what a class is.")] = "sequences",
    timing: Annotated[float, typer.Option(min=0, max=1, help="How freely actions lie in time.")] = 1.0,
    clips: Annotated[int, typer.Option(min=6, help="Clips of each class.")] = 24,
    steps: Annotated[
        tuple[int, int], typer.Option(min=0, help="Steps of pre-training and of meta-training.")
    ] = (450, 120),
    episodes: Annotated[int, typer.Option(min=1, help="Few-shot tasks for each number of shots.")] = 1000,
    workers: Threads = None,
    dry_run: DryRun = False,
) -> None:
    """See it work: render action videos, train from nothing, recognise unseen classes from 1 and 5 examples.

    From one pre-training on 64 classes three networks are trained alike: A²M²-Net, the same without alignment, and a
    first-order ProtoNet. They are tested on 24 classes that share no definition with those. Nothing is downloaded.
    Budgets are short; 'make study' trains longer and compares with care. Interrupted, the same command goes on where it
    stopped.

    Examples:

        a2m2 demo

        a2m2 demo --stratum sets --episodes 10000 --out demo_sets

        a2m2 demo --steps 700 400 --clips 40 --out demo_long
    """
    if dry_run:
        typer.echo(
            f"would render 100 classes of {clips} clips ({stratum}, timing {timing:g}) into {out / 'clips'},\n"
            f"pre-train a network for {steps[0]} steps and from it meta-train {', '.join(METHODS)} for {steps[1]} into "
            f"{out / 'trained'},\n"
            f"run {episodes} episodes each of 5-way {' and '.join(f'{s}-shot' for s in SHOTS)},\n"
            f"and draw {out / 'report.html'}"
        )
        return
    from a2m2.cli.tables import print_accuracy
    from a2m2.config import load
    from a2m2.eval.evaluate import evaluate
    from a2m2.report import build_report
    from a2m2.settings import EvaluateSettings
    from a2m2.synth import SynthConfig, generate
    from a2m2.train.jobs import run_jobs

    config = SynthConfig.build(
        {
            "stratum": stratum,
            "timing": timing,
            "order": timing if stratum == "sets" else 0.0,
            "clips_per_class": clips,
        },
        source="a2m2 demo",
    )
    num_workers = workers or 2
    jobs = _jobs(out, steps, num_workers)
    results, folders = [], []
    with show_progress() as progress:
        generate(
            out / "clips",
            config,
            num_workers=num_workers,
            progress=lambda done, total: progress("rendering clips", done, total),
        )
        run_jobs(jobs, num_workers=num_workers, cache=out / "cache", progress=progress)
        networks = [str(job.out) for job in jobs if job.stage == "meta"]
        for shot in SHOTS:
            settings = load(
                EvaluateSettings,
                data=str(out / "clips"),
                weights=networks,
                protocol={"shot": shot, "episodes": episodes},
            )
            folders.append(out / f"{shot}_shot")
            results.append(
                evaluate(
                    settings,
                    out=folders[-1],
                    cache=out / "cache",
                    progress=progress,
                    num_threads=num_workers,
                )
            )
    _show_first_episode(results[0])
    for result in results:
        print_accuracy(result.run, result.summary)
    page = build_report([*folders, *(job.out for job in jobs)], out / "report.html")
    typer.echo(f"\nreport: {page}\nopen it in a browser; {out} can be deleted at any time")


def _jobs(out: Path, steps: tuple[int, int], num_threads: int) -> list[TrainJob]:
    """A pre-training with all threads, and from its weights a training of each method."""
    from a2m2.config import load
    from a2m2.train.jobs import TrainJob
    from a2m2.train_settings import TrainSettings

    def settings(method: str) -> TrainSettings:
        budget = [f"pretrain.steps={steps[0]}", f"meta.steps={steps[1]}", f"method={method}"]
        return load(TrainSettings, CONFIG, budget, data=str(out / "clips"))

    start = out / "trained" / "pretrained"
    first = TrainJob("base", settings(METHODS[0]), "pretrain", start, num_threads=num_threads)
    return [first] + [
        TrainJob(method, settings(method), "meta", out / "trained" / method, start) for method in METHODS
    ]


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
