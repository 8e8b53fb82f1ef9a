"""The boxes of an mp4 or mov that FFmpeg reads but does not show: counts, durations and edits of a track.

A box is a 32-bit length (0: to the end; 1: a 64-bit length follows), a name, and what it holds, which may be
boxes again. What cannot be found is left out: whether a file is a video at all is for FFmpeg to judge.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from a2m2.video import limits

Boxes = dict[bytes, bytes]
"""What the boxes of a track hold, by name, at whatever depth they lie."""

Column: TypeAlias = "array[int]"
"""Numbers of a table, one a row."""

_FOLDERS = frozenset({b"trak", b"edts", b"mdia", b"minf", b"stbl"})
_OTHER_NAMES = {b"stz2": b"stsz", b"co64": b"stco"}
# A video without these is valid and shows other frames; FFmpeg passes over a box whose name it does not know.
_NEVER_MISREAD = (b"edts", b"elst", b"stss")
# Names one bit from each other (stsc from stss): a box that is there twice is another one, misread.
_NEVER_TWICE = (b"stts", b"ctts", b"stsc")
_MISREAD = {
    (int.from_bytes(known, "big") ^ 1 << bit).to_bytes(4, "big"): known
    for known in _NEVER_MISREAD
    for bit in range(32)
}
"""Names one bit from those that must not be misread."""
_CLAIMING = _FOLDERS | {b"traf", b"moov", b"moof", b"udta", b"mvex"}
_HEADERS = frozenset({b"moov", b"moof"})
# Deeper than FFmpeg enters boxes.
_MAX_DEPTH = 16
_HEADER_LENGTHS = {b"mvhd": 100, b"tkhd": 84, b"mdhd": 24}


def read_track(path: Path, track_id: int) -> tuple[int, Boxes] | None:
    """Ticks a second of the whole file, and the boxes of a track; None unless exactly one has this identifier.

    Raises:
        ValueError: the name or the version of a box is damaged.
    """
    movie = list(split(next((body for name, body in _headers(path) if name == b"moov"), b"")))
    tracks = [track_boxes(body) for name, body in movie if name == b"trak"]
    found = [boxes for boxes in tracks if b"tkhd" in boxes and clock(boxes, b"tkhd")[0] == track_id]
    header = dict(movie)
    return None if b"mvhd" not in header or len(found) != 1 else (clock(header, b"mvhd")[0], found[0])


def num_packets_claimed(path: Path) -> int:
    """How many packets FFmpeg would make a table of, over all tracks and fragments; 0 for files of other kinds.

    Raises:
        ValueError: the tables themselves are larger than the limits, or packed.
    """
    return sum(_num_claimed(body, 0, is_sound=False) for _, body in _headers(path))


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
        if name in _MISREAD and name not in _NEVER_TWICE:
            raise ValueError(f"a box is named {name!r} instead of {_MISREAD[name]!r}")
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


def columns(boxes: Boxes, name: bytes, kinds: str) -> list[Column]:
    """A table by columns of 32 bits; after version and flags it says how many rows it has.

    Args:
        boxes: of a track.
        name: of the box.
        kinds: of the columns, ``I`` unsigned and ``i`` signed.

    Raises:
        ValueError: the box is missing or smaller than its table.
    """
    if name not in boxes:
        raise ValueError(f"{name.decode()} is missing")
    body, width = boxes[name], len(kinds)
    if len(body) < 8:
        raise ValueError(f"{name.decode()} has {len(body)} bytes, expected 8 before its rows")
    num_rows, room = number(body, 4), max(len(body) - 8, 0) // (4 * width)
    if num_rows > room:
        raise ValueError(f"{name.decode()} has room for {room} entries of {num_rows}")
    words = body[8 : 8 + 4 * width * num_rows]
    table = {kind: array(kind, words) for kind in set(kinds)}
    if sys.byteorder == "little":
        for column in table.values():
            column.byteswap()
    return [table[kind][place::width] for place, kind in enumerate(kinds)]


def _num_claimed(body: bytes, depth: int, *, is_sound: bool) -> int:
    """Packets listed in the boxes of ``body``, and of those in them."""
    num_packets = 0
    boxes = list(split(body)) if depth < _MAX_DEPTH else []
    held = dict(boxes)
    is_sound = is_sound or held.get(b"hdlr", b"")[8:12] == b"soun"
    # Each sample of plain sound is a packet by the tables, but FFmpeg reads it by chunks.
    is_plain = is_sound and number(held.get(b"stts", b""), 4) == 1 and number(held[b"stts"], 12) == 1
    for name, content in boxes:
        if name == b"cmov":
            raise ValueError("its tables are packed, which is not read")
        if name in {b"stsz", b"stz2"}:
            num_packets += 0 if is_plain else number(content, 8)
        elif name == b"trun":
            num_packets += number(content, 4)
        elif name in _CLAIMING:
            num_packets += _num_claimed(content, depth + 1, is_sound=is_sound)
    return num_packets


def _headers(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of the boxes that hold tables, one at a time: moov, and moof of fragments.

    Raises:
        ValueError: there are too many boxes, or one of these is too large.
    """
    at, size, num_boxes = 0, path.stat().st_size, 0
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            start = file.read(16)
            is_long = number(start, 0) == 1
            length = number(start, 8, 8) if is_long else number(start, 0) or size - at
            header = 16 if is_long else 8
            if length < header:
                break
            if start[4:8] in _HEADERS:
                num_bytes = min(length, size - at) - header
                if num_bytes > limits.MAX_HEADER_BYTES:
                    limit = f"more than the limit of {limits.MAX_HEADER_BYTES:,}"
                    raise ValueError(f"its tables take {num_bytes:,} bytes, {limit}")
                file.seek(at + header)
                yield start[4:8], file.read(num_bytes)
            at += length
            num_boxes += 1
            if num_boxes > limits.MAX_HEADERS:
                raise ValueError(f"it has more boxes than the limit of {limits.MAX_HEADERS:,}")
