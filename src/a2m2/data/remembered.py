"""What was found out about videos, kept on disk as long as they do not change."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path

from a2m2.checks import write_failure
from a2m2.data.folders import frame_files
from a2m2.errors import DataError, OutputError
from a2m2.reading import parse_json, read_bytes

_MAX_BYTES = 1 << 30
"""Bytes of a file of entries: those of some millions of videos."""


class Remembered:
    """A text for each video, in a file of lines that only grows.

    A text is found again by the video's resolved path and a stamp of its size and times of change (for a folder
    of frames, of all its frames), so a changed video is forgotten, even where a copy kept size and date. Each entry
    is one write to the end of the file, which lets processes share it without locks; a line that cannot be read is
    passed over.

    Args:
        path: the file; made with the first entry.

    Raises:
        OutputError: the file is there but may not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known = _read_entries(path)
        self._lock = threading.Lock()

    def get(self, video: Path) -> str | None:
        """The text of a video that has not changed since, else None.

        Raises:
            DataError: something is remembered, but the video is gone or cannot be read.
        """
        stamp, text = self._known.get(os.path.realpath(video), ("", ""))
        return text if stamp and stamp == stamp_of(video) else None

    def keep(self, video: Path, text: str, *, stamp: str) -> None:
        """Remember ``text``; ``stamp`` is of before it was found out, so that a change meanwhile is noticed.

        Raises:
            OutputError: the entry cannot be stored.
        """
        place = os.path.realpath(video)
        self._known[place] = stamp, text
        # The leading line end keeps this entry whole after one that was cut off by a full disk.
        entry = f"\n{json.dumps([place, stamp, text])}".encode()
        try:
            with self._lock:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("ab") as file:
                    file.write(entry)
        except OSError as error:
            raise write_failure(self.path, error) from error


def stamp_of(path: Path) -> str:
    """What changes when a video does: its size and times of change; for frames a digest of those of all.

    The time of the last change of the file's entry counts too: tools that copy dates cannot set it.
    """
    if not path.is_dir():
        status = stat_of(path)
        return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
    digest = hashlib.sha256()
    for frame in frame_files(path):
        status = stat_of(frame)
        digest.update(repr((frame.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns)).encode())
    return digest.hexdigest()[:32]


def stat_of(path: Path) -> os.stat_result:
    """``path.stat()``, or a DataError."""
    try:
        return path.stat()
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: OSError) -> DataError:
    """The error to show when reading a video failed with ``error``."""
    return DataError(f"cannot read {path}: {_reason(error)}; check the file")


def _read_entries(path: Path) -> dict[str, tuple[str, str]]:
    """Stamp and digest of each known path, the last entry of a path winning."""
    try:
        content = read_bytes(
            path, error=OutputError, cure="set A2M2_CACHE to another folder", max_bytes=_MAX_BYTES
        )
    except FileNotFoundError:
        return {}
    known: dict[str, tuple[str, str]] = {}
    for line in content.split(b"\n"):
        try:
            entry = parse_json(line.decode("utf-8"))
        except ValueError:
            continue
        if isinstance(entry, list) and len(entry) == 3 and all(isinstance(part, str) for part in entry):
            known[entry[0]] = entry[1], entry[2]
    return known


def _reason(error: OSError) -> str:
    return (error.strerror or "unknown fault").lower()
