"""Studies made from nothing, as 'a2m2 ablate' would leave them: real records, invented answers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from a2m2.eval.repeats import growth, holm, over_repeats, p_value
from a2m2.study_records import RECORD, Labels, StudyDifference, StudyFigure, StudyRecord

METHODS = ("a2m2_net", "diagonal", "otam", "bi_mhm", "chamfer", "trx", "protonet")
Answers = Mapping[str, list[NDArray[np.float64]]]


@dataclass(frozen=True)
class Plan:
    """What ``write_study`` invents.

    Attributes:
        axes: of the grid; the first numeric one makes the task harder, and all but the reference more so.
        own_clips: axes whose levels have clips of their own, so that leads along them are growths.
        aligned: number of methods with an alignment, the first ones.
        left_out: levels that are not run together.
    """

    title: str = "Alignment under <misalignment>"
    axes: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {
            "timing": ("0", "0.5", "1"),
            "m2.order": ("first", "second"),
            "seed": ("0", "1", "2"),
        }
    )
    repeat: str = "seed"
    own_clips: tuple[str, ...] = ("timing",)
    methods: tuple[str, ...] = METHODS
    aligned: int = 3
    way: int = 5
    episodes: int = 80
    left_out: Labels = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def write_study(folder: Path, plan: Plan = Plan()) -> StudyRecord:
    """A folder without cells."""
    record = study_record(plan)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).write_text(record.to_json(), encoding="utf-8")
    return record


def study_record(plan: Plan = Plan()) -> StudyRecord:
    """The record that ``write_study`` writes."""
    varied = {axis: labels for axis, labels in plan.axes.items() if axis != plan.repeat}
    places = [dict(zip(varied, labels, strict=True)) for labels in itertools.product(*varied.values())]
    places = [one for one in places if not plan.left_out or not plan.left_out.items() <= one.items()]
    answers = [_answers(plan, i, place) for i, place in enumerate(places)]
    known = list(zip(places, answers, strict=True))
    differences = [*_methods(plan, known), *_levels(plan, known), *_growths(plan, known)]
    return StudyRecord(
        title=plan.title,
        axes=dict(plan.axes),
        repeat=plan.repeat,
        reference=plan.methods[0],
        methods={method: f"what {method} does & how" for method in plan.methods},
        figures=tuple(_figures(plan, known)),
        differences=tuple(differences),
        grid={"title": plan.title, "axes": {axis: list(labels) for axis, labels in plan.axes.items()}},
        notes=plan.notes,
    )


def _answers(plan: Plan, i: int, place: Labels) -> Answers:
    """One value an episode for each method and repeat."""
    rng = np.random.default_rng(i)
    hardness = next((float(label) for label in place.values() if label.replace(".", "").isdigit()), 0.0)
    hardness = min(hardness, 1.0)
    better = 0.1 * sum(label == "second" for label in place.values())
    repeats = len(plan.axes.get(plan.repeat, ("",)))
    luck = rng.normal(size=plan.episodes)
    answers = {}
    for rank, method in enumerate(plan.methods):
        mean = 0.75 + better - 0.2 * hardness - 0.03 * rank * hardness
        means = mean + rng.normal(0, 0.02, size=repeats)
        answers[method] = [
            np.clip(one + 0.15 * luck + 0.05 * rng.normal(size=plan.episodes), 0, 1) for one in means
        ]
    return answers


def _figures(plan: Plan, known: list[tuple[Labels, Answers]]) -> Iterator[StudyFigure]:
    for number, (place, answers) in enumerate(known):
        for rank, method in enumerate(plan.methods):
            figure = over_repeats(answers[method])
            aligned = rank < plan.aligned
            yield StudyFigure(
                labels=place,
                method=method,
                accuracy=figure.mean,
                interval95=figure.interval95,
                repeats=figure.repeats,
                repeats95=figure.repeats95,
                episodes=plan.episodes,
                way=plan.way,
                shot=1,
                query=1,
                alignment=0.8 - 0.1 * rank - 0.02 * number if aligned else None,
                alignment95=0.02 if aligned else None,
                uniform=0.35 - 0.01 * number if aligned else None,
                cells=tuple(f"cell{number}_{repeat}" for repeat in range(len(figure.repeats))),
            )


def _methods(plan: Plan, known: list[tuple[Labels, Answers]]) -> list[StudyDifference]:
    first = plan.methods[0]
    return _corrected(
        _paired(place, "method", "", (first, other), answers[first], answers[other])
        for place, answers in known
        for other in plan.methods[1:]
    )


def _levels(plan: Plan, known: list[tuple[Labels, Answers]]) -> list[StudyDifference]:
    return _corrected(
        _paired(rest, "level", axis, (f"{m}: {other[0]}", f"{m}: {first[0]}"), other[1][m], first[1][m])
        for axis in plan.axes
        if axis not in plan.own_clips
        for rest, (first, *others) in _along(axis, known)
        for other in others
        for m in plan.methods
    )


def _growths(plan: Plan, known: list[tuple[Labels, Answers]]) -> list[StudyDifference]:
    found = []
    for axis in plan.own_clips:
        for rest, levels in _along(axis, known):
            for other in plan.methods[1:]:
                leads = [
                    over_repeats([a - b for a, b in zip(x[plan.methods[0]], x[other], strict=True)])
                    for _, x in (levels[0], levels[-1])
                ]
                change, half = growth(*leads)
                p = p_value(change, half)
                found.append(
                    StudyDifference(rest, "growth", axis, plan.methods[0], other, change, half, (), 0.0, p, p)
                )
    return _corrected(found)


def _along(
    axis: str, known: list[tuple[Labels, Answers]]
) -> Iterator[tuple[Labels, list[tuple[str, Answers]]]]:
    groups: dict[tuple[tuple[str, str], ...], list[tuple[str, Answers]]] = {}
    for place, answers in known:
        if axis in place:
            rest = tuple((name, label) for name, label in place.items() if name != axis)
            groups.setdefault(rest, []).append((place[axis], answers))
    return ((dict(rest), levels) for rest, levels in groups.items() if len(levels) > 1)


def _paired(
    place: Labels,
    kind: str,
    axis: str,
    names: tuple[str, str],
    first: list[NDArray[np.float64]],
    second: list[NDArray[np.float64]],
) -> StudyDifference:
    figure = over_repeats([a - b for a, b in zip(first, second, strict=True)])
    p = p_value(figure.mean, figure.interval95)
    return StudyDifference(
        place, kind, axis, *names, figure.mean, figure.interval95, figure.repeats, figure.repeats95, p, p
    )


def _corrected(differences: Iterator[StudyDifference] | list[StudyDifference]) -> list[StudyDifference]:
    family = list(differences)
    adjusted = holm([one.p for one in family])
    return [replace(one, p_holm=p) for one, p in zip(family, adjusted, strict=True)]
