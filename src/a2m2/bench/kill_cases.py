"""The commands that :mod:`a2m2.bench.kills` kills: their starts, their arguments, and who reads what they left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from a2m2.bench.fake_benchmark import moving_square
from a2m2.bench.killing import Work
from a2m2.eval.stats import read_summary
from a2m2.records import read_episodes, read_evidence, read_run
from a2m2.train.keeper import SafeCheckpointIO
from a2m2.train_records import is_training, read_metrics, read_training
from a2m2.video import write_clip
from a2m2.weights import network_file, read_network

SPLITS = {"train": ("circle", "wave", "kick"), "val": ("jump", "turn"), "test": ("nod", "push", "sit")}
_CLIPS = 3
_SEE = ("--backbone", "motion-filters")
_SMALL_VIDEO = ("--set", "video.num_frames=4", "--set", "video.resize=32", "--set", "video.crop=32")
_TRAIN = {
    "video.num_frames": "4",
    "video.resize": "32",
    "video.crop": "32",
    "backbone.source": "small-cnn",
    "m2.stages": "[last]",
    "m2.reduction": "conv",
    "m2.components": "4",
    "m2.hidden": "6",
    "m2.scales": "[[1, 1], [2, 2]]",
    "pretrain.steps": "12",
    "pretrain.batch": "4",
    "pretrain.freeze_batch_norm": "false",
    "meta.steps": "12",
    "meta.episodes_per_step": "2",
    "meta.way": "2",
    "meta.query": "1",
    "validation.every": "4",
    "validation.episodes": "20",
    "validation.way": "2",
    "clips_in_memory": "true",
    "loader_workers": "0",
    "checkpoint_every": "3",
    "log_every": "1",
}


@dataclass(frozen=True)
class Place:
    """Where a run reads and writes.

    Attributes:
        inputs: clips and lists; nothing is written there.
        work: everything that a run writes: ``out`` and ``cache``.
    """

    inputs: Path
    work: Path

    @property
    def out(self) -> Path:
        """What a user asks for."""
        return self.work / "out"

    @property
    def cache(self) -> Path:
        """What is kept for later runs."""
        return self.work / "cache"


@dataclass(frozen=True)
class Case:
    """One command that writes.

    Attributes:
        name: of its row.
        work: what is run.
        read: reads everything in ``out`` that is there, raising if something is half-written.
        again: what is run after a kill; None for the same.
        before: run once; what it leaves is there when each run starts.
        pieces: patterns of files that are never made again once they are there.
        must_stay: whether ``out`` is never missing, because it was there before.
        share: how often it is killed, relative to the others.
    """

    name: str
    work: Callable[[Place], Work]
    read: Callable[[Place], None]
    again: Callable[[Place], Work] | None = None
    before: Callable[[Place], Work] | None = None
    pieces: tuple[str, ...] = ()
    must_stay: bool = False
    share: float = 1.0


def write_inputs(folder: Path) -> None:
    """Tiny clips of a moving square in ``folder/clips/SPLIT/CLASS``."""
    for split, classes in SPLITS.items():
        for class_name in classes:
            for index in range(_CLIPS):
                path = folder / "clips" / split / class_name / f"{index:02d}.mp4"
                write_clip(path, moving_square(class_name, f"{index}"))


def all_cases() -> Mapping[str, Case]:
    """Every case by its name."""
    cases = [*_evaluations(), *_trainings()]
    return {case.name: case for case in cases}


def _evaluations() -> Iterator[Case]:
    def evaluate(place: Place, *more: str) -> list[str]:
        data = place.inputs / "clips"
        return [
            *("evaluate", "--data", str(data), "--split", "test", "--out", str(place.out)),
            *(
                "--cache",
                str(place.cache),
                *_SEE,
                *_SMALL_VIDEO,
                "--method",
                "a2m2_net",
                "--method",
                "protonet",
            ),
            *(
                "--set",
                "m2.components=4",
                "--way",
                "2",
                "--episodes",
                "40",
                "--pictures",
                "2",
                "--threads",
                "2",
                *more,
            ),
        ]

    features = ("cache/features/*/*/*/*.safetensors",)
    yield Case("evaluate", evaluate, _read_results, pieces=features, share=1.5)
    yield Case(
        "evaluate, over another",
        lambda place: evaluate(place, "--seed", "1"),
        _read_results,
        before=evaluate,
        pieces=features,
        must_stay=True,
    )


def _read_results(place: Place) -> None:
    if place.out.is_dir() and visible(place.out):
        read_run(place.out)
        read_summary(place.out)
        if not list(read_episodes(place.out)) or not read_evidence(place.out):
            raise ValueError(f"{place.out} holds no episodes or no pictures")
        json.loads((place.out / "timings.json").read_text(encoding="utf-8"))


def _trainings() -> Iterator[Case]:
    def train(place: Place, name: str, *more: str) -> list[str]:
        sets = [word for key, value in _TRAIN.items() for word in ("--set", f"{key}={value}")]
        return [
            *(
                name,
                "--data",
                str(place.inputs / "clips"),
                "--out",
                str(place.out),
                "--cache",
                str(place.cache),
            ),
            *("--threads", "1", "--device", "cpu", *sets, *more),
        ]

    for name in ("pretrain", "train"):
        yield Case(
            name,
            lambda place, name=name: train(place, name),  # type: ignore[misc]
            _read_training,
            again=lambda place, name=name: train(place, name, "--resume"),  # type: ignore[misc]
            share=1.5,
        )


def _read_training(place: Place) -> None:
    out = place.out
    if not is_training(out):
        return
    record = read_training(out)
    list(read_metrics(out))
    if record.best is not None and read_network(network_file(out)).provenance["step"] < record.best.step:
        raise ValueError(f"{out} records a best step whose weights are not there")
    if (out / "last.ckpt").is_file():
        SafeCheckpointIO().load_checkpoint(out / "last.ckpt")


def visible(folder: Path) -> list[Path]:
    """What a user sees in a folder."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
