"""One training by several processes of this machine, started and watched from here."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch.distributed as dist

from a2m2.errors import A2M2Error, ConfigError, RankLostError, TrainingError
from a2m2.train.clips import Progress
from a2m2.train.ranks import ranks_of
from a2m2.train.train import train
from a2m2.train_records import TrainRecord
from a2m2.train_settings import Stage, TrainSettings
from a2m2.workers import begin_worker

_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_FOR_LAST_WORDS = 5.0
_HERE = "127.0.0.1"
_TORCH_LEVEL = "TORCH_CPP_LOG_LEVEL"


def train_on_devices(
    devices: int,
    settings: TrainSettings,
    stage: Stage,
    out: Path,
    *,
    num_threads: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> TrainRecord:
    """As :func:`a2m2.train.train.train`, by ``devices`` processes of this machine, one a GPU where there are GPUs.

    Scripts that call this need the usual ``if __name__ == "__main__":`` guard (processes are spawned).

    Args:
        devices: number of processes; with one, training is done in this process.
        settings, stage, out, options: as there.
        num_threads: of tensor operations in each process; the cores are shared out when None.
        progress: told about every step by the process that writes.

    Raises:
        A2M2Error: as there; :class:`RankLostError` names a process that was killed. All have ended by then.
    """
    if devices == 1:
        return train(settings, stage, out, num_threads=num_threads, progress=progress, **options)
    if ranks_of(os.environ).size > 1:
        raise ConfigError(
            f"{devices} devices, but this process is already one of several; give the number to torchrun or srun alone"
        )
    if num_threads is None:
        num_threads = max(1, (os.cpu_count() or 1) // devices)
    # The store of torch's rendezvous lives here, so that no process has to find a free port.
    store = dist.TCPStore(_HERE, 0, is_master=True, wait_for_workers=False)
    place = {
        "MASTER_ADDR": _HERE,
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "WORLD_SIZE": str(devices),
        "LOCAL_WORLD_SIZE": str(devices),
        "OMP_NUM_THREADS": str(num_threads),
    }
    work = (settings, stage, out, {**options, "num_threads": num_threads})
    return _Watch(devices, place, work, progress).result()


class _Watch:
    """Processes of one training from their start to their common end."""

    def __init__(
        self, devices: int, place: dict[str, str], work: tuple[Any, ...], progress: Progress | None
    ) -> None:
        self.progress = progress
        self.processes: list[BaseProcess] = []
        self.lines: dict[Connection, int] = {}
        self.records: dict[int, TrainRecord] = {}
        self.failures: list[A2M2Error] = []
        context = multiprocessing.get_context("spawn")
        for rank in range(devices):
            ours, theirs = context.Pipe(duplex=False)
            environment = {**place, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            process = context.Process(target=_train_as_one, args=(environment, theirs, *work))
            with _quiet_reducer():
                process.start()
            theirs.close()
            self.processes.append(process)
            self.lines[ours] = rank

    def result(self) -> TrainRecord:
        """The record of rank 0, once all have ended.

        Raises:
            A2M2Error: the first failure that says more than that another process is gone.
        """
        try:
            while self.lines and not any(process.exitcode for process in self.processes):
                self._listen(_SECONDS_BETWEEN_LOOKS)
            if self.lines:
                self._hear_last_words()
            for process in self.processes:
                process.join(_SECONDS_FOR_LAST_WORDS)
            if len(self.records) < len(self.processes):
                raise self._failure()
            return self.records[0]
        finally:
            self._end()

    def _listen(self, seconds: float) -> None:
        for line in wait(list(self.lines), timeout=seconds):
            assert isinstance(line, Connection)
            try:
                self._take(self.lines[line], *line.recv())
            except (EOFError, OSError):
                del self.lines[line]

    def _take(self, rank: int, kind: str, content: Any) -> None:
        if kind == "progress" and self.progress is not None:
            self.progress(*content)
        if kind == "record":
            self.records[rank] = content
        if kind == "failure":
            self.failures.append(content)

    def _hear_last_words(self) -> None:
        """One process failed: the others notice by themselves, and one of them may know why."""
        until = time.monotonic() + _SECONDS_FOR_LAST_WORDS
        while self.lines and time.monotonic() < until:
            self._listen(_SECONDS_BETWEEN_LOOKS)

    def _failure(self) -> A2M2Error:
        for failure in self.failures:
            if not isinstance(failure, RankLostError):
                return failure
        for rank, process in enumerate(self.processes):
            if process.exitcode not in (0, 1, None):
                signal_number = -(process.exitcode or 0)
                how = f"was killed by signal {signal_number}" if signal_number > 0 else "ended by itself"
                return RankLostError(
                    f"process {rank} of {len(self.processes)} of this training {how}, perhaps for want of memory, and "
                    "so all ended; the same command with --resume goes on from the last checkpoint, with any number of "
                    "processes"
                )
        if self.failures:
            return self.failures[0]
        return TrainingError("a process of this training failed; what it printed says why")

    def _end(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join(_SECONDS_FOR_LAST_WORDS)
            if process.is_alive():
                process.kill()
                process.join()
        for line in self.lines:
            line.close()


@contextmanager
def _quiet_reducer() -> Iterator[None]:
    """A process started here does not hear that all parameters were used: which are depends on the backbone."""
    level = os.environ.get(_TORCH_LEVEL)
    os.environ.setdefault(_TORCH_LEVEL, "ERROR")
    try:
        yield
    finally:
        if level is None:
            del os.environ[_TORCH_LEVEL]


def _train_as_one(
    environment: dict[str, str],
    line: Connection,
    settings: TrainSettings,
    stage: Stage,
    out: Path,
    options: dict[str, Any],
) -> None:
    """In a process of its own: join the others, train, and say what came of it."""
    begin_worker()
    os.environ.update(environment)

    def progress(*what: Any) -> None:
        line.send(("progress", what))

    try:
        line.send(("record", train(settings, stage, out, progress=progress, **options)))
    except A2M2Error as error:
        line.send(("failure", _portable(error)))
        sys.exit(1)


def _portable(error: A2M2Error) -> A2M2Error:
    """``error`` as it can travel between processes."""
    try:
        pickle.loads(pickle.dumps(error))
    except TypeError:
        return TrainingError(str(error))
    return error
