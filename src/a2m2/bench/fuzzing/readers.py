"""What is read: for every reader good files to begin with, how they are damaged, and the call that reads them."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from a2m2.bench.fuzzing import models, samples
from a2m2.bench.fuzzing.containers import (
    damage_checkpoint,
    damage_records,
    damage_safetensors,
    damage_video,
    unsealed,
)
from a2m2.bench.fuzzing.documents import damage_json, damage_json_lines, damage_table, damage_yaml
from a2m2.bench.fuzzing.raw import Mutator
from a2m2.config import load
from a2m2.data import DigestCache, load_dataset
from a2m2.data.annotations import read_annotation
from a2m2.data.lists import read_lists
from a2m2.data.store import FeatureStore
from a2m2.eval.stats import compare_runs, read_summary, verified_accuracies
from a2m2.library.catalogue import read_catalogue
from a2m2.library.checked_files import write_checked
from a2m2.library.eyes import read_eyes
from a2m2.library.first_pass import open_first_pass
from a2m2.library.shards import map_shard
from a2m2.nn.sources import load_model
from a2m2.recognition_records import read_recognition
from a2m2.recognize.file import load_enrolled
from a2m2.records import read_evidence, read_run
from a2m2.settings import EvaluateSettings
from a2m2.studies.grid import read_cells
from a2m2.study_records import read_study
from a2m2.synth import SynthConfig
from a2m2.train.classifier import load_classifier
from a2m2.train.folder import HEAD, TrainingFolder
from a2m2.train.keeper import SafeCheckpointIO
from a2m2.train_records import read_metrics, read_training
from a2m2.train_settings import TrainSettings
from a2m2.video import probe, read_clip
from a2m2.weights import load_network


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        name: for tables and findings.
        prepare: writes good files into a folder.
        files: those of them that are damaged, one an input.
        damage: makes an input of a good file.
        read: reads the files in a folder; the damaged one is named.
        share: how many inputs it gets, relative to the others.
        seconds: longest CPU time for one input; on the clock, beside other work, it may take ten times as long.
    """

    name: str
    prepare: Callable[[Path], None]
    files: tuple[str, ...]
    damage: Mutator
    read: Callable[[Path, str], object]
    share: float = 1.0
    seconds: float = 20.0


@dataclass(frozen=True)
class Input:
    """One damaged file: which one, and what is in it."""

    file: str
    content: bytes


def make_input(reader: Reader, good: dict[str, bytes], seed: int, index: int) -> Input:
    """Input number ``index``: a pure function of the reader, its good files, the seed and the index."""
    dice = random.Random(f"{reader.name} {seed} {index}")
    file = dice.choice(reader.files)
    return Input(file, reader.damage(good[file], dice))


def good_files(reader: Reader, folder: Path) -> dict[str, bytes]:
    """Write the good files of a reader and return those that are damaged."""
    reader.prepare(folder)
    return {file: (folder / file).read_bytes() for file in reader.files}


def _results(folder: Path, file: str) -> None:
    if file.startswith("evidence"):
        read_evidence(folder)
    elif file == "summary.json":
        read_summary(folder)
    else:
        verified_accuracies(folder, read_run(folder))
        compare_runs(folder, folder)


def _training(folder: Path, file: str) -> None:
    if file == "train.json":
        read_training(folder)
    else:
        list(read_metrics(folder))
        TrainingFolder(folder).cut(5)


def _answers(folder: Path, file: str) -> None:
    if file == "recognition.json":
        read_recognition(folder)
    else:
        read_evidence(folder)


def _settings(folder: Path, file: str) -> None:
    cls = EvaluateSettings if file == "evaluate.yaml" else TrainSettings
    load(cls, folder / file, data="clips")


def _digests(folder: Path, file: str) -> None:
    cache = DigestCache(folder)
    cache.digests([folder / file], num_threads=1)


TEXT: tuple[Reader, ...] = (
    Reader(
        "lists",
        samples.lists,
        ("classed/train.txt", "indexed/train.list", "pathed/train.txt", "counted/val.txt", "table/test.csv"),
        damage_table,
        lambda folder, file: read_lists(folder / file),
        share=2,
    ),
    Reader(
        "manifest",
        samples.manifest,
        ("manifest.csv",),
        damage_table,
        lambda folder, file: load_dataset(folder / file),
    ),
    Reader("settings", samples.settings, ("evaluate.yaml", "train.yaml"), damage_yaml, _settings),
    Reader(
        "synth settings",
        lambda folder: samples.write(folder / "synth.yaml", "stratum: sets\ntiming: 0.5\nsplits: [train]\n"),
        ("synth.yaml",),
        damage_yaml,
        lambda folder, file: load(SynthConfig, folder / file),
        share=0.5,
    ),
    Reader(
        "grid",
        samples.grid,
        ("grid.yaml",),
        damage_yaml,
        lambda folder, file: read_cells(folder / file, folder),
        share=0.5,
    ),
    Reader(
        "results",
        samples.results,
        ("run.json", "episodes.jsonl", "summary.json", "evidence/000.json"),
        lambda data, dice: (damage_json_lines if data.startswith(b'{"i"') else damage_json)(data, dice),
        _results,
        share=2,
    ),
    Reader(
        "training records",
        samples.training,
        ("train.json", "metrics.jsonl"),
        lambda data, dice: (damage_json_lines if data.startswith(b'{"step"') else damage_json)(data, dice),
        _training,
    ),
    Reader(
        "study records", samples.study, ("study.json",), damage_json, lambda folder, _: read_study(folder)
    ),
    Reader("answers", samples.answers, ("recognition.json", "evidence/000.json"), damage_json, _answers),
    Reader(
        "annotation",
        samples.annotation,
        ("clip.json",),
        damage_json,
        lambda folder, file: read_annotation(folder / file),
    ),
    Reader("digests", samples.digests, ("digests.jsonl",), damage_json_lines, _digests, share=0.5),
)


def _recognizer(folder: Path, file: str) -> None:
    enrolled = load_enrolled(folder / file)
    assert len(enrolled.labels) == len(enrolled.supports)


def _catalogue(folder: Path, file: str) -> None:
    catalogue = read_catalogue(folder)
    for row in catalogue.contents[:10].tolist():
        catalogue.place_of(row)
        catalogue.names_of(row)


def _first_pass(folder: Path, file: str) -> None:
    # Sealed anew: what the checksums in the names alone would notice needs no reader.
    sealed = folder / "sealed"
    try:
        names = [
            write_checked(sealed, stem, suffix, (folder / stem).read_bytes()).name
            for stem, suffix in models.FIRST_PASS.items()
        ]
        first_pass = open_first_pass(sealed, tuple(names), np.arange(models.NUM_CONTENTS))
        first_pass.nearest(models.descriptors(2), 3, order_prior=0.1)
    finally:
        shutil.rmtree(sealed, ignore_errors=True)


def _shard(folder: Path, file: str) -> None:
    shard = map_shard(folder / file)
    if len(shard):
        shard.check([0])
        shard.values([0])


def _feature(folder: Path, file: str) -> None:
    store = FeatureStore(folder)
    store.contains(*models.FEATURE)
    store.get(*models.FEATURE)


def _video(folder: Path, file: str) -> None:
    probe(folder / file)
    read_clip(folder / file, num_frames=4)


TENSORS: tuple[Reader, ...] = (
    Reader(
        "network",
        models.network,
        ("weights.safetensors",),
        damage_safetensors(unsealed),
        lambda folder, file: load_network(folder / file),
        share=0.5,
    ),
    Reader(
        "recogniser",
        models.recognizers,
        ("frozen.a2m2", "trained.a2m2"),
        damage_safetensors(models.header_seal),
        _recognizer,
        share=0.5,
    ),
    Reader(
        "library's encoder",
        models.library,
        ("library.safetensors",),
        damage_safetensors(models.header_seal),
        lambda folder, _: read_eyes(folder),
        share=0.3,
    ),
    Reader(
        "catalogue",
        models.library,
        ("catalogue.safetensors",),
        damage_safetensors(models.header_seal),
        _catalogue,
        share=0.5,
    ),
    Reader("shard", models.library, ("shard.safetensors",), damage_safetensors(unsealed), _shard, share=0.5),
    Reader(
        "first pass",
        models.first_pass,
        tuple(models.FIRST_PASS),
        damage_records(models.NUM_CONTENTS),
        _first_pass,
        share=0.5,
    ),
    Reader(
        "classifier",
        models.head,
        (HEAD,),
        damage_safetensors(unsealed),
        lambda folder, file: load_classifier(models.classifier(), folder / file),
        share=0.5,
    ),
    Reader(
        "feature",
        models.features,
        (models.feature_file(),),
        damage_safetensors(models.feature_seal),
        _feature,
        share=0.5,
    ),
    Reader(
        "checkpoint",
        models.checkpoint,
        ("last.ckpt",),
        damage_checkpoint,
        lambda folder, file: SafeCheckpointIO().load_checkpoint(folder / file),
        share=0.5,
    ),
    Reader(
        "backbone",
        models.backbones,
        (
            "config.json",
            "model.safetensors",
            "preprocessor_config.json",
            "sharded/config.json",
            "sharded/model.safetensors.index.json",
        ),
        lambda data, dice: (damage_json if data.startswith(b"{") else damage_safetensors(unsealed))(
            data, dice
        ),
        lambda folder, file: load_model(str((folder / file).parent), random_seed=0),
        share=0.1,
    ),
    Reader("video", models.video, ("clip.mp4",), damage_video, _video, share=0.2, seconds=60),
)


def all_readers() -> tuple[Reader, ...]:
    """Every reader, in the order of tables."""
    return (*TEXT, *TENSORS)


def chosen(names: Sequence[str]) -> tuple[Reader, ...]:
    """The readers of these names, all of them for none.

    Raises:
        LookupError: there is no such reader.
    """
    known = {reader.name: reader for reader in all_readers()}
    for name in names:
        if name not in known:
            raise LookupError(f"no reader {name!r}; known are {', '.join(known)}")
    return tuple(known[name] for name in names) if names else tuple(known.values())
