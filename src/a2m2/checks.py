"""Small checks of the places a user names: folders to read from, folders and files to write to.

Nothing here reads videos or tensors. Every failure is an error of :mod:`a2m2.errors` with one line that names
the place, the cause in plain words, and what to do.
"""

from __future__ import annotations

import contextlib
import ctypes
import difflib
import errno
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from a2m2.errors import OutputError
from a2m2.locks import lock_hidden, try_lock

_WRITE_FAILURES: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", "free some space or choose another place"),
    errno.EDQUOT: ("your disk quota is used up", "free some space or choose another place"),
    errno.EFBIG: (
        "the file is larger than the limit set for files",
        "raise the limit (ulimit -f) and try again",
    ),
    errno.EROFS: ("the file system is read-only", "choose another place"),
    errno.EACCES: ("you may not write there", "change the permissions or choose another place"),
    errno.EPERM: ("you may not write there", "change the permissions or choose another place"),
    errno.EISDIR: ("it is a folder", "give the name of a file"),
    errno.ENOTDIR: ("a part of the path is a file", "give a path whose parents are folders"),
    errno.EEXIST: ("a part of the path is a file", "give a path whose parents are folders"),
    errno.ENAMETOOLONG: ("the name is too long", "give a shorter one"),
    errno.EIO: ("the device reported a fault", "check the disk or choose another place"),
}

_PATIENCE = 2.0
_HERE = -100  # AT_FDCWD
_EXCHANGE = 2  # RENAME_EXCHANGE


def nearest_path(path: Path) -> str:
    """``did you mean ...?`` for the entry beside a missing ``path`` whose name is most alike, else empty."""
    try:
        neighbours = [entry.name for entry in path.parent.iterdir() if not entry.name.startswith(".")]
    except OSError:
        return ""
    nearest = difflib.get_close_matches(path.name, neighbours, n=1)
    return f"did you mean {path.parent / nearest[0]}?" if nearest else ""


def output_folder(path: str | Path, *, marker: str | None = None) -> Path:
    """A folder to write results into; made, parents included, when it does not exist.

    Args:
        path: the folder.
        marker: name of a file that marks a folder as one of ours, for example ``run.json``. A folder that
            holds other things but not this file is refused, so that a mistyped path never mixes with foreign
            files. None accepts any folder.

    Raises:
        OutputError: ``path`` is a file, holds foreign files, or cannot be written to.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file; give a folder")
    probe = path / ".tmp-probe"
    try:
        path.mkdir(parents=True, exist_ok=True)
        # Only trying tells: permission bits say nothing about read-only mounts, quotas, or the super-user.
        probe.touch()
        probe.unlink(missing_ok=True)
        foreign = marker is not None and not (path / marker).exists() and is_filled(path)
    except OSError as error:
        raise write_failure(path, error) from error
    if foreign:
        raise OutputError(f"{path} holds files but no {marker}; give a new or an empty folder")
    return path


def output_file(path: str | Path) -> Path:
    """A file that will be written when long work is done: checked, and its folder made, before that work begins.

    Raises:
        OutputError: ``path`` is a folder, or its folder cannot be written to.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder; give the name of a file")
    output_folder(path.parent)
    return path


def exchange(one: Path, other: Path) -> bool:
    """Let two files or folders change places at once; False, and nothing done, where the system cannot.

    Raises:
        OSError: one of them is not there, or may not be renamed.
    """
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2  # Linux alone has it
    except (AttributeError, OSError, TypeError):
        return False
    if rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(other))


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder that one process at a time may write to; it must exist.

    The lock ends with this process, however that ends. Where the file system knows no locks, nothing is locked.

    Raises:
        OutputError: another process is there, and still is after two seconds.
    """
    end = time.monotonic() + _PATIENCE
    while (lock := try_lock(folder)) is None:
        # The helpers of a process that was killed just now may live for a moment longer.
        if time.monotonic() > end:
            raise OutputError(
                f"another process is writing into {folder}; wait until it has ended, or give another folder"
            )
        time.sleep(0.05)
    try:
        yield
    finally:
        lock.release()


def is_filled(folder: Path) -> bool:
    """Whether a folder holds anything that is not hidden; hidden files may be what a killed process left."""
    return any(not entry.name.startswith(".") for entry in folder.iterdir())


def write_failure(path: Path, error: OSError) -> OutputError:
    """The error to show when writing ``path`` failed with ``error``."""
    unknown = ((error.strerror or type(error).__name__).lower(), "check the place and try again")
    cause, cure = _WRITE_FAILURES.get(error.errno or 0, unknown)
    return OutputError(f"cannot write {path}: {cause}; {cure}")


@contextlib.contextmanager
def atomic_path(path: str | Path, *, lasting: bool = True) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; it takes the place of ``path`` when the block ends well.

    Readers see the old file or the whole new one, never a part. When the block fails in any way, an interrupt
    included, the temporary file is removed and ``path`` is left as it was. Missing parent folders are made.
    The temporary name is hidden and keeps the suffix, since some writers choose their format by it. What a killed
    process left under it is written over by the next one that writes ``path``; processes that write at the same time
    have names of their own.

    Args:
        path: the file.
        lasting: whether the file outlives a loss of power too. Only for files that can be told to be damaged, and made
            again, is that not worth its time.

    Raises:
        OutputError: the file could not be written. An ``OSError`` about another file passes through
            unchanged.
    """
    path = Path(path)
    temporary = path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _hidden_file(path) as temporary:
            yield temporary
            if lasting:
                sync(temporary)
            os.replace(temporary, path)
        if lasting:
            sync(path.parent)
    except OSError as error:
        if _concerns(error, temporary, path, *path.parents):
            raise write_failure(path, error) from error
        raise


@contextlib.contextmanager
def _hidden_file(path: Path) -> Iterator[Path]:
    """A place for a file beside ``path`` that no other process uses; empty at the end unless it was renamed."""
    name = hashlib.blake2b(os.fsencode(path.name), digest_size=6).hexdigest()
    temporary, lock = lock_hidden(path.parent, lambda mark: f".tmp-{name}-{mark}{path.suffix}", Path.touch)
    try:
        os.truncate(temporary, 0)
        yield temporary
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    finally:
        lock.release()


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk.

    Raises:
        OSError: what the system could not write, such as for want of space.
    """
    place = os.open(path, os.O_RDONLY)
    try:
        os.fsync(place)
    except OSError as error:
        # Some file systems cannot; that is no failure of the write.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(place)


def _concerns(error: OSError, *ours: Path) -> bool:
    """Whether ``error`` is about one of ``ours``; a full disk names no file, and is told by its number."""
    if not isinstance(error.filename, str | bytes | os.PathLike):
        return error.errno in _WRITE_FAILURES
    return Path(os.fsdecode(error.filename)) in ours


def write_text_atomic(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 with ``\\n`` line ends (the same bytes on every system), whole or not at all.

    Raises:
        OutputError: see :func:`atomic_path`.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
