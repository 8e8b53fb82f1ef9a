"""Batches of clips and episodes for training; batch ``i`` is a pure function of the seed and ``i``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from a2m2.data import EpisodeSampler
from a2m2.train.augment import augment
from a2m2.train.clips import ClipSource
from a2m2.train.draws import generator_of
from a2m2.train.ranks import ALONE, Ranks
from a2m2.train.sub_actions import SubActions
from a2m2.train_settings import AugmentSettings

Batch = dict[str, Tensor]
"""``index`` of the batch, ``frames (clip, time, 3, height, width)`` uint8, ``label (clip,)`` of the base class; for an
episode ``way (clip,)``, the class within it, its supports first; and ``going_on (clip, time, sub_action)``, which
sub-actions each frame shows, where these are learnt."""


@dataclass(frozen=True, eq=False)
class BaseClasses:
    """The training clips and what every draw depends on.

    Attributes:
        clips: the clips.
        labels: base class of each.
        names: of the base classes.
        augment: what is done to them at random.
        seed: of every draw.
        sub_actions: of the clips, where they are learnt.
    """

    clips: ClipSource
    labels: Sequence[int]
    names: Sequence[str]
    augment: AugmentSettings
    seed: int
    sub_actions: SubActions | None = None

    def draw(self, members: Sequence[int], *key: int | str) -> Batch:
        """Augmented clips and what they show; each has a generator of its own, named by ``key`` and its place."""
        crop = self.clips.settings.crop
        drawn, going_on = [], []
        for place, member in enumerate(members):
            generator = generator_of(self.seed, *key, place)
            frames, seconds = self.clips.random(member, generator)
            drawn.append(augment(frames, self.augment, crop=crop, generator=generator))
            if self.sub_actions is not None:
                going_on.append(self.sub_actions.going_on(member, seconds))
        batch = {
            "frames": torch.stack(drawn),
            "label": torch.tensor([self.labels[member] for member in members]),
        }
        if going_on:
            batch["going_on"] = torch.stack(going_on)
        return batch


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
        return {"index": torch.tensor(index), **self.base.draw(self.members(index), "clips", index)}

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
            **self.base.draw(members, "episode", index),
            "way": torch.tensor(ways),
        }

    def describe(self, index: int) -> str:
        names = (self.base.names[label] for label in self.sampler.episode(index).classes)
        return f"episode {index} of seed {self.sampler.seed}, classes {', '.join(names)}"


class BatchLoader:
    """Gives batches in order, each rank its own, and can go on from any step.

    Args:
        batches: all of them.
        num_workers: processes that decode ahead.
        ranks: the processes that share them: rank r takes every R-th of R ranks, from r on.

    ``done`` is the number of batches whose gradients are in the weights; whoever trains keeps it up to date. It is all
    that a checkpoint has to hold, because a batch depends on nothing but its number.
    """

    def __init__(self, batches: Batches, *, num_workers: int, ranks: Ranks = ALONE) -> None:
        self.batches = batches
        self.num_workers = num_workers
        self.ranks = ranks
        self.done = 0

    def __len__(self) -> int:
        return len(self.batches) // self.ranks.size

    def __iter__(self) -> Iterator[Batch]:
        rest = Subset(self.batches, range(self.done + self.ranks.rank, len(self.batches), self.ranks.size))
        yield from DataLoader(
            rest, batch_size=None, num_workers=self.num_workers, pin_memory=torch.cuda.is_available()
        )

    def mark(self, index: int) -> None:
        """Say that batch ``index`` of this rank is done, and with it those that the others took at that time."""
        self.done = index - self.ranks.rank + self.ranks.size

    def state_dict(self) -> dict[str, int]:
        """Where to go on."""
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from there."""
        self.done = state["done"]
