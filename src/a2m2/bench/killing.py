"""Runs of ``python -m a2m2`` in forked processes, and kills of them at a chosen moment.

The process that forks has imported everything already, so a run starts in hundredths of a second. Moments are times
since the start, or file operations: an audit hook in the forked process alone counts what it does below one folder.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

_OPERATIONS = frozenset({"os.mkdir", "os.rmdir", "os.remove", "os.rename", "os.truncate"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_PATIENCE = 400.0
"""Seconds for a run to end by itself; the first may have to compile the transport solver."""
_GRACE = 15.0
"""Seconds for helpers to end after their main process did."""
_SUBREAPER = 36

Work = list[str] | Callable[[], None]
"""Arguments of ``a2m2``, or a function."""


@dataclass(frozen=True)
class Kill:
    """When and how a run is killed.

    Attributes:
        signal: that is sent.
        seconds: after the start, or after the operation.
        operation: number of the file operation, from 1; None for a time alone.
        whole: to all processes of the run, or to its main one alone.
    """

    signal: int
    seconds: float
    operation: int | None = None
    whole: bool = True

    def __str__(self) -> str:
        whom = "all processes" if self.whole else "the main process"
        moment = "the start" if self.operation is None else f"operation {self.operation}"
        return f"{signal.Signals(self.signal).name} to {whom} {self.seconds:.4f} s after {moment}"


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        group: of its processes.
        status: exit status, or minus the signal.
        seconds: that it took.
        operations: file operations below the folder; 0 when it was killed.
        struck: whether it lived when the signal was sent.
        survivors: whether a helper outlived its main process.
        stuck: whether it had to be ended because it did not end by itself.
    """

    group: int
    status: int
    seconds: float
    operations: int
    struck: bool
    survivors: bool
    stuck: bool


def adopt_orphans() -> None:
    """Let this process inherit those whose parent was killed, so that none stays behind as a zombie."""
    ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)


class Running:
    """A run in a process group of its own.

    Args:
        work: what to run.
        folder: operations below it are counted; its parent is the current folder of the run.
        log: takes what it prints.
        kill: when to kill it; None lets it end.
    """

    def __init__(self, work: Work, *, folder: Path, log: Path, kill: Kill | None = None) -> None:
        self._kill = kill
        self._reader, writer = os.pipe()
        self._start = time.monotonic()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._reader)
            _become(work, folder, log, writer, kill)
        os.close(writer)
        self._handle = os.pidfd_open(self._pid)

    def end(self) -> Ended:
        """Kill it when it is time, and wait for its end."""
        try:
            struck = (
                self._kill is not None and self._await_moment(self._kill) and _send(self._pid, self._kill)
            )
            stuck = not self._ends()
            if stuck:
                _send(self._pid, Kill(signal.SIGKILL, 0))
                self._ends()
            _, status = os.waitpid(self._pid, 0)
            elapsed = time.monotonic() - self._start
            survivors = not _gone(self._pid, _GRACE)
            if survivors:
                _send(self._pid, Kill(signal.SIGKILL, 0))
                _gone(self._pid, _GRACE)
            code = os.waitstatus_to_exitcode(status)
            return Ended(self._pid, code, elapsed, _count(self._reader), struck, survivors, stuck)
        finally:
            os.close(self._handle)
            os.close(self._reader)

    def _await_moment(self, kill: Kill) -> bool:
        """Wait until the run shall be killed; False when it ended before."""
        if kill.operation is not None:
            ready, _, _ = select.select([self._handle, self._reader], [], [], _PATIENCE)
            if self._handle in ready or not os.read(self._reader, 1):
                return False
        return not select.select([self._handle], [], [], kill.seconds)[0]

    def _ends(self) -> bool:
        return bool(select.select([self._handle], [], [], _PATIENCE)[0])


def run(work: Work, *, folder: Path, log: Path, kill: Kill | None = None) -> Ended:
    """Run something to its end, or until it is killed; see :class:`Running`."""
    return Running(work, folder=folder, log=log, kill=kill).end()


def _send(pid: int, kill: Kill) -> bool:
    try:
        if kill.whole:
            os.killpg(pid, kill.signal)
        else:
            os.kill(pid, kill.signal)
    except ProcessLookupError:
        return False
    return True


def _gone(group: int, seconds: float) -> bool:
    """Whether all processes of a group ended in time; reaps those that this process inherited."""
    end = time.monotonic() + seconds
    while True:
        with suppress(ChildProcessError):
            while os.waitpid(-group, os.WNOHANG)[0]:
                pass
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.01)


def _count(reader: int) -> int:
    """What a run that ended by itself wrote into the pipe after the byte of the moment."""
    os.set_blocking(reader, False)
    try:
        text = os.read(reader, 64).decode()
    except BlockingIOError:
        return 0
    return int(text.rpartition("#")[2]) if "#" in text else 0


def _become(work: Work, folder: Path, log: Path, writer: int, kill: Kill | None) -> NoReturn:
    """In the forked process: run and end, never return."""
    status = 1
    try:
        os.setsid()
        os.chdir(folder.parent)
        place = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (place, 1), (place, 2)):
            os.dup2(source, target)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        counter = _Counter(folder, writer, kill.operation if kill is not None else None)
        sys.addaudithook(counter)
        status = _work(work)
        os.write(writer, f"#{counter.operations}".encode())
    finally:
        os._exit(status)


def _work(work: Work) -> int:
    """Exit status of the work, as Python itself would give it."""
    try:
        if callable(work):
            work()
        else:
            sys.argv = ["a2m2", *work]
            runpy.run_module("a2m2", run_name="__main__", alter_sys=True)
        return 0
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        return 130
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


class _Counter:
    """Audit hook that counts file operations below a folder, and tells when the one asked for is about to be done."""

    def __init__(self, folder: Path, writer: int, operation: int | None) -> None:
        self.folder = f"{folder}{os.sep}"
        self.writer = writer
        self.operation = operation
        self.operations = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._counts(event, arguments):
            return
        self.operations += 1
        if self.operations == self.operation:
            os.write(self.writer, b"!")
            # The other process decides what happens next; let it.
            time.sleep(0.002)

    def _counts(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event == "open":
            if not isinstance(arguments[2], int) or not arguments[2] & _WRITING:
                return False
        elif event not in _OPERATIONS:
            return False
        if isinstance(arguments[0], int):
            return False
        path = os.fsdecode(arguments[0])
        # A name alone is relative to a folder that is being removed.
        return path.startswith(self.folder) or os.sep not in path
