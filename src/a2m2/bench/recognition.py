"""How well recognisers know what they know: accuracy, refusals and probabilities over many small sets of classes.

    a2m2 synth clips --stratum sequences --timing 1 --split val
    python -m a2m2.bench.recognition clips --split val

Each task enrols ``way`` classes with ``shot`` clips each, and asks for other clips of these and of as many classes that
are not enrolled. The last two columns are the threshold and the sharpness that would have been best for all tasks
together, for scores of temperature 1: the shipped defaults come from the row of one shot.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from a2m2.bench.figures import FigureTable, command, write_figures
from a2m2.bench.options import measurement_parser
from a2m2.data import default_cache, load_dataset
from a2m2.eval.calibration import area_under_roc, expected_calibration_error
from a2m2.progress import Progress, show_progress
from a2m2.recognize.confidence import fit_sharpness, fit_threshold
from a2m2.recognize.enrolled import Enrolled
from a2m2.recognize.enrolment import Workplace
from a2m2.recognize.origin import check_origin
from a2m2.recognize.sources import Source, open_source
from a2m2.recognize.supports import SupportClip


@dataclass(frozen=True)
class Task:
    """Clips of one task, as positions in the list of all.

    Attributes:
        support: clips to enrol.
        known: other clips of the enrolled classes.
        unknown: clips of classes that are not enrolled.
    """

    support: tuple[int, ...]
    known: tuple[int, ...]
    unknown: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Scores of a task, divided by their temperature.

    Attributes:
        known: of clips of enrolled classes, for every class.
        labels: their classes.
        unknown: of the other clips.
        sure: probability of the answer for each known clip.
        refused: share of known clips answered "unknown".
        let_in: share of unknown clips that were given a class.
    """

    known: Float[np.ndarray, "clip class"]
    labels: np.ndarray
    unknown: Float[np.ndarray, "clip class"]
    sure: Float[np.ndarray, "clip"]
    refused: float
    let_in: float


@dataclass(frozen=True)
class Row:
    """Figures over all tasks of one number of shots; best ones for scores of temperature 1."""

    shot: int
    accuracy: float
    auroc: float
    refused: float
    let_in: float
    calibration_error: float
    best_threshold: float
    best_sharpness: float


def draw_task(labels: Sequence[str], *, way: int, shot: int, query: int, seed: int) -> Task:
    """A task: ``way`` classes to enrol and as many others, ``query`` clips to ask for of each."""
    rng = np.random.default_rng(seed)
    names = np.array(labels)
    chosen = rng.choice(np.unique(names), 2 * way, replace=False)
    support: list[int] = []
    known: list[int] = []
    unknown: list[int] = []
    for place, name in enumerate(chosen):
        clips = rng.permutation(np.flatnonzero(names == name)).tolist()
        if place < way:
            support += clips[:shot]
            known += clips[shot : shot + query]
        else:
            unknown += clips[:query]
    return Task(tuple(support), tuple(known), tuple(unknown))


def run_task(place: Workplace, source: Source, clips: Sequence[SupportClip], task: Task) -> Outcome:
    """Enrol the supports of a task and score its other clips."""
    enrolled = place.fit(source, [clips[index] for index in task.support])
    known = _scores(enrolled, source, [clips[index].digest for index in task.known])
    unknown = _scores(enrolled, source, [clips[index].digest for index in task.unknown])
    threshold, temperature = enrolled.confidence.threshold, float(enrolled.matcher.temperature().detach())
    return Outcome(
        known=known / temperature,
        labels=np.array([enrolled.classes.index(clips[index].label) for index in task.known]),
        unknown=unknown / temperature,
        sure=enrolled.probabilities(known).max(1),
        refused=float((known.max(1) < threshold).mean()),
        let_in=float((unknown.max(1) >= threshold).mean()),
    )


def summarise(shot: int, outcomes: Sequence[Outcome]) -> Row:
    """Figures over tasks; AUROC, refusals and accuracy are means over them."""
    known, unknown = (
        np.concatenate([getattr(outcome, side) for outcome in outcomes]) for side in ("known", "unknown")
    )
    labels = np.concatenate([outcome.labels for outcome in outcomes])
    right = known.argmax(1) == labels
    return Row(
        shot=shot,
        accuracy=float(right.mean()),
        auroc=float(np.mean([area_under_roc(o.known.max(1), o.unknown.max(1)) for o in outcomes])),
        refused=float(np.mean([outcome.refused for outcome in outcomes])),
        let_in=float(np.mean([outcome.let_in for outcome in outcomes])),
        calibration_error=expected_calibration_error(np.concatenate([o.sure for o in outcomes]), right),
        best_threshold=fit_threshold(known.max(1), unknown.max(1)),
        best_sharpness=fit_sharpness(known, labels, expected=None),
    )


def table(rows: Sequence[Row], *, title: str = "", note: str = "") -> FigureTable:
    """A row a number of shots."""
    return FigureTable(
        title=title,
        columns=(
            "shots",
            "accuracy %",
            "known against unknown, AUROC",
            "known refused %",
            "unknown let in %",
            "calibration error",
            "best threshold",
            "best sharpness",
        ),
        rows=tuple(
            (
                str(row.shot),
                f"{100 * row.accuracy:.1f}",
                f"{row.auroc:.3f}",
                f"{100 * row.refused:.0f}",
                f"{100 * row.let_in:.0f}",
                f"{row.calibration_error:.3f}",
                f"{row.best_threshold:.2f}",
                f"{row.best_sharpness:.1f}",
            )
            for row in rows
        ),
        note=note,
        command=command("recognition"),
    )


def _scores(enrolled: Enrolled, source: Source, digests: Sequence[str]) -> Float[np.ndarray, "clip class"]:
    queries = source.describe(enrolled.encoder, digests)
    return enrolled.match_described(queries).logits.double().numpy()


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = measurement_parser("recognition", __doc__)
    parser.add_argument("data", help="folder of class folders, or a manifest")
    parser.add_argument("--split", action="append", help="repeat to pool several")
    parser.add_argument("--weights", help="a trained network")
    parser.add_argument("--backbone", help="a frozen backbone")
    parser.add_argument("--way", type=int, default=5)
    parser.add_argument(
        "--shot", type=int, action="append", help="repeat for several; 1, 3 and 5 when not given"
    )
    parser.add_argument("--query", type=int, default=3, help="clips to ask for of each class")
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args(arguments)
    videos = load_dataset(options.data, splits=options.split or ()).videos
    labels = [video.class_name for video in videos]
    with show_progress() as progress:
        place = Workplace(options.cache or default_cache(), progress=progress)
        origin = check_origin(options.weights, options.backbone)
        source = open_source(origin, num_frames=8, size=224, store=place.store)
        clips = place.read(source, [str(video.path) for video in videos], labels)
        quiet = Workplace(place.cache)
        rows = [
            summarise(shot, _outcomes(quiet, source, clips, labels, shot, options, progress))
            for shot in options.shot or (1, 3, 5)
        ]
    figures = table(
        rows,
        title=f"Recognisers of {options.way} classes of {Path(options.data).name}",
        note=f"Means over {options.tasks} tasks, {options.query} clips asked for of each class.",
    )
    print(figures.markdown())
    write_figures(options.json, [figures])


def _outcomes(
    place: Workplace,
    source: Source,
    clips: Sequence[SupportClip],
    labels: Sequence[str],
    shot: int,
    options: argparse.Namespace,
    progress: Progress,
) -> list[Outcome]:
    outcomes = []
    for seed in range(options.tasks):
        task = draw_task(labels, way=options.way, shot=shot, query=options.query, seed=seed)
        outcomes.append(run_task(place, source, clips, task))
        progress(f"{shot}-shot tasks", seed + 1, options.tasks)
    return outcomes


if __name__ == "__main__":
    main()
