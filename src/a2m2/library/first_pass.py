"""The first pass: sketches of all contents, of which it names those worth comparing exactly.

First usearch compares all summaries (``exact`` search, by vector instructions, a byte an entry); then the best few
hundred are compared by relaxed transport of their candidates. Nothing is built beforehand but the sketches themselves.
A navigable graph (HNSW) would visit fewer summaries, but takes hours to make for a million, and misses some; comparing
a million summaries takes about as long as comparing a hundred clips exactly. usearch was chosen over faiss: one small
wheel without a BLAS or an OpenMP of its own, which would meet those of torch in one process.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from a2m2.errors import ConfigError, RecordError, WeightsError
from a2m2.eval.threads import map_in_threads
from a2m2.library.checked_files import check_whole, checked_file, write_checked
from a2m2.library.contents import Contents
from a2m2.library.sketch import Sketcher, Sketches, fit_sketcher
from a2m2.reading import why
from a2m2.structures import Descriptors
from a2m2.weights import check_finite, pack_tensors, read_tensors

SMALLEST = 1000
"""Contents up to which a collection is searched whole, without a first pass."""

_SAMPLE = 1024
"""Contents, evenly spaced, that a sketcher is fitted on."""
_BLOCK = 128
_RELAXED = 512
"""Contents, at least, that are compared by relaxed transport; four times as many as are asked for, if that is more."""
_CURE = "run 'a2m2 index' again, which makes it anew"


@dataclass(frozen=True, eq=False, repr=False)
class FirstPass:
    """Sketches, memory-mapped, and what made them.

    Attributes:
        sketcher: makes those of examples.
        rows: of the catalogue, one a sketch.
        summaries: ``(content, entry)``.
        records: ``(content,)`` all else of a sketch, with a checksum of its own: few of them are read in a search.
        path: of the records, for errors.
        directions: path of what made the sketches, for errors.
    """

    sketcher: Sketcher
    rows: Int[np.ndarray, "content"]
    summaries: NDArray[np.int8]
    records: NDArray[np.void]
    path: Path
    directions: Path

    def nearest(
        self, examples: Descriptors, count: int, *, order_prior: float
    ) -> Int[np.ndarray, "candidate"]:
        """Rows of the ``count`` contents most like the examples, as far as sketches tell.

        Args:
            examples: clips to look for.
            count: how many to name.
            order_prior: λ of the transport that comes after.

        Raises:
            RecordError: a sketch is damaged, or they are of other descriptors than the examples.
        """
        expected, given = len(self.sketcher.directions), examples.values.shape[-1]
        if expected != given:
            raise RecordError(
                f"{self.directions} is of descriptors of {expected:,} numbers, not of {given:,}; {_CURE}"
            )
        asked = min(max(_RELAXED, 4 * count), len(self.rows))
        summary = self.sketcher.summary(examples)
        near = _library().search(self.summaries, summary, asked, "cos", exact=True, threads=1)
        # In their order on disk, and equal scores in the order of rows.
        index = np.sort(np.asarray(near.keys, dtype=np.int64))
        scores = self.sketcher.relaxed_scores(examples, self._sketches(index), order_prior=order_prior)
        return self.rows[index[np.argsort(-scores, kind="stable")[:count]]]

    def _sketches(self, index: Int[np.ndarray, "some"]) -> Sketches:
        records = self.records[index]
        for record in records:
            if _checksum(record) != record["check"]:
                raise RecordError(f"{self.path} is damaged: a sketch is not what was written; {_CURE}")
        return Sketches(
            self.summaries[index],
            np.ascontiguousarray(records["candidates"]),
            np.ascontiguousarray(records["positions"]),
        )


def write_first_pass(
    contents: Contents, *, num_threads: int, progress: Callable[[str, int, int], None]
) -> tuple[str, ...]:
    """Sketch contents and write that into the folder of their index; returns the names of the files.

    Args:
        contents: what is sketched, a block at a time.
        num_threads: blocks worked on at the same time; the files do not depend on it.
        progress: told after every block.

    Raises:
        OutputError: it cannot be written.
        RecordError: a shard is missing or damaged.
    """
    folder, rows = contents.folder, contents.catalogue.contents
    contents.map_all()
    sample = np.unique(np.linspace(0, len(rows) - 1, _SAMPLE).astype(np.int64))
    sketcher = fit_sketcher(contents.descriptors(rows[sample]))
    blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
    done = 0
    with (
        checked_file(folder, "summaries", ".bin") as summaries,
        checked_file(folder, "sketches", ".bin") as sketches,
    ):
        for block in map_in_threads(
            lambda block: sketcher.sketch(contents.descriptors(block)), blocks, num_threads=num_threads
        ):
            summaries.write(block.summaries.tobytes())
            sketches.write(_records(block).tobytes())
            done += len(block)
            progress("sketching contents", done, len(rows))
    content = pack_tensors(
        {"directions": sketcher.directions, "mixture": sketcher.mixture},
        {"nodes": str(block.candidates.shape[1])},
    )
    return write_checked(folder, "directions", ".safetensors", content).name, summaries.name, sketches.name


def first_pass_files(folder: Path) -> list[Path]:
    """All files of first passes that lie in the folder of an index."""
    patterns = ("directions-*.safetensors", "summaries-*.bin", "sketches-*.bin")
    return [path for pattern in patterns for path in sorted(folder.glob(pattern))]


def open_first_pass(folder: Path, names: tuple[str, ...], rows: Int[np.ndarray, "content"]) -> FirstPass:
    """The first pass of an index, mapped; what every search reads whole is checked.

    Args:
        folder: of the index.
        names: of its files.
        rows: of the contents, ascending.

    Raises:
        RecordError: a file is missing or damaged.
        ConfigError: usearch is not installed.
    """
    require_library()
    directions, summaries, sketches = (folder / name for name in names)
    check_whole(directions, cure=_CURE)
    check_whole(summaries, cure=_CURE)
    sketcher, layout = _read_sketcher(directions)
    entries = sketcher.mixture.shape[1]
    for path, num_bytes in ((summaries, entries), (sketches, layout.itemsize)):
        if not path.is_file() or path.stat().st_size != len(rows) * num_bytes:
            raise RecordError(f"{path} is missing or of another size than {directions.name} tells; {_CURE}")
    return FirstPass(
        sketcher,
        rows,
        np.memmap(summaries, dtype=np.int8, mode="r", shape=(len(rows), entries)),
        np.memmap(sketches, dtype=layout, mode="r", shape=(len(rows),)),
        sketches,
        directions,
    )


def _read_sketcher(path: Path) -> tuple[Sketcher, np.dtype[np.void]]:
    try:
        metadata, tensors = read_tensors(path, cure=_CURE)
        check_finite(tensors)
        sketcher = Sketcher(tensors["directions"].clone(), tensors["mixture"].clone())
        return sketcher, _layout(int(metadata["nodes"]), sketcher.directions.shape[1])
    except WeightsError as error:
        raise RecordError(str(error)) from None
    except (KeyError, ValueError) as error:
        raise RecordError(f"{path} cannot be used ({why(error)}); {_CURE}") from None


def require_library() -> None:
    """Refuse to begin what would need usearch at its end.

    Raises:
        ConfigError: usearch is not installed.
    """
    _library()


def _layout(nodes: int, directions: int) -> np.dtype[np.void]:
    return np.dtype(
        [("candidates", "i1", (nodes, directions)), ("positions", "<f2", (nodes,)), ("check", "<u4")]
    )


def _records(sketches: Sketches) -> NDArray[np.void]:
    records = np.empty(len(sketches), _layout(*sketches.candidates.shape[1:]))
    records["candidates"] = sketches.candidates
    records["positions"] = sketches.positions
    records["check"] = [_checksum(record) for record in records]
    return records


def _checksum(record: np.void) -> int:
    return zlib.crc32(record.tobytes()[:-4])


def _library() -> Any:
    try:
        import usearch.index
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "usearch":
            raise
        raise ConfigError(
            f"an index of more than {SMALLEST} clips needs usearch; run: pip install 'a2m2[search]'"
        ) from None
    return usearch.index
