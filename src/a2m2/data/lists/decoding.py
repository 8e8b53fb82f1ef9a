"""Which videos cannot be decoded: every one is read as a test would read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

from a2m2.data.remembered import Remembered, stamp_of
from a2m2.errors import DecodeError
from a2m2.video import read_many

_NUM_FRAMES = 8


def find_undecodable(
    paths: Iterable[Path],
    *,
    cache: Path,
    num_workers: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[Path, str]:
    """The videos that cannot be decoded, each with cause and cure.

    A video is decoded from its first frame to its last, and eight frames of it become RGB. What came out is
    remembered until the video or the version of PyAV changes, so a check that was stopped goes on.

    Args:
        paths: videos; one that is named twice is read once.
        cache: folder for what is remembered.
        num_workers: videos read at a time.
        progress: told how many videos are done, of those that are not remembered.

    Raises:
        DataError: a file vanished or may not be read.
        OutputError: what came out cannot be stored.
    """
    entries = _remembered(cache)
    wanted = tuple(dict.fromkeys(paths))
    faults = {path: entries.get(path) for path in wanted}
    unknown = [path for path, fault in faults.items() if fault is None]
    stamps = {path: stamp_of(path) for path in unknown}
    results = read_many(unknown, num_frames=_NUM_FRAMES, num_workers=num_workers)
    for done, (path, result) in enumerate(results, 1):
        faults[path] = str(result) if isinstance(result, DecodeError) else ""
        entries.keep(path, faults[path] or "", stamp=stamps[path])
        progress(done, len(unknown))
    return {path: fault for path, fault in faults.items() if fault}


def still_to_decode(paths: Iterable[Path], *, cache: Path) -> int:
    """Number of videos that :func:`find_undecodable` would have to read; nothing is written.

    Raises:
        DataError: a file vanished or may not be read.
        OutputError: what is remembered may not be read.
    """
    entries = _remembered(cache)
    return sum(entries.get(path) is None for path in dict.fromkeys(paths))


def _remembered(cache: Path) -> Remembered:
    return Remembered(cache / f"decoded-av-{version('av')}.jsonl")
