"""A batch shared out among threads.

Plain threads over a kernel that releases the interpreter lock, and not Numba's parallel loops: Numba's portable
threading layer aborts the process when two Python threads enter it at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Outcome = TypeVar("Outcome")

ENTRIES_PER_THREAD = 40_000
"""Cost entries a thread must get to be worth its start: about a third of a millisecond of solving."""

PARTS_PER_THREAD = 4
"""Parts of a batch for each thread: problems differ, and a thread that is done early takes the next part."""


def in_parts(
    solver: Callable[[], Callable[[int, int], Outcome]], batch: int, entries: int, num_threads: int | None
) -> list[Outcome]:
    """Solve contiguous parts of a batch, in this thread and others; what comes of them, in their order.

    Args:
        solver: called once in every thread that takes part, gives the function that solves ``first … last-1`` there.
        batch: number of problems.
        entries: number of costs of all of them.
        num_threads: upper limit; None takes PyTorch's number of threads. Small batches use fewer.
    """
    enough = min(batch, entries // ENTRIES_PER_THREAD)
    if enough > 1:
        enough = min(enough, torch.get_num_threads() if num_threads is None else num_threads)
    if enough <= 1:
        return [solver()(0, batch)]
    num_parts = min(batch, enough * PARTS_PER_THREAD)
    edges = [batch * k // num_parts for k in range(num_parts + 1)]
    waiting = deque(range(num_parts))
    outcomes: dict[int, Outcome] = {}

    def work() -> None:
        solve_part = solver()
        while True:
            try:
                part = waiting.popleft()
            except IndexError:
                return
            outcomes[part] = solve_part(edges[part], edges[part + 1])

    with ThreadPoolExecutor(enough - 1) as pool:
        others = [pool.submit(work) for _ in range(enough - 1)]
        work()
        for other in others:
            other.result()
    return [outcomes[part] for part in range(num_parts)]
