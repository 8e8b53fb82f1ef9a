"""Descriptors by the rows of a catalogue, from whichever shards hold them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int

from a2m2.errors import RecordError
from a2m2.eval.describe import scales_of
from a2m2.library.catalogue import Catalogue
from a2m2.library.shards import CURE, FOLDER, Shard, map_shard
from a2m2.moments import candidate_windows
from a2m2.recognize.encoders import ClipEncoder
from a2m2.structures import Descriptors


@dataclass(frozen=True, eq=False, repr=False)
class Contents:
    """What the shards of an index hold. A shard is mapped, and a content checked, when it is first needed.

    Attributes:
        folder: of the index.
        encoder: that described them.
        catalogue: which rows there are.
    """

    folder: Path
    encoder: ClipEncoder
    catalogue: Catalogue
    _opened: dict[int, Shard] = field(default_factory=dict)
    _checked: dict[int, set[int]] = field(default_factory=dict)

    def descriptors(self, rows: Int[np.ndarray, "content"]) -> Descriptors:
        """Descriptors of ascending rows, one or more.

        Raises:
            RecordError: a shard that is missing or damaged, by name.
        """
        wanted: dict[int, list[int]] = {}
        for row in rows.tolist():
            number, place = self.catalogue.place_of(row)
            wanted.setdefault(number, []).append(place)
        shards = {number: self._shard(number) for number in wanted}
        for number, places in wanted.items():
            checked = self._checked.setdefault(number, set())
            new = [place for place in places if place not in checked]
            shards[number].check(new)
            checked.update(new)
        windows, scale = candidate_windows(self.encoder.video.num_frames, scales_of(self.encoder.settings.m2))
        return Descriptors(
            values=torch.cat([shards[number].values(places) for number, places in wanted.items()]),
            spans=torch.cat([shards[number].spans[places] for number, places in wanted.items()]),
            windows=windows,
            scale=scale,
            energy=torch.cat([shards[number].energy[places] for number, places in wanted.items()]),
            mean=self.encoder.mean,
            blocks=next(iter(shards.values())).blocks,
        )

    def map_all(self) -> None:
        """Map every shard now; to be done before threads go through all of them.

        What stays of a shard is small, but among the large blocks that a thread takes and gives back it keeps those
        from being used again: the memory of a million clips' sketching grew by gigabytes.

        Raises:
            RecordError: a shard that is missing or damaged, by name.
        """
        for number in range(len(self.catalogue.shards)):
            self._shard(number)

    def digest(self, row: int) -> str:
        """Content digest of a row.

        Raises:
            RecordError: as :meth:`descriptors`.
        """
        number, place = self.catalogue.place_of(row)
        return self._shard(number).digests[place]

    def _shard(self, number: int) -> Shard:
        if number not in self._opened:
            name, count = self.catalogue.shards[number]
            path = self.folder / FOLDER / name
            if not path.is_file():
                raise RecordError(f"{path} is missing; {CURE}")
            shard = map_shard(path)
            if len(shard) != count:
                raise RecordError(f"{shard.path} holds {len(shard)} contents, expected {count}; {CURE}")
            self._opened[number] = shard
        return self._opened[number]
