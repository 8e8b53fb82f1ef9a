"""Work shared out to threads."""

from __future__ import annotations

import threading

from a2m2.eval.threads import map_in_threads


def test_what_is_dropped_half_way_may_end_in_a_thread_of_its_own():
    """As when it is collected as garbage while one of them runs."""
    go_on, ended = threading.Event(), threading.Event()

    def work(task: int) -> int:
        if task == 2:
            assert go_on.wait(10)
            results.close()
            ended.set()
        return task

    results = map_in_threads(work, range(9), num_threads=1)
    assert next(results) == 0
    go_on.set()
    assert ended.wait(10)
    assert list(results) == []
