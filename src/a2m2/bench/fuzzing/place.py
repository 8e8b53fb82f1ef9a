"""Where a worker is and what it has counted, in memory that survives it. Light, so that a process starts at once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Chunk:
    """Inputs to read: numbers ``first`` to ``end`` of a reader."""

    reader: str
    seed: int
    first: int
    end: int


@dataclass
class Count:
    """What became of inputs, and the CPU seconds that they took."""

    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    findings: int = 0
    seconds: float = 0.0

    def add(self, other: Count) -> None:
        """Take over the counts of others."""
        self.inputs += other.inputs
        self.accepted += other.accepted
        self.refused += other.refused
        self.findings += other.findings
        self.seconds += other.seconds


class Place:
    """Where a worker is, in memory that survives it: number of the input, when it was begun, and what was before it."""

    def __init__(self, context: Any) -> None:
        self._values = context.Array("d", 6, lock=False)

    def begin(self, index: int, limit: float) -> None:
        """An input is about to be read, within ``limit`` seconds."""
        self._values[0], self._values[1] = index, limit
        self._values[2] = time.monotonic()

    def rest(self) -> None:
        """No input is being read."""
        self._values[2] = 0.0

    def count(self, outcome: str) -> None:
        """An input was read."""
        self._values[
            3 + ("accepted", "refused").index(outcome) if outcome in ("accepted", "refused") else 5
        ] += 1

    def reset(self) -> None:
        """Begin another chunk."""
        for k in range(6):
            self._values[k] = 0.0

    @property
    def index(self) -> int:
        """Number of the input that is or was read last."""
        return int(self._values[0])

    @property
    def overdue(self) -> bool:
        """Whether the input takes longer than it may."""
        begun = self._values[2]
        return begun > 0 and time.monotonic() - begun > self._values[1]

    def counted(self) -> Count:
        """What became of the inputs of this chunk so far."""
        accepted, refused, findings = map(int, self._values[3:6])
        return Count(accepted + refused + findings, accepted, refused, findings)
