"""The catalogue: which clips an index holds, and in which row of which shard each lies.

It is written last, so an index is what its catalogue says: shards and first passes that it does not name count for
nothing. Rows number the contents of its shards from first to last. Clips that are copies share a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray

from a2m2.errors import RecordError, WeightsError
from a2m2.reading import MAX_INTEGER, shorten, typed, why
from a2m2.weights import read_sealed, write_sealed

FILE = "catalogue.safetensors"
_FORMAT = "a2m2-catalogue-2"
_CURE = "run 'a2m2 index' again"


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Clips and where their descriptors are.

    Attributes:
        shards: name of each shard's file, and how many contents it holds.
        rows: ``(clip,)`` row of each clip's content, ascending.
        names: ``(clip,)`` names, sorted within a row.
        first_pass: names of the files of the first pass; none for a small collection.
    """

    shards: tuple[tuple[str, int], ...]
    rows: Int[np.ndarray, "clip"]
    names: Sequence[str]
    first_pass: tuple[str, ...] = ()

    @cached_property
    def contents(self) -> Int[np.ndarray, "content"]:
        """Rows that some clip has, ascending."""
        return np.unique(self.rows)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.cumsum([0, *(count for _, count in self.shards)])

    def names_of(self, row: int) -> tuple[str, ...]:
        """The clips of a row."""
        first, last = np.searchsorted(self.rows, [row, row + 1])
        return tuple(self.names[index] for index in range(first, last))

    def place_of(self, row: int) -> tuple[int, int]:
        """Shard of a row, and its row therein."""
        shard = int(np.searchsorted(self._starts, row, side="right")) - 1
        return shard, int(row - self._starts[shard])


class PackedNames(Sequence[str]):
    """Names end to end in one array, so that a million of them cost no more than their bytes."""

    def __init__(self, data: NDArray[np.uint8], ends: Int[np.ndarray, "clip"]) -> None:
        self._data, self._ends = data, ends

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:  # type: ignore[override]
        start = self._ends[index - 1] if index else 0
        return bytes(self._data[start : self._ends[index]]).decode("utf-8", "surrogateescape")


def make_catalogue(contents: Mapping[str, str], shards: Iterable[tuple[str, Sequence[str]]]) -> Catalogue:
    """The catalogue of clips whose contents are all described.

    Args:
        contents: content digest of each clip, by its name.
        shards: name of each shard's file and the digests in it. A content that lies in two counts where it is first.
    """
    row_of: dict[str, int] = {}
    listed = []
    start = 0
    for name, digests in shards:
        listed.append((name, len(digests)))
        for row, digest in enumerate(digests, start):
            row_of.setdefault(digest, row)
        start += len(digests)
    clips = sorted((row_of[digest], name) for name, digest in contents.items())
    rows = np.array([row for row, _ in clips], dtype=np.int64)
    return Catalogue(tuple(listed), rows, [name for _, name in clips])


def write_catalogue(folder: Path, catalogue: Catalogue) -> None:
    """Write it, whole or not at all: from then on the index is what it says.

    Raises:
        OutputError: it cannot be written.
    """
    encoded = [name.encode("utf-8", "surrogateescape") for name in catalogue.names]
    tensors = {
        "names": torch.frombuffer(bytearray(b"".join(encoded)) or bytearray(1), dtype=torch.uint8),
        "ends": torch.tensor([len(name) for name in encoded], dtype=torch.int64).cumsum(0),
        "rows": torch.from_numpy(catalogue.rows),
    }
    header = {"shards": catalogue.shards, "first_pass": catalogue.first_pass}
    write_sealed(folder / FILE, tensors, header, form=_FORMAT)


def read_catalogue(folder: Path) -> Catalogue:
    """The catalogue of an index.

    Raises:
        RecordError: there is none yet, or it is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        raise RecordError(f"the index {folder} is not finished: no {FILE}; {_CURE} and it continues")
    try:
        header, tensors = read_sealed(path, form=_FORMAT, what="the catalogue of an index", cure=_CURE)
    except WeightsError as error:
        raise RecordError(str(error)) from None
    try:
        return _catalogue(typed(_Header, header), tensors)
    except (KeyError, ValueError) as error:
        raise RecordError(f"{path} cannot be used ({why(error)}); {_CURE}") from None


@dataclass(frozen=True)
class _Header:
    shards: tuple[tuple[str, int], ...]
    first_pass: tuple[str, ...]


def _catalogue(header: _Header, tensors: Mapping[str, torch.Tensor]) -> Catalogue:
    names, ends, rows = tensors["names"], tensors["ends"], tensors["rows"]
    if (names.dtype, ends.dtype, rows.dtype) != (torch.uint8, torch.int64, torch.int64):
        raise ValueError("tensors of other types")
    if names.ndim != 1 or ends.ndim != 1 or rows.shape != ends.shape:
        raise ValueError("tensors of other shapes")
    for file in (*header.first_pass, *(file for file, _ in header.shards)):
        if file in ("", ".", "..") or "/" in file or "\0" in file:
            raise ValueError(f"{shorten(repr(file))} is no name of a file")
    if header.first_pass and (len(header.first_pass) != 3 or not len(rows)):
        raise ValueError(f"a first pass of {len(header.first_pass):,} files over {len(rows):,} contents")
    counts = [count for _, count in header.shards]
    total = sum(counts)
    if min(counts, default=0) < 0 or total > MAX_INTEGER:
        raise ValueError("shards of an impossible number of contents")
    if len(rows):
        _check_ascending("rows", rows, total - 1)
        _check_ascending("ends", ends, len(names))
    return Catalogue(header.shards, rows.numpy(), PackedNames(names.numpy(), ends.numpy()), header.first_pass)


def _check_ascending(what: str, values: torch.Tensor, last: int) -> None:
    if int(values[0]) < 0 or int(values[-1]) > last or bool((values[1:] < values[:-1]).any()):
        raise ValueError(f"{what} that do not ascend from 0 to {last}")
