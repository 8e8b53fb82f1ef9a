"""How well actions are found in long recordings, and how fast.

    python -m a2m2.bench.spotting --weights runs/trained --split val
    python -m a2m2.bench.spotting --weights runs/trained --speed

Each generated recording shows three enrolled and five other actions, in any order, with idle between them and cuts
now and then; the enrolled clips are others, trimmed to the action. A segment is right when its class is the truth's and
their temporal IoU is at least 0.5 (or 0.3); every action is found once. Other segments are told apart by the true
action that they overlap most: of their own class but badly placed or found twice (boundary), of another enrolled class
(confused), of a class that is not enrolled (unknown let in), or of none (background).

``--speed`` measures ten minutes of 640×360 instead: times real time, the share of decoding, and the highest memory.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from a2m2.bench.figures import Cell, FigureTable, command, write_figures
from a2m2.bench.options import measurement_parser
from a2m2.bench.spotting_speed import measure_speed
from a2m2.eval.repeats import over_repeats
from a2m2.progress import Progress, show_progress
from a2m2.recognize import Recognizer
from a2m2.spotting import spot
from a2m2.spotting_records import Segment
from a2m2.synth import SynthConfig, draw_classes
from a2m2.synth.classes import ClassDefinition
from a2m2.synth.recording import TimedAction, draw_recording, trimmed_clip
from a2m2.synth.settings import Split, Stratum
from a2m2.video import write_clip

KNOWN, UNKNOWN, CLIPS = 3, 5, 5

Mistake = Literal["boundary", "confused", "unknown let in", "background"]
MISTAKES: tuple[Mistake, ...] = ("boundary", "confused", "unknown let in", "background")


@dataclass(frozen=True)
class Score:
    """One recording at one IoU.

    Attributes:
        right: segments that are right.
        found: segments in all.
        wanted: enrolled actions that are shown.
        mistakes: how many of each kind.
    """

    right: int
    found: int
    wanted: int
    mistakes: dict[Mistake, int]

    @property
    def precision(self) -> float:
        """Share of the segments that are right; 1 when there is none."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Share of the actions that were found; 1 when there is none."""
        return self.right / self.wanted if self.wanted else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.found + self.wanted
        return 2 * self.right / total if total else 1.0


def score_segments(
    segments: Sequence[Segment], truth: Sequence[TimedAction], *, known: Sequence[str], overlap: float
) -> Score:
    """Segments against the truth, the best segments first, each with the unfound action that it overlaps most."""
    left = [action for action in truth if action.class_name in known]
    wanted, right = len(left), 0
    mistakes: Counter[Mistake] = Counter()
    for segment in sorted(segments, key=lambda segment: -segment.score):
        same = [action for action in left if action.class_name == segment.label]
        best = max(same, key=lambda action: _iou(segment, action), default=None)
        if best is not None and _iou(segment, best) >= overlap:
            right += 1
            left.remove(best)
        else:
            mistakes[_mistake(segment, truth, known)] += 1
    return Score(right, len(segments), wanted, {kind: mistakes[kind] for kind in MISTAKES})


def _mistake(segment: Segment, truth: Sequence[TimedAction], known: Sequence[str]) -> Mistake:
    nearest = max(truth, key=lambda action: _iou(segment, action), default=None)
    if nearest is None or not _iou(segment, nearest):
        return "background"
    if nearest.class_name == segment.label:
        return "boundary"
    return "confused" if nearest.class_name in known else "unknown let in"


def _iou(segment: Segment, action: TimedAction) -> float:
    start = max(segment.start_seconds, action.start_seconds)
    common = max(0.0, min(segment.end_seconds, action.end_seconds) - start)
    lengths = segment.end_seconds - segment.start_seconds + action.end_seconds - action.start_seconds
    return common / (lengths - common)


def draw_cast(
    stratum: Stratum, split: Split, number: int, *, seed: int
) -> tuple[tuple[ClassDefinition, ...], tuple[ClassDefinition, ...]]:
    """The enrolled and the other classes of a recording."""
    classes = [one for one in draw_classes(stratum, seed) if one.split == split]
    drawn = np.random.default_rng([seed, number]).choice(len(classes), KNOWN + UNKNOWN, replace=False)
    chosen = tuple(classes[index] for index in drawn)
    return chosen[:KNOWN], chosen[KNOWN:]


def run_recording(
    stratum: Stratum,
    split: Split,
    number: int,
    *,
    weights: str | None,
    backbone: str | None,
    seconds: float,
    folder: Path,
) -> dict[float, Score]:
    """Render, enrol and search one recording; scores by IoU."""
    config = SynthConfig(stratum=stratum)
    known, unknown = draw_cast(stratum, split, number, seed=config.seed)
    paths, labels = [], []
    for definition in known:
        for index in range(CLIPS):
            paths.append(folder / definition.name / f"{index}.mp4")
            labels.append(definition.name)
            clip = trimmed_clip(config, definition, CLIPS * number + index)
            write_clip(paths[-1], clip.frames(config), fps=config.fps)
    recording = draw_recording(config, [*known, *unknown], seconds=seconds, number=number)
    write_clip(folder / "recording.mp4", np.concatenate(list(recording.frames())), fps=config.fps)
    recognizer = Recognizer(weights=weights, backbone=backbone, cache=folder / "cache")
    recognizer.fit([str(path) for path in paths], labels)
    record = spot(recognizer.enrolled_, folder / "recording.mp4")
    names = [definition.name for definition in known]
    return {
        overlap: score_segments(record.segments, recording.actions(), known=names, overlap=overlap)
        for overlap in (0.5, 0.3)
    }


def table(scores: dict[str, list[dict[float, Score]]]) -> FigureTable:
    """A row a stratum; ± is the 95 % interval over recordings."""
    rows: list[tuple[Cell, ...]] = []
    for name, recordings in scores.items():
        half = [by_overlap[0.5] for by_overlap in recordings]
        loose = [by_overlap[0.3] for by_overlap in recordings]
        cells = [
            name,
            str(len(half)),
            _figure([score.f1 for score in half]),
            _figure([score.f1 for score in loose]),
            _figure([score.precision for score in half]),
            _figure([score.recall for score in half]),
            *(str(sum(score.mistakes[kind] for score in half)) for kind in MISTAKES),
            str(sum(score.right for score in half)),
            str(sum(score.wanted for score in half)),
        ]
        rows.append(tuple(cells))
    shares = ("F1 at 0.5 %", "F1 at 0.3 %", "precision %", "recall %")
    return FigureTable(
        title="Actions found in long recordings",
        columns=("stratum", "recordings", *shares, *MISTAKES, "right", "actions"),
        rows=tuple(rows),
        command=command("spotting"),
    )


def _figure(shares: Sequence[float]) -> str:
    if len(shares) < 2:
        return f"{100 * shares[0]:.1f}"
    figure = over_repeats([[share] for share in shares])
    return f"{100 * figure.mean:.1f} ± {100 * figure.repeats95:.1f}"


def run(options: argparse.Namespace, progress: Progress) -> dict[str, list[dict[float, Score]]]:
    """Every stratum's recordings."""
    scores: dict[str, list[dict[float, Score]]] = {}
    for stratum in options.stratum or ("sets", "sequences"):
        scores[stratum] = []
        for number in range(options.first, options.first + options.recordings):
            with tempfile.TemporaryDirectory() as folder:
                scores[stratum].append(
                    run_recording(
                        stratum,
                        options.split,
                        number,
                        weights=options.weights,
                        backbone=options.backbone,
                        seconds=options.seconds,
                        folder=Path(folder),
                    )
                )
            progress(f"recordings of {stratum}", len(scores[stratum]), options.recordings)
    return scores


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = measurement_parser("spotting", __doc__)
    parser.add_argument("--weights", help="a trained network")
    parser.add_argument("--backbone", help="a frozen backbone")
    parser.add_argument(
        "--stratum", action="append", choices=("sets", "sequences"), help="both when not given"
    )
    parser.add_argument("--split", choices=("train", "val", "test"), default="val")
    parser.add_argument("--recordings", type=int, default=10, help="of each stratum")
    parser.add_argument("--first", type=int, default=0, help="number of the first recording")
    parser.add_argument("--seconds", type=float, default=300.0, help="length of a recording")
    parser.add_argument("--speed", action="store_true", help="measure speed and memory instead")
    options = parser.parse_args(arguments)
    if options.speed:
        figures = measure_speed(weights=options.weights, backbone=options.backbone, seconds=options.seconds)
    else:
        with show_progress() as progress:
            figures = table(run(options, progress))
    print(figures.markdown())
    write_figures(options.json, [figures])


if __name__ == "__main__":
    main()
