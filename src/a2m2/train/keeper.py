"""What happens after a step: measure, validate, keep the best weights, write a checkpoint."""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.io import TorchCheckpointIO

from a2m2.checks import atomic_path
from a2m2.errors import A2M2Error, TrainingError
from a2m2.ot import TransportError
from a2m2.reading import shorten, why
from a2m2.train.batches import Batch, BatchLoader
from a2m2.train.folder import HEAD, TrainingFolder
from a2m2.train.ranks import ALONE, Ranks
from a2m2.train.stages import StageModule
from a2m2.train.validation import Validator
from a2m2.train_records import BestStep, Metric, TrainRecord
from a2m2.weights import save_network, write_tensors

_PARTS = {"state_dict", "loops", "callbacks"}
_LONGEST_NAME = 200
"""Of a class that a checkpoint may name; torch takes the square of its length to refuse it."""
_DAMAGE = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    ArithmeticError,
    AssertionError,
    ImportError,
    NotImplementedError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
    pickle.UnpicklingError,
)
"""What torch.load raises for files that are damaged, foreign, or hold more than tensors and plain values."""


class SafeCheckpointIO(TorchCheckpointIO):
    """Checkpoints that appear whole or not at all, and that cannot run code when they are read.

    Args:
        ranks: the processes of the training: rank 0 reads for all, and the others need not see the folder.
    """

    def __init__(self, ranks: Ranks = ALONE) -> None:
        super().__init__()
        self.ranks = ranks

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write beside and rename.

        Raises:
            OutputError: the checkpoint cannot be written; the one before it is still there.
        """
        # Through memory: torch reports a full disk as a RuntimeError of its own, a file as an OSError.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with atomic_path(path) as temporary:
            temporary.write_bytes(content.getbuffer())

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read tensors and plain values; anything else is refused.

        Raises:
            TrainingError: damaged, or not a checkpoint.
        """
        return self.ranks.from_first(lambda: self._read(path))

    def _read(self, path: str | Path) -> dict[str, Any]:
        try:
            with warnings.catch_warnings():
                # What torch suspects of a foreign file is said by the error below.
                warnings.simplefilter("ignore")
                _check_packing(Path(path))
                checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            if not isinstance(checkpoint, dict) or not all(
                isinstance(checkpoint.get(part), dict) for part in _PARTS
            ):
                raise ValueError("it holds something else")
            _count_batches(checkpoint, self.ranks)
        except _DAMAGE as error:
            raise TrainingError(
                f"{path} cannot be read as a checkpoint ({why(error)}); remove it to start again, or go on from its "
                "weights.safetensors with --weights"
            ) from None
        return checkpoint


def _check_packing(path: Path) -> None:
    """Refuse archives that are not packed as ours are: what is inside takes the room that it takes in the file.

    Older formats of torch, which tell beforehand how much memory they want, are no archives.

    Raises:
        zipfile.BadZipFile: no archive.
        ValueError: something in it is compressed, or claims more bytes than the file has; a name of no class; a pickle
            that is damaged.
    """
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("it is compressed")
        if sum(entry.file_size for entry in entries) > size:
            raise ValueError("its parts claim more bytes than it has")
        for entry in entries:
            if entry.filename.endswith("/data.pkl"):
                _check_names(archive.read(entry))


def _check_names(content: bytes) -> None:
    for operation, argument, _ in pickletools.genops(content):
        if operation.name == "GLOBAL" and len(str(argument)) > _LONGEST_NAME:
            raise ValueError(f"it asks for {shorten(str(argument), 80)}")


def _count_batches(checkpoint: dict[str, Any], ranks: Ranks) -> None:
    """Make Lightning's count of batches that of one rank, however many there were when it was saved."""
    loop = checkpoint["loops"]["fit_loop"]
    done = loop["state_dict"]["combined_loader"][0]["done"] // ranks.size
    for counts in (loop["epoch_loop.batch_progress"][kind] for kind in ("total", "current")):
        behind = counts["ready"] - counts["completed"]
        counts.update(ready=done, started=done, processed=done, completed=done - behind)


class Board(Protocol):
    """A second place for metrics."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        """Take one figure."""


class Keeper(Callback):
    """Keeps a training folder up to date, always at the end of an optimiser step.

    Every rank has one; that of rank 0 writes and validates, and tells the others what came of it.

    Args:
        folder: of the training.
        record: what the folder holds now.
        loader: of the batches; told how many are done.
        validator: tests the network.
        progress: called as ``progress(what, done, total)``.
        what: name of the stage for it.
        complete: called when all steps were made, before the training counts as done.
        board: gets every metric too, such as TensorBoard's writer; None for no other place.
        ranks: the processes of the training.
    """

    def __init__(
        self,
        folder: TrainingFolder,
        record: TrainRecord,
        loader: BatchLoader,
        validator: Validator,
        *,
        progress: Callable[[str, int, int], None] | None,
        what: str,
        complete: Callable[[], None],
        board: Board | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.ranks = ranks
        self.folder = folder
        self.board = board
        self.record = record
        self.loader = loader
        self.validator = validator
        self.progress = progress
        self.what = what
        self.complete = complete
        self._num_lines = 0
        self._step = 0

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs: the number of lines of metrics that belong to it."""
        return {"num_lines": self._num_lines}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Cut off the metrics of steps that will be made again."""
        self._num_lines = state["num_lines"]
        if self.ranks.is_first:
            self.folder.cut(self._num_lines)

    def on_train_start(self, trainer: pl.Trainer, module: StageModule) -> None:  # type: ignore[override]
        self._step = trainer.global_step
        self._tell(self._step)

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: pl.Trainer, module: StageModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Count the batch; after the last one of a step do what is due."""
        self.loader.mark(int(batch["index"]))
        step = trainer.global_step
        if step == self._step:
            return
        self._step = step
        last, settings = step == self.record.steps, module.settings
        if step % settings.log_every == 0 or last:
            self._measure(step, module)
        if step % settings.validation.every == 0 or last:
            self.validate(step, module)
        if step % settings.checkpoint_every == 0 or last:
            trainer.save_checkpoint(self.folder.checkpoint)
        if last:
            self.finish(module)
        self._tell(step)

    def validate(self, step: int, module: StageModule) -> None:
        """Test on the validation episodes and keep the weights if they are the best so far.

        Raises:
            TrainingError: the network's descriptors or scores are not finite; the step is named.
        """
        self.record = self.ranks.from_first(lambda: self._validated(step, module))
        module.set_modes()

    def _validated(self, step: int, module: StageModule) -> TrainRecord:
        try:
            result = self.validator(module.network)
        except (A2M2Error, TransportError) as error:
            raise TrainingError(
                f"the network cannot be validated at step {step} ({error}); lower the learning rate in another "
                "folder; --weights takes over the best weights so far"
            ) from None
        values = {"validation_accuracy": result.accuracy, "validation_interval95": result.interval95}
        self._append(Metric(step, values))
        best = self.record.best
        if best is not None and (best.step >= step or result.accuracy <= best.accuracy):
            return self.record
        best = BestStep(step, result.accuracy, result.interval95, result.episodes)
        provenance = {
            "stage": self.record.stage,
            "dataset": self.record.dataset,
            "split": self.record.split,
            "step": step,
            "seed": module.settings.seed,
            "config_digest": self.record.config_digest,
            "data_digest": self.record.data_digest,
            "start": self.record.start,
            "versions": self.record.versions,
        }
        digest = save_network(self.folder.weights, module.network, module.settings.network(), provenance)
        if module.head is not None:
            write_tensors(self.folder.path / HEAD, module.head.state_dict())
        record = replace(self.record, best=best, weights_digest=digest)
        self.folder.write(record)
        return record

    def finish(self, module: StageModule) -> None:
        """Complete the folder and say that all steps were made."""
        self.record = self.ranks.from_first(self._finished)

    def _finished(self) -> TrainRecord:
        self.complete()
        record = replace(self.record, done=True)
        self.folder.write(record)
        return record

    def _measure(self, step: int, module: StageModule) -> None:
        figures = module.recent
        module.recent = []
        names = dict.fromkeys(name for batch in figures for name in batch)
        means = {}
        for name in names:
            values = [batch[name] for batch in figures if name in batch]
            means[name] = sum(values) / len(values)
        schedule = module.lr_schedulers()
        means["learning_rate"] = float(schedule.get_last_lr()[0])  # type: ignore[union-attr]
        self._append(Metric(step, means))

    def _append(self, metric: Metric) -> None:
        if not self.ranks.is_first:
            return
        self.folder.append(metric)
        self._num_lines += 1
        if self.board is not None:
            for name, value in metric.values.items():
                self.board.add_scalar(name, value, metric.step)

    def _tell(self, step: int) -> None:
        if self.progress is not None:
            self.progress(self.what, step, self.record.steps)
