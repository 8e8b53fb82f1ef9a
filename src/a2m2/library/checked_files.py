"""Files whose names end with the CRC-32 of all their bytes: none is ever changed, and damage shows in the name."""

from __future__ import annotations

import contextlib
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from a2m2.checks import atomic_path
from a2m2.errors import RecordError

_NAME = re.compile(r".+-([0-9a-f]{8})\.[a-z]+")
_BLOCK_BYTES = 1 << 20


def write_checked(folder: Path, stem: str, suffix: str, content: bytes) -> Path:
    """Write ``STEM-CRC.SUFFIX``, whole or not at all; returns the file.

    Raises:
        OutputError: it cannot be written.
    """
    path = folder / f"{stem}-{zlib.crc32(content):08x}{suffix}"
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return path


class CheckedFile:
    """A file that is being written block by block.

    Attributes:
        value: CRC-32 of what was written.
        name: of the file, once it is whole.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.value = 0
        self.name = ""

    def write(self, content: bytes) -> None:
        """Append."""
        self._file.write(content)
        self.value = zlib.crc32(content, self.value)


@contextlib.contextmanager
def checked_file(folder: Path, stem: str, suffix: str) -> Iterator[CheckedFile]:
    """As :func:`write_checked`, for what should not be in memory at once: it appears when the block ends well.

    Raises:
        OutputError: it cannot be written.
    """
    unnamed = folder / f"{stem}{suffix}"
    with atomic_path(unnamed) as temporary, temporary.open("wb") as file:
        checked = CheckedFile(file)
        yield checked
    checked.name = f"{stem}-{checked.value:08x}{suffix}"
    os.replace(unnamed, folder / checked.name)


def is_whole(path: Path) -> bool:
    """Whether the bytes of a file are those that its name tells.

    Raises:
        RecordError: it cannot be read.
    """
    match = _NAME.fullmatch(path.name)
    return match is not None and int(match[1], 16) == _crc32(path)


def check_whole(path: Path, *, cure: str) -> None:
    """Refuse a file that is missing or damaged.

    Raises:
        RecordError: it is.
    """
    if not is_whole(path):
        raise RecordError(f"{path} is damaged: its bytes are not those that were written; {cure}")


def _crc32(path: Path) -> int:
    value = 0
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK_BYTES):
                value = zlib.crc32(block, value)
    except OSError as error:
        reason = (error.strerror or "unknown fault").lower()
        raise RecordError(f"cannot read {path}: {reason}; run 'a2m2 index' again") from None
    return value
