"""Long work, off the event loop: one job a session, a few over all sessions, each with its progress."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Literal, TypeVar

from a2m2.errors import A2M2Error
from a2m2.progress import Progress

Kind = Literal["enrol", "recognise", "search"]
Result = TypeVar("Result")


class JobCancelled(A2M2Error):
    """The session of a job was closed."""


@dataclass
class Job:
    """Where a piece of work stands; written by its thread, read by the event loop.

    Attributes:
        kind: what it is.
        subject: the clip it is about; empty for all of them.
        step: what is being done; empty while it waits for its turn.
        done, total: how far that is.
        cancelled: whether it is to stop at the next step.
    """

    kind: Kind
    subject: str = ""
    step: str = ""
    done: int = 0
    total: int = 0
    cancelled: bool = field(default=False, repr=False)

    def report(self, step: str, done: int, total: int) -> None:
        """A :data:`~a2m2.progress.Progress`.

        Raises:
            JobCancelled: nobody waits for the result.
        """
        if self.cancelled:
            raise JobCancelled("the session was closed")
        self.step, self.done, self.total = step, done, total


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What came of a job: a value, or what was raised."""

    value: Result | None
    error: BaseException | None


class JobPool:
    """Threads for long work.

    Args:
        num_jobs: at the same time; more wait for their turn.
    """

    def __init__(self, num_jobs: int) -> None:
        self._pool = ThreadPoolExecutor(num_jobs, thread_name_prefix="a2m2-job")

    async def run(self, job: Job, work: Callable[[Progress], Result]) -> Outcome[Result]:
        """``work`` in a thread. Whatever it raises is part of the outcome: a job that crashes takes nothing with it."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, partial(_begin, job, work))
        await asyncio.wait([future])
        error = future.exception()
        return Outcome(None if error else future.result(), error)

    def close(self) -> None:
        """Drop what waits, wait for what runs."""
        self._pool.shutdown(cancel_futures=True)


def _begin(job: Job, work: Callable[[Progress], Result]) -> Result:
    job.report("starting", 0, 0)
    return work(job.report)
