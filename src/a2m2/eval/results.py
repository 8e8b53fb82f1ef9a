"""The results folder: it appears whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from a2m2.checks import exchange, output_folder, sync, write_failure
from a2m2.eval.stats import Summary
from a2m2.locks import Lock, lock_hidden, try_lock
from a2m2.records import EpisodeRecord, RunRecord

MARKER = "run.json"
"""The file that makes a folder a results folder."""

_PATIENCE = 2.0


@contextlib.contextmanager
def results_folder(out: Path, *, marker: str = MARKER) -> Iterator[Path]:
    """A temporary folder to write results into; it takes the place of ``out`` when the block ends well.

    An earlier results folder at ``out``, one with a file named ``marker``, is replaced; anything else there is refused.
    When the block fails, is interrupted or killed, ``out`` is left as it was. What a killed process left hidden beside
    ``out`` is used again by the next.

    Raises:
        OutputError: ``out`` is a file, holds foreign files, or cannot be written.
    """
    existed = out.exists()
    out = output_folder(out, marker=marker).resolve()
    hidden: Path | None = None
    lock = Lock(None)
    try:
        _mend(out)
        hidden, lock = lock_hidden(
            out.parent, lambda mark: f".{out.name}.new-{mark}", partial(Path.mkdir, exist_ok=True)
        )
        _empty(hidden)
        yield hidden
        for path in [*hidden.rglob("*"), hidden]:
            sync(path)
        _replace(hidden, out)
    except BaseException as error:
        if hidden is not None:
            shutil.rmtree(hidden, ignore_errors=True)
        if not existed:
            with contextlib.suppress(OSError):
                out.rmdir()
        if isinstance(error, OSError):
            raise write_failure(out, error) from error
        raise
    finally:
        lock.release()


def _replace(new: Path, out: Path) -> None:
    """Put ``new`` in the place of ``out`` and remove what was there."""
    # Locked, for it will have the name that others look for a free place under.
    end = time.monotonic() + _PATIENCE
    while (lock := try_lock(out)) is None and time.monotonic() < end:
        time.sleep(0.01)
    try:
        if exchange(new, out):
            shutil.rmtree(new)
        else:
            old = new.with_name(f"{new.name}.old")
            os.replace(out, old)
            os.replace(new, out)
            shutil.rmtree(old)
        sync(out.parent)
    finally:
        if lock is not None:
            lock.release()


def _mend(out: Path) -> None:
    """Where folders cannot be exchanged at once: put back what was there before a kill between the two steps."""
    for old in out.parent.glob(f".{out.name}.new-*.old"):
        if any(out.iterdir()):
            shutil.rmtree(old)
        else:
            out.rmdir()
            os.replace(old, out)


def _empty(folder: Path) -> None:
    """Remove what a killed process left in ``folder``."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextlib.contextmanager
def record_lines(folder: Path) -> Iterator[Callable[[EpisodeRecord], None]]:
    """A function that writes the next record into ``episodes.jsonl``, so that no record has to be kept."""
    with (folder / "episodes.jsonl").open("w", encoding="utf-8", newline="\n") as lines:
        yield lambda record: print(record.to_line(), file=lines)


def write_run(folder: Path, run: RunRecord, summary: Summary) -> None:
    """Write ``summary.json`` and ``run.json``."""
    (folder / "summary.json").write_text(f"{summary.to_json()}\n", encoding="utf-8", newline="\n")
    (folder / MARKER).write_text(f"{run.to_json()}\n", encoding="utf-8", newline="\n")
