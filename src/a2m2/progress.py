"""Progress on stderr: a bar with the time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

Progress = Callable[[str, int, int], None]

_SECONDS_BETWEEN_LINES = 5.0


@contextlib.contextmanager
def show_progress() -> Iterator[Progress]:
    """A callback ``(what, done, total)`` that shows how far a long step has come."""
    if sys.stderr.isatty():
        with _bars() as update:
            yield update
    else:
        yield _Lines()


@contextlib.contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<18}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks = {}

        def update(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)
            if done >= total:
                # The next step of the same name (a second run, say) gets a bar of its own.
                del tasks[what]

        yield update


class _Lines:
    """A line when a step starts, every few seconds, and when it ends."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}
        self._shown: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        started = self._started.setdefault(what, now)
        if done < total and now - self._shown.get(what, started) < _SECONDS_BETWEEN_LINES:
            return
        self._shown[what] = now
        seconds = now - started
        if done >= total:
            note = f"done in {seconds:.0f} s"
            del self._started[what], self._shown[what]
        else:
            note = f"{seconds / max(done, 1) * (total - done):.0f} s left"
        print(f"{what}: {done}/{total}, {note}", file=sys.stderr, flush=True)
