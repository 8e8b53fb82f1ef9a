"""Locks on files and folders that end with the process that holds them, however it ends: none is ever left behind."""

from __future__ import annotations

import errno
import itertools
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_held: set[int] = set()
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL, errno.EBADF}


class Lock:
    """A lock that is held until it is released.

    Attributes:
        exclusive: False where the system or the file system knows no locks, so that others may hold it too.
    """

    def __init__(self, place: int | None) -> None:
        self._place = place
        self.exclusive = place is not None

    def release(self) -> None:
        """Let it go."""
        if self._place is not None:
            _held.discard(self._place)
            os.close(self._place)
            self._place = None


def try_lock(path: Path) -> Lock | None:
    """Lock a file or a folder, or None when it is locked already, by this process or another; never waits.

    What is locked is what lies there now: a file that takes its place later is another one.

    Raises:
        OSError: it is not there, or cannot be opened.
    """
    while sys.platform != "win32":
        place = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        _held.add(place)
        lock = Lock(place)
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.release()
            return Lock(None) if error.errno in _UNSUPPORTED else None
        try:
            there = _is_at(place, path)
        except OSError:
            lock.release()
            raise
        if there:
            return lock
        # Renamed by the one who held it, between our opening and our locking.
        lock.release()
    return Lock(None)


def lock_hidden(folder: Path, name: Callable[[str], str], make: Callable[[Path], None]) -> tuple[Path, Lock]:
    """A file or folder that no other process uses, the first of the names that is free.

    What a killed process left there is used again, so nothing piles up.

    Args:
        folder: where it lies.
        name: its name, made of a short text.
        make: makes it; does nothing where it is already.

    Raises:
        OSError: it cannot be made.
    """
    for number in itertools.count():
        path = folder / name(str(number))
        make(path)
        try:
            lock = try_lock(path)
        except FileNotFoundError:  # whoever held it removed it just now
            continue
        if lock is None:
            continue
        if not lock.exclusive:
            path = folder / name(secrets.token_hex(6))
            make(path)
        return path, lock
    raise AssertionError("numbers do not end")


def _is_at(place: int, path: Path) -> bool:
    there, ours = os.stat(path), os.fstat(place)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def _let_go() -> None:
    """In a forked process: a lock is its parent's, and ends with that."""
    for place in _held:
        os.close(place)
    _held.clear()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_let_go)
