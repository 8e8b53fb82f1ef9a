"""How a batch is shared out among threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from a2m2.ot.threads import ENTRIES_PER_THREAD, in_parts


def _ranges(batch: int, entries: int, num_threads: int | None) -> tuple[list[tuple[int, int]], int]:
    threads = set()

    def solver() -> Callable[[int, int], tuple[int, int]]:
        threads.add(threading.get_ident())
        return lambda first, last: (first, last)

    return in_parts(solver, batch, entries, num_threads), len(threads)


@pytest.mark.parametrize("batch", [0, 1, 7, 1000])
def test_small_batches_stay_in_one_part(batch: int) -> None:
    assert _ranges(batch, 2 * ENTRIES_PER_THREAD - 1, 4) == ([(0, batch)], 1)
    assert _ranges(batch, 100 * ENTRIES_PER_THREAD, 1) == ([(0, batch)], 1)


@pytest.mark.parametrize(("batch", "num_parts"), [(2, 2), (9, 9), (1000, 12)])
def test_parts_are_contiguous_and_in_order(batch: int, num_parts: int) -> None:
    ranges, threads = _ranges(batch, 100 * ENTRIES_PER_THREAD, 3)
    assert len(ranges) == num_parts
    assert [first for first, _ in ranges] == [0, *(last for _, last in ranges[:-1])]
    assert ranges[-1][1] == batch
    assert 1 <= threads <= 3


def test_a_failure_in_any_thread_is_raised() -> None:
    main = threading.get_ident()
    other_began = threading.Event()

    def solver() -> Callable[[int, int], int]:
        if threading.get_ident() != main:
            other_began.set()
            raise MemoryError("no workspace")
        assert other_began.wait(60)
        return lambda first, last: first

    with pytest.raises(MemoryError, match="no workspace"):
        in_parts(solver, 10, 100 * ENTRIES_PER_THREAD, 2)
