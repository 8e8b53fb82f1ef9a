"""Several trainings side by side, one thread each: on two cores that is faster than two threads in one training."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path

from a2m2.errors import A2M2Error, ConfigError, TrainingError
from a2m2.train.clips import Progress
from a2m2.train.train import train
from a2m2.train_records import TrainRecord
from a2m2.train_settings import Stage, TrainSettings
from a2m2.workers import begin_worker

_SECONDS_BETWEEN_LOOKS = 0.5

Message = tuple[str, str, int, int]


@dataclass(frozen=True)
class TrainJob:
    """One training among several.

    Attributes:
        name: for progress; each once.
        settings, stage: what to train.
        out: its folder; an unfinished training in it is resumed, a finished one kept.
        start: folder whose weights it starts from; None starts from the backbone's own. When that is the folder of
            another job, the job waits for it.
        num_threads: threads of its tensor operations.
    """

    name: str
    settings: TrainSettings
    stage: Stage
    out: Path
    start: Path | None = None
    num_threads: int = 1


def run_jobs(
    jobs: Sequence[TrainJob],
    *,
    num_workers: int = 2,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, TrainRecord]:
    """Run all jobs; each starts as soon as the one it starts from is done and a worker is free.

    What was trained already is kept, so a call that was interrupted goes on where it stopped. Scripts that call this
    need the usual ``if __name__ == "__main__":`` guard (processes are spawned).

    Args:
        jobs: earlier ones first where several could start.
        num_workers: trainings at the same time.
        cache: as in :func:`a2m2.train.train.train`.
        progress: told about every job by its name.

    Returns:
        Name of each job to its record.

    Raises:
        TrainingError: the first job that failed, by name; the others are stopped, and what they checkpointed is kept.
        ConfigError: jobs that wait for each other.
    """
    folders = {job.out: job for job in jobs}
    waiting = list(jobs)
    running: dict[Future[TrainRecord], TrainJob] = {}
    records: dict[str, TrainRecord] = {}
    context = multiprocessing.get_context("spawn")
    messages: Queue[Message] = context.Queue()
    pool = ProcessPoolExecutor(num_workers, mp_context=context, initializer=_begin, initargs=(messages,))
    try:
        while waiting or running:
            for job in [job for job in waiting if _is_ready(job, folders, records)]:
                if len(running) >= num_workers:
                    break
                waiting.remove(job)
                running[pool.submit(_work, job, cache)] = job
            if not running:
                raise ConfigError(f"training {waiting[0].name} waits for one that waits for it")
            done, _ = wait(running, timeout=_SECONDS_BETWEEN_LOOKS, return_when=FIRST_COMPLETED)
            _tell(messages, progress)
            for future in done:
                job = running.pop(future)
                records[job.name] = _result(future, job)
        _tell(messages, progress)
    except BaseException:
        for process in list(pool._processes.values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        messages.close()
    return records


def _is_ready(job: TrainJob, folders: dict[Path, TrainJob], records: dict[str, TrainRecord]) -> bool:
    return job.start not in folders or folders[job.start].name in records


def _result(future: Future[TrainRecord], job: TrainJob) -> TrainRecord:
    try:
        return future.result()
    except A2M2Error as error:
        raise TrainingError(f"{job.name}: {error}") from error
    except BrokenProcessPool:
        raise TrainingError(
            f"{job.name}: a process of the trainings side by side was killed, perhaps for want of memory; run the same "
            "again to go on, with fewer at a time"
        ) from None


def _tell(messages: Queue[Message], progress: Progress | None) -> None:
    while True:
        try:
            name, what, done, total = messages.get_nowait()
        except queue.Empty:
            return
        if progress is not None:
            progress(f"{name}: {what}", done, total)


_messages: Queue[Message] | None = None


def _begin(messages: Queue[Message]) -> None:
    """In a worker: progress goes to the parent."""
    global _messages
    _messages = messages
    begin_worker()


def _work(job: TrainJob, cache: Path | None) -> TrainRecord:
    def progress(what: str, done: int, total: int) -> None:
        if _messages is not None:
            _messages.put((job.name, what, done, total))

    return train(
        job.settings,
        job.stage,
        job.out,
        start=job.start,
        resume=True,
        cache=cache,
        progress=progress,
        num_threads=job.num_threads,
        accelerator="cpu",
    )
