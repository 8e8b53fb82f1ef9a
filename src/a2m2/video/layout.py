"""Is a file as long as it says? Containers name their own size; a download that broke off is shorter.

FFmpeg reads a cut-off matroska, avi or gif up to the cut and then reports a normal end, so the outermost
structure is walked here, without reading any picture. Only what is certain is reported: a file of another
kind, one of unknown length (live recordings), or one followed by other bytes is taken as whole.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

_MP4_FIRST_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip", b"styp", b"pnot"})
_EBML_HEADER = b"\x1a\x45\xdf\xa3"
_EBML_SEGMENT = b"\x18\x53\x80\x67"


def num_bytes_promised(path: Path) -> int | None:
    """Length that the outermost structure of the file promises, at least; None when it promises nothing.

    A GIF without its end mark promises one byte more than it has.

    Raises:
        ValueError: the parts of a GIF or an AVI do not follow each other; FFmpeg would skip frames there.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(12)
        if start[4:8] in _MP4_FIRST_BOXES:
            return _end_of_boxes(file, size)
        if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
            return _end_of_riff(file, size)
        if start[:4] == _EBML_HEADER:
            return _end_of_segment(file)
        if start[:4] == b"GIF8":
            return _end_of_gif(file, size)
    return None


def _end_of_boxes(file: BinaryIO, size: int) -> int | None:
    """mp4 and mov: boxes of a 32-bit size (0: up to the end; 1: a 64-bit size follows) and a name."""
    end = 0
    while end + 8 <= size:
        file.seek(end)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:
            return None
        end += length
    return end


def _end_of_riff(file: BinaryIO, size: int) -> int | None:
    """avi: chunks of a name and a 32-bit size, padded to even; RIFF and LIST hold others after 4 more bytes.

    Lists are entered rather than skipped: FFmpeg searches for the next chunk where the chain of chunks breaks,
    and counts as if nothing had been in between. Long files are several RIFF chunks in a row.
    """
    at, end = 0, 0
    while at + 8 <= size:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"RIFF":
            if length == 0:  # the recorder never came back to fill it in
                return None
            end = at + 8 + length
            at += 12
        elif at >= end:
            break
        elif name == b"LIST":
            at += 12
        elif not all(0x20 <= letter < 0x7F for letter in name):
            raise ValueError(f"no chunk of an avi starts at byte {at}")
        else:
            at += 8 + length + length % 2
    if end <= size and at > end + 1:
        raise ValueError(f"the last chunk of an avi reaches to byte {at} of {end}")
    return end


def _end_of_segment(file: BinaryIO) -> int | None:
    """mkv and webm: an EBML header and one Segment, each of a name and a size of variable length."""
    file.seek(len(_EBML_HEADER))
    header_length = _read_ebml_size(file)
    if header_length is None:
        return None
    file.seek(header_length, os.SEEK_CUR)
    if file.read(4) != _EBML_SEGMENT:
        return None
    segment_length = _read_ebml_size(file)
    return None if segment_length is None else file.tell() + segment_length


def _read_ebml_size(file: BinaryIO) -> int | None:
    """The leading zeros of the first byte count the bytes that follow; all ones means unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    num_more = 8 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & ((1 << (7 - num_more)) - 1)]) + file.read(num_more), "big")
    return None if value == (1 << (7 * (num_more + 1))) - 1 else value


def _end_of_gif(file: BinaryIO, size: int) -> int:
    """gif: header, then images and extensions made of sub-blocks, then the end mark 0x3B."""
    file.seek(0)
    data = file.read()
    at = 13 + _color_table_length(data[10]) if size > 10 else size
    while at < size:
        mark = data[at]
        if mark == 0x3B:
            return at + 1
        if mark == 0x2C and at + 9 < size:
            at += 11 + _color_table_length(data[at + 9])  # image descriptor, colours, size of the first code
        elif mark == 0x21:
            if data[at + 1 : at + 2] == b"\xf9" and data[at + 2 : at + 3] != b"\x04":
                raise ValueError(f"the timing of a gif at byte {at} is not 4 bytes long")
            at += 2
        else:
            raise ValueError(f"no block of a gif starts at byte {at}")
        while at < size and data[at]:
            at += 1 + data[at]
        at += 1
    return max(at, size + 1)


def _color_table_length(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
