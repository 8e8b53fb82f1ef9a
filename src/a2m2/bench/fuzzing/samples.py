"""Small good files of every kind that is plain text, written as the package writes them."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from a2m2.config import shipped
from a2m2.eval.stats import summarize
from a2m2.recognition_records import Recognition, RecognitionRecord, ScoredClass
from a2m2.records import (
    Episode,
    EpisodeRecord,
    EvidenceRecord,
    FilmStrip,
    RunRecord,
    SubActionSpan,
    episodes_digest,
)
from a2m2.settings import EvaluateSettings
from a2m2.study_records import StudyDifference, StudyFigure, StudyRecord
from a2m2.train_records import BestStep, Metric, TrainRecord
from a2m2.train_settings import TrainSettings

_METHODS = {"a2m2_net": "exact optimal transport", "diagonal": "no alignment"}


def write(path: Path, text: str) -> None:
    """Write a sample, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def results(folder: Path) -> None:
    """A folder of an evaluation."""
    videos = tuple(f"test/class {k // 4}/{k}.mp4" for k in range(12))
    episodes = [Episode(index, (0, 2), ((0,), (8 + index % 2,)), ((1, 2), (10, 11))) for index in range(6)]
    records = [
        EpisodeRecord(episode, {"a2m2_net": (0, 0, 1, 1), "diagonal": (0, 1, 1, episode.index % 2)})
        for episode in episodes
    ]
    settings = EvaluateSettings(data="clips", methods=tuple(_METHODS))
    run = RunRecord(
        dataset="clips",
        splits=("test",),
        classes=("class 0", "class 1", "class 2"),
        videos=videos,
        video_classes=tuple(k // 4 for k in range(12)),
        way=2,
        shot=1,
        query=2,
        episodes=len(episodes),
        seed=0,
        methods=_METHODS,
        config=settings.model_dump(mode="json"),
        config_digest=settings.digest(),
        data_digest="0123456789abcdef",
        episodes_digest=episodes_digest(episodes),
        weights_digest="fedcba9876543210",
        fit="train",
        versions={"torch": "2.6"},
        notes=("a note",),
    )
    write(folder / "run.json", run.to_json())
    write(folder / "episodes.jsonl", "".join(f"{record.to_line()}\n" for record in records))
    write(folder / "summary.json", summarize(run, records).to_json())
    write(folder / "evidence" / "000.json", evidence().to_json())


def evidence() -> EvidenceRecord:
    """One alignment of three candidates with three."""
    strip = FilmStrip(
        video="test/class 0/1.mp4",
        class_name="class 0",
        thumbnails=("000-q0.jpg", "000-q1.jpg"),
        frame_seconds=(0.25, 0.75),
        duration_seconds=1.0,
        spans=((0.0, 0.5), (0.5, 1.0), (0.0, 1.0)),
        scale=(0, 0, 1),
        truth=(SubActionSpan("rise", 0.1, 0.6),),
    )
    rows = ((0.2, 0.1, 0.0), (0.0, 0.3, 0.1), (0.1, 0.0, 0.2))
    return EvidenceRecord("a2m2_net", 0, strip, strip, rows, rows, 11.5, "class 0", {"order_prior": 0.1})


def training(folder: Path) -> None:
    """A folder of a training, weights apart."""
    settings = TrainSettings(data="clips")
    record = TrainRecord(
        stage="meta",
        method="a2m2_net",
        dataset="clips",
        split="train",
        validation_split="val",
        classes=("a", "b", "c"),
        validation_classes=("d", "e"),
        clips=30,
        validation_clips=20,
        config=settings.stage("meta"),
        config_digest="0123456789abcdef",
        data_digest="0123456789abcdef",
        start="",
        parameters=1234,
        steps=400,
        done=True,
        best=BestStep(200, 0.8, 0.01, 500),
        weights_digest="0123456789abcdef",
        versions={"torch": "2.6"},
        notes=(),
    )
    write(folder / "train.json", record.to_json())
    lines = [
        Metric(step, {"loss": 1 / step, "accuracy": 0.5, "gradient_norm": 1.5, "learning_rate": 1e-3})
        for step in range(10, 100, 10)
    ]
    lines.append(Metric(100, {"validation_accuracy": 0.75, "validation_interval95": 0.01}))
    write(folder / "metrics.jsonl", "".join(f"{line.to_line()}\n" for line in lines))


def study(folder: Path) -> None:
    """A folder of a study, its cells apart."""
    places = [{"timing": "0"}, {"timing": "1"}]
    figures = tuple(
        StudyFigure(place, method, 0.7, 0.01, (0.69, 0.71), 0.02, 100, 5, 1, 1, 0.4, 0.01, 0.2, ("cell",))
        for place in places
        for method in _METHODS
    )
    difference = StudyDifference(
        places[0], "method", "", "a2m2_net", "diagonal", 0.1, 0.01, (0.1, 0.1), 0.0, 0.01, 0.02
    )
    axes: dict[str, tuple[str, ...]] = {"timing": ("0", "1"), "seed": ("0", "1")}
    record = StudyRecord(
        "a study", axes, "seed", "diagonal", _METHODS, figures, (difference,), {"axes": {}}, ()
    )
    write(folder / "study.json", record.to_json())


def answers(folder: Path) -> None:
    """A folder of explained answers."""
    ranked = (ScoredClass("wave", 9.5, 0.9), ScoredClass(3, 4.5, 0.1))
    record = RecognitionRecord(
        ("3", "wave"),
        4,
        True,
        (Recognition("a.mp4", "wave", ranked), Recognition("b.mp4", "unknown", ranked)),
    )
    write(folder / "recognition.json", record.to_json())
    write(folder / "evidence" / "000.json", evidence().to_json())


def lists(folder: Path) -> None:
    """Lists in every format that is published."""
    write(folder / "classed" / "train.txt", "".join(f"jump/clip {k}.avi\n" for k in range(8)))
    write(folder / "indexed" / "train.list", "".join(f"train{k % 3}/{78687 + k}\n" for k in range(8)))
    write(
        folder / "pathed" / "train.txt", "".join(f"train{k % 2}//videos/A{k % 2}/{k}.avi\n" for k in range(8))
    )
    write(folder / "counted" / "val.txt", "".join(f"video{k} {100 + k} {k % 4}\n" for k in range(8)))
    rows = "".join(f"jump,id{k},{k},{k + 10},test\n" for k in range(8))
    write(folder / "table" / "test.csv", f"label,youtube_id,time_start,time_end,split\n{rows}")


def manifest(folder: Path) -> None:
    """A manifest with the files that it names."""
    rows = ["path,class,split,source,digest"]
    for k in range(6):
        write(folder / "clips" / f"{k}.mp4", f"clip {k}")
        rows.append(f'clips/{k}.mp4,"class {k % 2}",{("train", "test")[k % 2]},somewhere,{k:032x}')
    write(folder / "manifest.csv", "\n".join(rows) + "\n")


def annotation(folder: Path) -> None:
    """Ground truth beside a clip."""
    spans = [{"name": f"part {k}", "start_seconds": k, "end_seconds": k + 0.5} for k in range(3)]
    write(folder / "clip.json", json.dumps({"spans": spans, "fps": 16.0}))


def digests(folder: Path) -> None:
    """What is remembered of videos."""
    lines = [json.dumps([f"/videos/{k}.mp4", f"{k} {k}", f"{k:032x}"]) for k in range(6)]
    write(folder / "digests.jsonl", "".join(f"\n{line}" for line in lines))


def settings(folder: Path) -> None:
    """Configurations of an evaluation and of a training."""
    evaluation = EvaluateSettings(data="clips", methods=tuple(_METHODS)).model_dump(mode="json")
    write(folder / "evaluate.yaml", yaml.safe_dump(evaluation, sort_keys=False))
    write(folder / "train.yaml", shipped()["synth-small"].read_text(encoding="utf-8"))


GRID = """\
title: Alignment under misalignment
clips:
  base: {stratum: sets, timing: 1, order: 1, splits: [train, val]}
  test: {stratum: sets, timing: "{timing}", order: 1, splits: [test], clips_per_class: 30}
train:
  config: synth-small
  stages: [pretrain, meta]
  data: "{clips.base}"
  seed: "{seed}"
evaluate:
  data: "{clips.test}"
  methods: [a2m2_net, diagonal]
axes:
  timing: [0, 1]
  order: {first: {m2.order: first}, second: {m2.order: second}}
  protocol.shot: [1, 5]
  seed: [0, 1]
repeat: seed
leave_out: [{timing: 0, seed: 1}]
"""


def grid(folder: Path) -> None:
    """A grid with every kind of axis."""
    write(folder / "grid.yaml", GRID)
