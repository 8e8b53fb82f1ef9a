"""The commands that :mod:`a2m2.bench.kills` kills: their starts, their arguments, and who reads what they left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from a2m2.bench.kill_inputs import EVALUATE, RENDER, TRAIN, sets
from a2m2.bench.killing import Work
from a2m2.data import load_dataset
from a2m2.eval.stats import read_summary
from a2m2.library import IndexSettings, index_collection, open_library
from a2m2.library.catalogue import FILE as CATALOGUE
from a2m2.library.shards import open_shard, shard_files
from a2m2.recognize import Recognizer
from a2m2.recognize.origin import check_origin
from a2m2.records import read_episodes, read_evidence, read_run
from a2m2.studies.grid import read_grid
from a2m2.study_records import is_study, read_study
from a2m2.train.keeper import SafeCheckpointIO
from a2m2.train_records import is_training, read_metrics, read_training
from a2m2.video import read_clip
from a2m2.weights import network_file, read_network

_SEE = ("--backbone", "motion-filters")
_SMALL_SIGHT = (*_SEE, "--frames", "4", "--size", "32")


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


def all_cases() -> Mapping[str, Case]:
    """Every case by its name."""
    cases = [
        *_evaluations(),
        *_trainings(),
        *_renderings(),
        *_libraries(),
        *_recognisers(),
        *_studies(),
        *_lists(),
    ]
    return {case.name: case for case in cases}


def _evaluations() -> Iterator[Case]:
    def evaluate(place: Place, *more: str) -> list[str]:
        paths = ("--data", str(place.inputs / "clips"), "--out", str(place.out), "--cache", str(place.cache))
        what = ("--split", "test", *_SEE, "--method", "a2m2_net", "--method", "protonet", "--pictures", "2")
        return ["evaluate", *paths, *what, *sets(EVALUATE), *more]

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
    if _read_evaluation(place.out) and not read_evidence(place.out):
        raise ValueError(f"{place.out} holds no pictures")


def _read_evaluation(out: Path) -> bool:
    """Whether there are results; all of them are read."""
    if not out.is_dir() or not visible(out):
        return False
    read_run(out)
    read_summary(out)
    if not list(read_episodes(out)):
        raise ValueError(f"{out} holds no episodes")
    json.loads((out / "timings.json").read_text(encoding="utf-8"))
    return True


def _trainings() -> Iterator[Case]:
    def train(place: Place, name: str, *more: str) -> list[str]:
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
            *("--threads", "1", "--device", "cpu", *sets(TRAIN), *more),
        ]

    for name in ("pretrain", "train"):
        yield Case(
            name,
            lambda place, name=name: train(place, name),  # type: ignore[misc]
            lambda place: _read_training(place.out),
            again=lambda place, name=name: train(place, name, "--resume"),  # type: ignore[misc]
            share=1.5,
        )


def _read_training(out: Path) -> None:
    if not is_training(out):
        return
    record = read_training(out)
    list(read_metrics(out))
    if record.best is not None and read_network(network_file(out)).provenance["step"] < record.best.step:
        raise ValueError(f"{out} records a best step whose weights are not there")
    if (out / "last.ckpt").is_file():
        SafeCheckpointIO().load_checkpoint(out / "last.ckpt")


def _renderings() -> Iterator[Case]:
    def synth(place: Place, *more: str) -> list[str]:
        return ["synth", str(place.out), *sets(RENDER), "--split", "val", "--clips", "1", *more]

    pieces = ("out/*/*/*.json",)
    yield Case("synth", lambda place: synth(place, "--threads", "1"), _read_clips, pieces=pieces)
    yield Case(
        "synth, two processes",
        lambda place: synth(place, "--threads", "2"),
        _read_clips,
        pieces=pieces,
        share=0.5,
    )


def _read_clips(place: Place) -> None:
    for path in place.out.glob("*/*/[0-9]*.mp4"):
        read_clip(path, num_frames=2)
    for path in place.out.glob("*/*/[0-9]*.json"):
        truth = json.loads(path.read_text(encoding="utf-8"))
        read_clip(path.with_suffix(".mp4"), num_frames=truth["num_frames"])
    if (place.out / "synth.json").is_file():
        json.loads((place.out / "synth.json").read_text(encoding="utf-8"))


def _libraries() -> Iterator[Case]:
    def index(place: Place, clips: str = "clips") -> list[str]:
        paths = ("--out", str(place.out), "--cache", str(place.cache))
        return [
            "index",
            str(place.inputs / clips),
            *paths,
            *_SMALL_SIGHT,
            "--fit-clips",
            "6",
            "--shard-size",
            "3",
        ]

    def with_sketches(place: Place) -> Work:
        """The command makes sketches for large collections only."""
        origin = check_origin(None, _SEE[1])
        settings = IndexSettings(origin=origin, num_frames=4, size=32, fit_clips=6, shard_size=3, smallest=5)
        clips = place.inputs / "clips"
        return lambda: _quietly_index(clips, place.out, settings, place.cache)

    shards = ("out/shards/*.safetensors",)
    yield Case("index", index, _read_library, pieces=shards)
    yield Case("index, with sketches", with_sketches, _read_library, pieces=shards)
    yield Case(
        "index, renewed",
        index,
        _read_library,
        before=lambda place: index(place, "clips/train"),
        pieces=shards,
        must_stay=True,
    )


def _quietly_index(clips: Path, out: Path, settings: IndexSettings, cache: Path) -> None:
    index_collection(clips, out, settings=settings, cache=cache, progress=lambda *_: None)


def _read_library(place: Place) -> None:
    for path in shard_files(place.out):
        open_shard(path)
    if (place.out / CATALOGUE).is_file():
        open_library(place.out)


def _recognisers() -> Iterator[Case]:
    def enrol(place: Place, split: str) -> list[str]:
        paths = ("--out", str(place.out), "--cache", str(place.cache))
        return ["enrol", str(place.inputs / "clips" / split), *paths, *_SMALL_SIGHT]

    yield Case("enrol", lambda place: enrol(place, "test"), _read_recogniser)
    yield Case(
        "enrol, over another",
        lambda place: enrol(place, "test"),
        _read_recogniser,
        before=lambda place: enrol(place, "train"),
        must_stay=True,
        share=0.5,
    )


def _read_recogniser(place: Place) -> None:
    if place.out.exists():
        Recognizer.load(place.out)


def _studies() -> Iterator[Case]:
    def ablate(place: Place, name: str, *more: str) -> list[str]:
        grid = str(place.inputs / name)
        return ["ablate", grid, "--out", str(place.out), "--cache", str(place.cache), *more]

    yield Case(
        "ablate",
        lambda place: ablate(place, "grid.yaml", "--workers", "1"),
        _read_study,
        pieces=("out/cells/[!.]*/run.json",),
    )
    yield Case(
        "ablate, with trainings",
        lambda place: ablate(place, "trained.yaml", "--workers", "2"),
        _read_study,
        share=0.2,
    )


def _read_study(place: Place) -> None:
    for cell in (place.out / "cells").glob("[!.]*"):
        _read_evaluation(cell)
    for training in (place.out / "trained").glob("[!.]*"):
        _read_training(training)
    if (place.out / "grid.yaml").is_file():
        read_grid(place.out / "grid.yaml")
    if is_study(place.out):
        read_study(place.out)


def _lists() -> Iterator[Case]:
    def data(place: Place, name: str, *more: str) -> list[str]:
        lists = ("--lists", str(place.inputs / "lists"), "--out", str(place.out / "made.csv"))
        return [
            "data",
            name,
            str(place.inputs / "clips"),
            *lists,
            "--cache",
            str(place.cache),
            "--workers",
            "2",
            *more,
        ]

    yield Case("data import", lambda place: data(place, "import"), _read_manifest, share=0.7)
    yield Case(
        "data check",
        lambda place: data(place, "check", "--decode", "--way", "2", "--shot", "1"),
        lambda place: None,
        share=0.5,
    )


def _read_manifest(place: Place) -> None:
    if (place.out / "made.csv").exists():
        load_dataset(place.out / "made.csv")


def visible(folder: Path) -> list[Path]:
    """What a user sees in a folder."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
