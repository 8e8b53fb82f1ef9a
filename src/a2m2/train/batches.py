"""Batches of clips and episodes for training; batch ``i`` is a pure function of the seed and ``i``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from a2m2.data import EpisodeSampler
from a2m2.train.augment import augment
from a2m2.train.clips import ClipSource
from a2m2.train.draws import generator_of
from a2m2.train_settings import AugmentSettings

Batch = dict[str, Tensor]
"""``index`` of the batch, ``frames (clip, time, 3, height, width)`` uint8, ``label (clip,)`` of the base class, and
for an episode ``way (clip,)``, the class within it, its supports first."""


@dataclass(frozen=True, eq=False)
class BaseClasses:
    """The training clips and what every draw depends on.

    Attributes:
        clips: the clips.
        labels: base class of each.
        names: of the base classes.
        augment: what is done to them at random.
        seed: of every draw.
    """

    clips: ClipSource
    labels: Sequence[int]
    names: Sequence[str]
    augment: AugmentSettings
    seed: int

    def draw(self, members: Sequence[int], *key: int | str) -> UInt8[Tensor, "clip time 3 crop crop"]:
        """Augmented clips; each clip has a generator of its own, named by ``key`` and its place."""
        crop = self.clips.settings.crop
        drawn = []
        for place, member in enumerate(members):
            generator = generator_of(self.seed, *key, place)
            frames = self.clips.random(member, generator)
            drawn.append(augment(frames, self.augment, crop=crop, generator=generator))
        return torch.stack(drawn)


class Batches(Dataset[Batch], ABC):
    """Batches by number.

    Args:
        base: where clips come from.
        number: how many batches there are.
    """

    def __init__(self, base: BaseClasses, number: int) -> None:
        self.base = base
        self.number = number

    def __len__(self) -> int:
        return self.number

    @abstractmethod
    def __getitem__(self, index: int) -> Batch:
        """Batch number ``index``."""

    @abstractmethod
    def describe(self, index: int) -> str:
        """Batch ``index`` in words, for errors."""


class ClipBatches(Batches):
    """Every clip once an epoch, in an order of its own each epoch.

    Args:
        size: clips a batch; a batch may reach into the next epoch.
    """

    def __init__(self, base: BaseClasses, number: int, *, size: int) -> None:
        super().__init__(base, number)
        self.size = size

    def __getitem__(self, index: int) -> Batch:
        members = self.members(index)
        return {
            "index": torch.tensor(index),
            "frames": self.base.draw(members, "clips", index),
            "label": torch.tensor([self.base.labels[member] for member in members]),
        }

    def members(self, index: int) -> list[int]:
        """Positions of the clips of a batch."""
        count = len(self.base.labels)
        places = range(index * self.size, (index + 1) * self.size)
        orders = {epoch: self._order(epoch) for epoch in {place // count for place in places}}
        return [int(orders[place // count][place % count]) for place in places]

    def describe(self, index: int) -> str:
        return f"batch {index}, clips {', '.join(self.base.clips.videos[m].name for m in self.members(index)[:3])}, …"

    def _order(self, epoch: int) -> Int[Tensor, "clip"]:
        return torch.randperm(len(self.base.labels), generator=generator_of(self.base.seed, "epoch", epoch))


class EpisodeBatches(Batches):
    """Episodes of base classes; every class is as likely as any other, however many clips it has.

    Args:
        way, shot, query: the task, as it will be tested.

    Raises:
        EpisodeError: classes with too few clips, which are named.
    """

    def __init__(self, base: BaseClasses, number: int, *, way: int, shot: int, query: int) -> None:
        super().__init__(base, number)
        self.sampler = EpisodeSampler(
            base.labels, class_names=base.names, way=way, shot=shot, query=query, seed=base.seed
        )

    def __getitem__(self, index: int) -> Batch:
        episode = self.sampler.episode(index)
        members: list[int] = []
        ways: list[int] = []
        for part in (episode.support, episode.query):
            for way, clips in enumerate(part):
                members += clips
                ways += [way] * len(clips)
        return {
            "index": torch.tensor(index),
            "frames": self.base.draw(members, "episode", index),
            "label": torch.tensor([self.base.labels[member] for member in members]),
            "way": torch.tensor(ways),
        }

    def describe(self, index: int) -> str:
        names = (self.base.names[label] for label in self.sampler.episode(index).classes)
        return f"episode {index} of seed {self.sampler.seed}, classes {', '.join(names)}"


class BatchLoader:
    """Gives batches in order and can go on from any of them.

    ``done`` is the number of batches whose gradients are in the weights; whoever trains keeps it up to date. It is all
    that a checkpoint has to hold, because a batch depends on nothing but its number.
    """

    def __init__(self, batches: Batches, *, num_workers: int) -> None:
        self.batches = batches
        self.num_workers = num_workers
        self.done = 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        rest = Subset(self.batches, range(self.done, len(self.batches)))
        yield from DataLoader(
            rest, batch_size=None, num_workers=self.num_workers, pin_memory=torch.cuda.is_available()
        )

    def state_dict(self) -> dict[str, int]:
        """Where to go on."""
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from there."""
        self.done = state["done"]
