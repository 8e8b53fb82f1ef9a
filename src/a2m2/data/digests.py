"""Names for what a video holds, so that a cache is right even after files were moved or replaced."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from a2m2.checks import write_failure
from a2m2.data.folders import frame_files
from a2m2.errors import DataError, OutputError

_BLOCK_BYTES = 1 << 20


def content_digest(path: Path) -> str:
    """32 hex digits that name the content of a video: the first half of a SHA-256.

    For a file that of its bytes (``sha256sum`` shows the same digits); for a folder of frames that of the
    name, length and bytes of each image in the order of names, other files left out.

    Raises:
        DataError: the file, the folder or a frame cannot be read.
    """
    digest = hashlib.sha256()
    if path.is_dir():
        for frame in frame_files(path):
            digest.update(f"{frame.name}\0{_stat(frame).st_size}\0".encode("utf-8", "surrogateescape"))
            for block in _blocks(frame):
                digest.update(block)
    else:
        for block in _blocks(path):
            digest.update(block)
    return digest.hexdigest()[:32]


def identical_contents(digests: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """Groups of videos whose contents are the same, byte for byte; names map to digests, groups are sorted.

    Copies in one class can be support and query at once, copies across splits leak the test into the
    training.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(digests):
        groups.setdefault(digests[name], []).append(name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


class DigestCache:
    """Content digests that are remembered on disk, so that a second run does not read 20 GB again.

    A digest is found again by the video's resolved path and a stamp of its size and time of change (for a
    folder of frames, of all its frames), so a changed file is read again. The file ``digests.jsonl`` only
    grows: each entry is one write to its end, which lets processes share it without locks; a line that
    cannot be read is passed over.

    Args:
        folder: where ``digests.jsonl`` is kept; made when the first digest is stored.

    Raises:
        OutputError: the file is there but may not be read.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "digests.jsonl"
        self._known = _read_entries(self.path)
        self._lock = threading.Lock()

    def digest(self, path: Path) -> str:
        """:func:`content_digest` of ``path``, remembered.

        Raises:
            DataError: the video cannot be read.
            OutputError: the digest cannot be stored.
        """
        return self._remembered(path) or self._computed(path)

    def digests(self, paths: Iterable[Path], *, num_threads: int = 4) -> list[str]:
        """The digest of each path, in order; unknown ones are read ``num_threads`` at a time."""
        wanted = list(paths)
        known = [self._remembered(path) for path in wanted]
        unknown = dict.fromkeys(path for path, digest in zip(wanted, known, strict=True) if digest is None)
        with ThreadPoolExecutor(num_threads) as pool:
            computed = dict(zip(unknown, pool.map(self._computed, unknown), strict=True))
        return [digest or computed[path] for path, digest in zip(wanted, known, strict=True)]

    def _remembered(self, path: Path) -> str | None:
        stamp, digest = self._known.get(os.path.realpath(path), ("", ""))
        return digest if stamp and stamp == _stamp(path) else None

    def _computed(self, path: Path) -> str:
        # The stamp is taken first: a file that changes while it is read will not match it and is read again.
        place, stamp = os.path.realpath(path), _stamp(path)
        digest = content_digest(path)
        self._known[place] = stamp, digest
        self._append(place, stamp, digest)
        return digest

    def _append(self, place: str, stamp: str, digest: str) -> None:
        # The leading line end keeps this entry whole after one that was cut off by a full disk.
        entry = f"\n{json.dumps([place, stamp, digest])}".encode()
        try:
            with self._lock:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("ab") as file:
                    file.write(entry)
        except OSError as error:
            raise write_failure(self.path, error) from error


def _read_entries(path: Path) -> dict[str, tuple[str, str]]:
    """Stamp and digest of each known path, the last entry of a path winning."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise OutputError(f"cannot read {path}: {_reason(error)}; set A2M2_CACHE to another folder") from None
    known: dict[str, tuple[str, str]] = {}
    for line in content.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, list) and len(entry) == 3 and all(isinstance(part, str) for part in entry):
            known[entry[0]] = entry[1], entry[2]
    return known


def _stamp(path: Path) -> str:
    """What changes when a video does: size and time of change; for frames a digest of those of all."""
    if not path.is_dir():
        status = _stat(path)
        return f"{status.st_size} {status.st_mtime_ns}"
    digest = hashlib.sha256()
    for frame in frame_files(path):
        status = _stat(frame)
        digest.update(repr((frame.name, status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()[:32]


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise _unreadable(path, error) from None


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK_BYTES):
                yield block
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"cannot read {path}: {_reason(error)}; check the file")


def _reason(error: OSError) -> str:
    return (error.strerror or "unknown fault").lower()
