"""What indexing a collection of clips did, and what a search found in it: plain values, readable without torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class BrokenClip:
    """A clip that could not be described.

    Attributes:
        name: its path below the collection.
        cause: what is wrong with it and what to do, in plain words.
    """

    name: str
    cause: str


@dataclass(frozen=True)
class IndexRecord:
    """What an index holds, and what making it did.

    Attributes:
        clips: clips that can be found.
        contents: different contents among them; copies share one.
        described: contents that were described now.
        kept: contents that were described before.
        forgotten: contents that were described before and that no clip has any more.
        broken: clips that are left out.
        damaged: shards that were damaged and whose clips were described again.
        shard_bytes: bytes a content in the shards, exact descriptors and all.
        first_pass_bytes: bytes a content in the first pass; 0 without one.
    """

    clips: int
    contents: int
    described: int
    kept: int
    forgotten: int
    broken: tuple[BrokenClip, ...]
    damaged: tuple[str, ...]
    shard_bytes: float
    first_pass_bytes: float

    def to_json(self) -> str:
        """Indented JSON."""
        return json.dumps(asdict(self), indent=1, allow_nan=False, ensure_ascii=False)


@dataclass(frozen=True)
class Hit:
    """One content that was found.

    Attributes:
        names: the clips that show it, sorted; more than one are copies.
        score: τ · (1 − EMD), the mean over the examples; larger is more alike.
        example: whether it is one of the examples.
    """

    names: tuple[str, ...]
    score: float
    example: bool


@dataclass(frozen=True)
class SearchRecord:
    """What a search found.

    Attributes:
        examples: names of the clips that were shown.
        contents: how many the library holds.
        compared: how many were compared exactly.
        hits: the best of these, best first.
    """

    examples: tuple[str, ...]
    contents: int
    compared: int
    hits: tuple[Hit, ...]

    def to_json(self) -> str:
        """Indented JSON."""
        return json.dumps(asdict(self), indent=1, allow_nan=False, ensure_ascii=False)
