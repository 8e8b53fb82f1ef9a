"""Results folders made from nothing, as an evaluation would leave them: real records, invented answers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy.optimize import linprog

from a2m2.eval.stats import summarize
from a2m2.records import (
    Episode,
    EpisodeRecord,
    EvidenceRecord,
    FilmStrip,
    RunRecord,
    SubActionSpan,
    episodes_digest,
)

SKILLS = {
    "a2m2_net": (2.0, "second-order moments, exact optimal transport"),
    "a2_first_order": (1.62, "first-order moments, exact optimal transport"),
    "diagonal": (1.3, "second-order moments, no alignment"),
    "protonet": (1.25, "mean of second-order moments, cosine"),
    "mean_feature": (0.7, "mean feature of the last map, cosine"),
    "chamfer": (1.6, "second-order moments, nearest candidates"),
    "otam": (1.45, "second-order moments, ordered alignment"),
    "linear_probe": (0.9, "logistic regression on the supports"),
}


@dataclass(frozen=True)
class Task:
    """What ``write_results`` invents; ``skill`` is added to that of every method."""

    classes: tuple[str, ...] = (
        "waving & nodding",
        "pushing <left>",
        'lifting "up"',
        "it's turning",
        "jumping",
        "sitting",
    )
    methods: tuple[str, ...] = ("protonet", "a2m2_net", "diagonal")
    way: int = 3
    shot: int = 1
    query: int = 2
    episodes: int = 40
    seed: int = 0
    dataset: str = "tiny-actions"
    splits: tuple[str, ...] = ("test",)
    fit: str = "train"
    notes: tuple[str, ...] = ()
    videos_per_class: int = 8
    skill: float = 0.0
    alignment: bool = False
    timings: bool = False


def write_results(folder: Path, task: Task = Task()) -> RunRecord:
    """A folder without evidence."""
    records = list(_records(task))
    run = _run(task, records)
    summary = summarize(run, iter(records))
    if task.alignment:
        summary = replace(summary, alignment=_alignment(task))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(run.to_json(), encoding="utf-8")
    (folder / "summary.json").write_text(summary.to_json(), encoding="utf-8")
    lines = "".join(record.to_line() + "\n" for record in records)
    (folder / "episodes.jsonl").write_text(lines, encoding="utf-8")
    if task.timings:
        times = {"features": 12.3, "episodes": 140.0, "pictures": {"thumbnails": 0.052}}
        (folder / "timings.json").write_text(json.dumps(times), encoding="utf-8")
    return run


def _records(task: Task) -> list[EpisodeRecord]:
    """Every class is a point; the more skilled a method, the more the distance to it counts against noise."""
    rng = np.random.default_rng(task.seed)
    centres = rng.normal(size=(len(task.classes), 6)) / math.sqrt(6)
    records = []
    for index in range(task.episodes):
        classes = rng.choice(len(task.classes), task.way, replace=False)
        members = [
            c * task.videos_per_class + rng.permutation(task.videos_per_class)[: task.shot + task.query]
            for c in classes
        ]
        truth = np.repeat(np.arange(task.way), task.query)
        noise = rng.normal(size=(len(truth), task.way))
        near = -np.linalg.norm(centres[classes][truth][:, None] - centres[classes][None], axis=2)
        predictions = {}
        for method in task.methods:
            own = rng.normal(size=noise.shape)
            scores = near * (SKILLS[method][0] + task.skill) + 0.8 * noise + 0.6 * own
            predictions[method] = tuple(scores.argmax(1).tolist())
        episode = Episode(
            index,
            tuple(classes.tolist()),
            tuple(tuple(m[: task.shot].tolist()) for m in members),
            tuple(tuple(m[task.shot :].tolist()) for m in members),
        )
        records.append(EpisodeRecord(episode, predictions))
    return records


def _run(task: Task, records: Sequence[EpisodeRecord]) -> RunRecord:
    videos = [
        (f"test/{name}/clip{i:03d}.mp4", c)
        for c, name in enumerate(task.classes)
        for i in range(task.videos_per_class)
    ]
    config = {
        "data": task.dataset,
        "split": list(task.splits),
        "video": {"num_frames": 8, "crop": 224},
        "backbone": {"source": "mobilenet_v2", "last_stride": 2},
        "protocol": {"way": task.way, "shot": task.shot, "query": task.query, "episodes": task.episodes},
    }
    return RunRecord(
        dataset=task.dataset,
        splits=task.splits,
        classes=task.classes,
        videos=tuple(name for name, _ in videos),
        video_classes=tuple(c for _, c in videos),
        way=task.way,
        shot=task.shot,
        query=task.query,
        episodes=task.episodes,
        seed=task.seed,
        methods={name: SKILLS[name][1] for name in task.methods},
        config=config,
        config_digest="0123456789abcdef",
        data_digest="fedcba9876543210",
        episodes_digest=episodes_digest(record.episode for record in records),
        weights_digest="00112233445566ff",
        fit=task.fit,
        versions={"a2m2": "0.1.0", "torch": "2.13.0", "numpy": "2.3.1"},
        notes=task.notes,
    )


def _alignment(task: Task) -> dict[str, dict[str, dict[str, float]]]:
    shares = {"uniform plan": (0.358, 0.11), "diagonal": (0.576, 0.21), "a2m2_net": (0.769, 0.28)}
    return {
        name: {
            "non_idle": {"share": non_idle, "interval95": 0.004, "episodes": task.episodes},
            "all": {"share": everything, "interval95": 0.002, "episodes": task.episodes},
        }
        for name, (non_idle, everything) in shares.items()
        if name in task.methods or name == "uniform plan"
    }


@dataclass(frozen=True)
class Film:
    """One side of an invented alignment picture; ``actions`` share the time from ``start`` to ``end``."""

    class_name: str = "waving & nodding"
    video: str = "test/waving & nodding/clip001.mp4"
    num_frames: int = 8
    duration: float = 3.2
    size: tuple[int, int] = (112, 84)
    actions: tuple[str, ...] = ()
    start: float = 0.2
    end: float = 0.9
    windows: tuple[int, ...] = (1, 2, 4)
    shots: int = 1
    colour: tuple[int, int, int] = (200, 90, 60)


def film_strip(folder: Path, film: Film, name: str) -> FilmStrip:
    """The strip of a film, its thumbnails written."""
    times = [(i + 0.5) * film.duration / film.num_frames for i in range(film.num_frames)]
    length = (film.end - film.start) * film.duration / max(len(film.actions), 1)
    truth = tuple(
        SubActionSpan(
            action, film.start * film.duration + i * length, film.start * film.duration + (i + 1) * length
        )
        for i, action in enumerate(film.actions)
    )
    spans, scale = [], []
    for _ in range(film.shots):
        for k, window in enumerate(film.windows):
            for first in range(0, film.num_frames - window + 1, window):
                spans.append(
                    (
                        first * film.duration / film.num_frames,
                        (first + window) * film.duration / film.num_frames,
                    )
                )
                scale.append(k)
    names = []
    for i in range(film.num_frames):
        names.append(f"{name}_{i:03d}.jpg")
        _draw(film, i / max(film.num_frames - 1, 1)).save(folder / names[-1], quality=80)
    return FilmStrip(
        film.video,
        film.class_name,
        tuple(names),
        tuple(times),
        film.duration,
        tuple(spans),
        tuple(scale),
        truth,
    )


def _draw(film: Film, moment: float) -> Image.Image:
    width, height = film.size
    column = np.linspace(0, 1, height)[:, None, None]
    ground = np.array([70, 84, 110]) * (1 - column) + np.array([150, 160, 165]) * column
    image = Image.fromarray(np.broadcast_to(ground, (height, width, 3)).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    radius = 0.16 * min(width, height)
    x = (0.15 + 0.7 * moment) * width
    y = height * (0.62 - 0.3 * math.sin(math.pi * moment))
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=film.colour)
    pen.rectangle((0, 0.85 * height, width, height), fill=(58, 66, 72))
    return image


def write_evidence(
    folder: Path, query: Film, support: Film, *, number: int = 0, predicted: str | None = None, seed: int = 0
) -> EvidenceRecord:
    """An evidence record with an optimal plan between the two films, written into ``folder/evidence``."""
    place = folder / "evidence"
    place.mkdir(parents=True, exist_ok=True)
    strips = (film_strip(place, query, f"{number}q"), film_strip(place, support, f"{number}s"))
    similarity = _similarity(*strips, np.random.default_rng(seed))
    record = EvidenceRecord(
        method="a2m2_net",
        episode=17 + number,
        query=strips[0],
        support=strips[1],
        plan=_rows(_transport(1 - similarity)),
        similarity=_rows(similarity),
        score=9.4321,
        predicted=predicted or query.class_name,
    )
    (place / f"{number:03d}.json").write_text(record.to_json(), encoding="utf-8")
    return record


def _similarity(query: FilmStrip, support: FilmStrip, rng: np.random.Generator) -> np.ndarray:
    def show(strip: FilmStrip) -> np.ndarray:
        names = sorted({span.name for s in (query, support) for span in s.truth}) or ["anything"]
        table = np.zeros((len(strip.spans), len(names) + 3))
        for i, (start, end) in enumerate(strip.spans):
            for span in strip.truth:
                overlap = min(end, span.end_seconds) - max(start, span.start_seconds)
                table[i, names.index(span.name)] += max(0.0, overlap) / (end - start)
            table[i, len(names) + min(strip.scale[i], 2)] = 0.4
        table += 0.12 * rng.normal(size=table.shape)
        return table / np.linalg.norm(table, axis=1, keepdims=True)

    return show(query) @ show(support).T


def _transport(cost: np.ndarray) -> np.ndarray:
    rows, columns = cost.shape
    sums = np.vstack([np.kron(np.eye(rows), np.ones(columns)), np.kron(np.ones(rows), np.eye(columns))])
    masses = np.concatenate([np.full(rows, 1 / rows), np.full(columns, 1 / columns)])
    return linprog(cost.ravel(), A_eq=sums, b_eq=masses, method="highs").x.reshape(cost.shape).clip(min=0)


def _rows(matrix: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(float(value), 6) for value in row) for row in matrix)
