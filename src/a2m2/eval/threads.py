"""Threads share out clips and episodes, never the arithmetic inside one: any number of them gives the same numbers."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Task = TypeVar("Task")
Result = TypeVar("Result")


def map_in_threads(
    function: Callable[[Task], Result], tasks: Iterable[Task], *, num_threads: int
) -> Iterator[Result]:
    """``function`` of each task in order, ``num_threads`` at a time, one thread inside each tensor operation.

    A few tasks are begun ahead of what was taken. When the caller stops early, those not begun are dropped.
    """
    pool = ThreadPoolExecutor(num_threads)
    pending: deque[Future[Result]] = deque()
    with _one_thread_an_operation():
        try:
            for task in tasks:
                pending.append(pool.submit(function, task))
                if len(pending) > 2 * num_threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
            # Dropped half-way, this may be collected in one of its own threads, which cannot wait for itself.
            with contextlib.suppress(RuntimeError):
                pool.shutdown()


@contextlib.contextmanager
def _one_thread_an_operation() -> Iterator[None]:
    """The number that was set before is restored at the end; threads made inside take the new one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
