"""The boxes of an mp4 or mov that FFmpeg reads but does not show: counts, durations and edits of a track.

A box is a 32-bit length (0: to the end; 1: a 64-bit length follows), a name, and what it holds, which may be
boxes again. What cannot be found is left out: whether a file is a video at all is for FFmpeg to judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int

Boxes = dict[bytes, bytes]
"""What the boxes of a track hold, by name, at whatever depth they lie."""

_FOLDERS = frozenset({b"trak", b"edts", b"mdia", b"minf", b"stbl"})
_OTHER_NAMES = {b"stz2": b"stsz", b"co64": b"stco"}
# A video without these is valid and shows other frames; FFmpeg passes over a box whose name it does not know.
_NEVER_MISREAD = (b"edts", b"elst", b"stss")
# Names one bit from each other (stsc from stss): a box that is there twice is another one, misread.
_NEVER_TWICE = (b"stts", b"ctts", b"stsc")
_HEADER_LENGTHS = {b"mvhd": 100, b"tkhd": 84, b"mdhd": 24}


def read_track(path: Path, track_id: int) -> tuple[int, Boxes] | None:
    """Ticks a second of the whole file, and the boxes of a track; None unless exactly one has this identifier.

    Raises:
        ValueError: the name or the version of a box is damaged.
    """
    movie = list(split(_movie(path)))
    tracks = [track_boxes(body) for name, body in movie if name == b"trak"]
    found = [boxes for boxes in tracks if b"tkhd" in boxes and clock(boxes, b"tkhd")[0] == track_id]
    header = dict(movie)
    return None if b"mvhd" not in header or len(found) != 1 else (clock(header, b"mvhd")[0], found[0])


def split(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of the boxes in ``body``."""
    at = 0
    while at + 8 <= len(body):
        length = number(body, at) or len(body) - at
        if length < 8:
            return
        yield body[at + 4 : at + 8], body[at + 8 : at + length]
        at += length


def track_boxes(body: bytes) -> Boxes:
    """Boxes of a track, of several with one name the first; raises ValueError as `read_track`."""
    boxes: Boxes = {}
    for name, content in split(body):
        for known in _NEVER_MISREAD:
            if name not in _NEVER_TWICE and (number(name, 0) ^ number(known, 0)).bit_count() == 1:
                raise ValueError(f"a box is named {name!r} instead of {known!r}")
        name = _OTHER_NAMES.get(name, name)
        for inner, held in (track_boxes(content) if name in _FOLDERS else {name: content}).items():
            if inner in boxes and inner in _NEVER_TWICE:
                raise ValueError(f"{inner.decode()} is there twice")
            boxes.setdefault(inner, held)
    return boxes


def number(body: bytes, at: int, size: int = 4) -> int:
    """The unsigned number at a byte of a box."""
    return int.from_bytes(body[at : at + size], "big")


def clock(boxes: Boxes, name: bytes) -> tuple[int, int]:
    """What one of the headers says first, and a duration: ticks a second, or the identifier of the track (tkhd).

    Raises:
        ValueError: the header is missing or shorter than its version.
    """
    body, length = boxes.get(name, b""), _HEADER_LENGTHS[name]
    is_wide = body[:1] == b"\1"  # 64-bit times
    if len(body) < length + 12 * is_wide:
        raise ValueError(f"{name.decode()} has {len(body)} bytes, expected {length + 12 * is_wide}")
    gap = 4 if name == b"tkhd" else 0
    if is_wide:
        return number(body, 20), number(body, 24 + gap, 8)
    return number(body, 12), number(body, 16 + gap)


def columns(boxes: Boxes, name: bytes, types: str) -> list[Int[np.ndarray, "row"]]:
    """A table by columns of these numpy types; after version and flags it says how many rows it has.

    Raises:
        ValueError: the box is missing or smaller than its table.
    """
    if name not in boxes:
        raise ValueError(f"{name.decode()} is missing")
    body = boxes[name]
    row = np.dtype([(str(place), f">{kind}") for place, kind in enumerate(types.split())])
    num_rows, room = number(body, 4), max(len(body) - 8, 0) // row.itemsize
    if num_rows > room:
        raise ValueError(f"{name.decode()} has room for {room} entries of {num_rows}")
    table = np.frombuffer(body, row, num_rows, offset=8)
    return [table[column].astype(np.int64) for column in row.names or ()]


def _movie(path: Path) -> bytes:
    """What the box moov holds, which is all but pictures and sound."""
    at, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            start = file.read(16)
            is_long = number(start, 0) == 1
            length = number(start, 8, 8) if is_long else number(start, 0) or size - at
            header = 16 if is_long else 8
            if length < header:
                break
            if start[4:8] == b"moov":
                file.seek(at + header)
                return file.read(min(length, size - at) - header)
            at += length
    return b""
