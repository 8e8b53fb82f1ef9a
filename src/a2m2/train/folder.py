"""The folder of a training: what is written when, so that a kill at any moment loses no more than a few steps.

    config.yaml           the resolved configuration
    train.json            what fixes the training, and its best step
    metrics.jsonl         loss, accuracy, validation
    weights.safetensors   the network of the best validation; what 'a2m2 evaluate' reads
    head.safetensors      the classifier of the base classes (pre-training)
    last.ckpt             the state to resume from: weights, optimiser, position

Every file but ``metrics.jsonl`` appears whole or not at all; a checkpoint says how many of its lines belong to it,
and the rest is cut off when a training is resumed.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import yaml

from a2m2.checks import alone_in, output_folder, write_failure, write_text_atomic
from a2m2.errors import ConfigError, OutputError, RecordError
from a2m2.reading import read_text
from a2m2.train_records import METRICS, RECORD, Metric, TrainRecord, is_training, read_training
from a2m2.weights import FILE_NAME

HEAD = "head.safetensors"
CHECKPOINT = "last.ckpt"
CONFIG = "config.yaml"


class TrainingFolder:
    """Reads and writes the files of one training.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._alone = ExitStack()

    @property
    def weights(self) -> Path:
        """The network of the best validation."""
        return self.path / FILE_NAME

    @property
    def checkpoint(self) -> Path:
        """The state to resume from."""
        return self.path / CHECKPOINT

    def claim(self, record: TrainRecord, *, resume: bool) -> TrainRecord:
        """Make the folder, or find the same training in it; returns the record to go on with.

        Other processes are kept out until :meth:`leave`.

        Raises:
            OutputError: a file, foreign files, another process, or a training that was not asked to be resumed.
            ConfigError: a training with other settings.
        """
        output_folder(self.path, marker=RECORD)
        self._alone.enter_context(alone_in(self.path))
        try:
            return self._claimed(record, resume=resume)
        except BaseException:
            self.leave()
            raise

    def _claimed(self, record: TrainRecord, *, resume: bool) -> TrainRecord:
        if is_training(self.path):
            if not resume:
                raise OutputError(
                    f"{self.path} holds a training; go on with it by --resume, or give another folder"
                )
            old = read_training(self.path)
            _check_same(old, record, self.path)
            record = old
        else:
            # First, since without it the folder would not be known for ours after a kill.
            self.write(record)
        if not (self.path / CONFIG).is_file():
            write_text_atomic(self.path / CONFIG, yaml.safe_dump(record.config, sort_keys=False))
        return record

    def leave(self) -> None:
        """Let other processes in."""
        self._alone.close()

    def write(self, record: TrainRecord) -> None:
        """Write ``train.json``."""
        write_text_atomic(self.path / RECORD, f"{record.to_json()}\n")

    def append(self, metric: Metric) -> None:
        """Add one line of metrics, and wait until it is on the disk: a checkpoint counts on it.

        Raises:
            OutputError: it cannot be written; nothing of it is left.
        """
        path = self.path / METRICS
        before = path.stat().st_size if path.is_file() else 0
        try:
            with path.open("a", encoding="utf-8", newline="\n") as lines:
                lines.write(f"{metric.to_line()}\n")
                lines.flush()
                os.fsync(lines.fileno())
        except OSError as error:
            with suppress(OSError):
                os.truncate(path, before)
            raise write_failure(path, error) from error

    def cut(self, num_lines: int) -> None:
        """Keep the first ``num_lines`` lines of metrics: those that the checkpoint knows of."""
        path = self.path / METRICS
        lines = _lines(path) if path.is_file() else []
        write_text_atomic(path, "".join(f"{line}\n" for line in lines[:num_lines]))


def _lines(path: Path) -> list[str]:
    text = read_text(path, error=RecordError, cure="train again in another folder")
    return text.removesuffix("\n").split("\n") if text else []


def _check_same(old: TrainRecord, new: TrainRecord, path: Path) -> None:
    if (old.stage, old.config_digest) != (new.stage, new.config_digest):
        what = (
            _first_difference(old.config, new.config)
            if old.stage == new.stage
            else f"it is a {old.stage} stage"
        )
        raise ConfigError(
            f"{path} holds a training with other settings ({what}); resume with those in {path}/config.yaml, or "
            "give another folder"
        )
    if replace(old, best=None, done=False, weights_digest="", versions={}) != replace(
        new, best=None, done=False, weights_digest="", versions={}
    ):
        raise ConfigError(
            f"{path} holds a training on other clips or from other weights; give the same again, or another folder"
        )


def _first_difference(old: dict[str, object], new: dict[str, object], prefix: str = "") -> str:
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            return _first_difference(before, after, f"{prefix}{key}.")
        return f"{prefix}{key} was {before!r}, is {after!r}"
    return "in no single key"
