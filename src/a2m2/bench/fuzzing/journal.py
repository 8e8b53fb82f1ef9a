"""How far a run has come, in a small file beside its findings: the same command goes on from there after a kill."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from a2m2.bench.fuzzing.place import Chunk, Count
from a2m2.bench.fuzzing.readers import Reader
from a2m2.checks import write_text_atomic
from a2m2.errors import OutputError, RecordError
from a2m2.reading import parse_json, read_text

JOURNAL = "progress.json"
_CHUNK = 500


def shares(readers: Sequence[Reader], num_inputs: int) -> dict[str, int]:
    """Inputs of every reader, at least one each, shared out as the readers say."""
    total = sum(reader.share for reader in readers)
    return {reader.name: max(1, round(num_inputs * reader.share / total)) for reader in readers}


class Journal:
    """What is to be read, what was read, and what became of it.

    Args:
        findings: folder of the run.
        plan: number of inputs of every reader.
        seed: of the inputs.

    Attributes:
        counts: what became of the inputs read so far, by reader.
        seconds: that they took, on the clock, in all sittings.
        sittings: how often the run was begun or gone on with.

    Raises:
        OutputError: the folder holds the progress of another run.
        RecordError: the file of progress cannot be read.
    """

    def __init__(self, findings: Path, plan: dict[str, int], seed: int) -> None:
        self._path = findings / JOURNAL
        self.plan, self.seed = plan, seed
        self.counts = {name: Count() for name in plan}
        self.seconds, self.sittings = 0.0, 1
        self._done: dict[str, list[tuple[int, int]]] = {name: [] for name in plan}
        if self._path.is_file():
            self._read()

    @property
    def num_done(self) -> int:
        """Inputs read so far."""
        return sum(count.inputs for count in self.counts.values())

    def waiting(self) -> Iterator[Chunk]:
        """Inputs that were not read yet, in pieces, the readers taking turns."""
        gaps = deque((name, *gap) for name, end in self.plan.items() for gap in _gaps(self._done[name], end))
        while gaps:
            name, first, end = gaps.popleft()
            stop = min(end, first + _CHUNK)
            yield Chunk(name, self.seed, first, stop)
            if stop < end:
                gaps.append((name, stop, end))

    def add(self, chunk: Chunk, count: Count, seconds: float) -> None:
        """The first ``count.inputs`` of a chunk were read, after ``seconds`` in all; written down at once.

        Raises:
            OutputError: it cannot be written.
        """
        self.counts[chunk.reader].add(count)
        self._done[chunk.reader] = _joined(
            [*self._done[chunk.reader], (chunk.first, chunk.first + count.inputs)]
        )
        self.seconds = seconds
        content = {
            **self._run(),
            "seconds": seconds,
            "sittings": self.sittings,
            "done": self._done,
            "counts": {name: asdict(count) for name, count in self.counts.items()},
        }
        write_text_atomic(self._path, json.dumps(content) + "\n")

    def close(self) -> None:
        """The run is at its end: the same command would begin anew."""
        self._path.unlink(missing_ok=True)

    def _run(self) -> dict[str, Any]:
        return {"seed": self.seed, "plan": self.plan}

    def _read(self) -> None:
        cure = "remove it to begin anew"
        try:
            content = parse_json(read_text(self._path, error=RecordError, cure=cure))
            run = {key: content[key] for key in self._run()}
            seconds, sittings = float(content["seconds"]), int(content["sittings"])
            done = {
                name: [(int(first), int(end)) for first, end in gaps]
                for name, gaps in content["done"].items()
            }
            counts = {name: Count(**count) for name, count in content["counts"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RecordError(f"{self._path} cannot be read as the progress of a run; {cure}") from None
        if run != self._run():
            raise OutputError(
                f"{self._path} belongs to a run with another number of inputs, seed or readers; give these again, "
                "another folder, or remove it"
            )
        self.seconds, self.sittings, self._done, self.counts = seconds, sittings + 1, done, counts


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same numbers in as few spans as possible, ascending."""
    joined: list[tuple[int, int]] = []
    for first, end in sorted(spans):
        if joined and first <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((first, end))
    return joined


def _gaps(spans: list[tuple[int, int]], end: int) -> Iterator[tuple[int, int]]:
    """What of the numbers below ``end`` is in no span."""
    first = 0
    for start, stop in [*spans, (end, end)]:
        if first < start:
            yield first, start
        first = stop
