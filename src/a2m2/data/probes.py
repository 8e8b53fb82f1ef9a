"""Tasks that ask one question each: what does a method know of the order in which things happen?

``reversed``
    Two-way: a class against itself played backwards. Whoever ignores order stays at 50 %.
``twins``
    Classes that hold the same sub-actions in different orders, drawn from one family at a time: negatives that look
    alike. Needs clips with annotations.
``shuffled``
    Ordinary tasks, but the frames of every query come in a random order. What is lost against ordinary tasks is what
    order contributes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from a2m2.data.annotations import read_annotation
from a2m2.data.episodes import EpisodeSampler, draw, random_words
from a2m2.data.videos import Dataset, Playback, VideoRecord
from a2m2.errors import ConfigError, EpisodeError
from a2m2.records import Episode
from a2m2.settings import ProbeKind, ProtocolSettings

PROBES: dict[ProbeKind, str] = {
    "reversed": "probe: every class against itself played backwards; no ordinary accuracy",
    "twins": "probe: every task holds classes of the same sub-actions in different orders; no ordinary accuracy",
    "shuffled": "probe: the frames of every query come in a random order; no ordinary accuracy",
}
"""The remark that a record of each probe carries."""


class Sampler(Protocol):
    """Draws episodes: number ``index`` is a pure function of it and of the sampler."""

    def episode(self, index: int) -> Episode:
        """Episode number ``index``, from 0."""


def probe(kind: ProbeKind, test: Dataset, task: ProtocolSettings) -> tuple[Dataset, Sampler]:
    """The videos of a probe, some of them played in another order, and the sampler of its episodes.

    Raises:
        ConfigError: a way that the question does not have.
        EpisodeError: too few classes or videos.
    """
    if kind == "reversed":
        return _reversed(test, task)
    if kind == "twins":
        return _twins(test, task)
    return _shuffled(test, task)


@dataclass(frozen=True)
class _GroupSampler:
    """Episodes whose classes come from one group.

    Attributes:
        groups: class indices that belong together; each group is as likely as the other.
        members: videos of every class.
        shared: whether the classes of a group show the same videos, member by member: then no video appears twice.
    """

    groups: tuple[tuple[int, ...], ...]
    members: tuple[tuple[int, ...], ...]
    task: ProtocolSettings
    shared: bool

    def episode(self, index: int) -> Episode:
        """Episode number ``index``."""
        task = self.task
        each = task.shot + task.query
        words = random_words(task.seed, index, expected=2 + task.way * (1 + each))
        group = self.groups[draw(words, len(self.groups), 1)[0]]
        classes = [group[place] for place in draw(words, len(group), task.way)]
        if self.shared:
            places = draw(words, len(self.members[classes[0]]), task.way * each)
            drawn = [places[start : start + each] for start in range(0, len(places), each)]
        else:
            drawn = [draw(words, len(self.members[label]), each) for label in classes]
        videos = [[self.members[c][p] for p in picked] for c, picked in zip(classes, drawn, strict=True)]
        return Episode(
            index,
            tuple(classes),
            tuple(tuple(v[: task.shot]) for v in videos),
            tuple(tuple(v[task.shot :]) for v in videos),
        )


@dataclass(frozen=True)
class _ShuffledQueries:
    """Episodes of another sampler with every query replaced by its shuffled self."""

    ordinary: EpisodeSampler
    places: tuple[int, ...]
    shuffled: tuple[int, ...]
    classes: tuple[int, ...]

    def episode(self, index: int) -> Episode:
        """Episode number ``index``."""
        drawn = self.ordinary.episode(index)
        return Episode(
            index,
            tuple(self.classes[label] for label in drawn.classes),
            tuple(tuple(self.places[video] for video in members) for members in drawn.support),
            tuple(tuple(self.shuffled[video] for video in members) for members in drawn.query),
        )


def _reversed(test: Dataset, task: ProtocolSettings) -> tuple[Dataset, Sampler]:
    _two_way("reversed", task)
    both = _with(test, "backward", lambda video: f"{video.class_name}, backwards")
    names = {name: label for label, name in enumerate(both.classes)}
    groups = tuple((names[name], names[f"{name}, backwards"]) for name in test.classes)
    needed = task.way * (task.shot + task.query)
    members = _members(both)
    for name, group in zip(test.classes, groups, strict=True):
        if len(members[group[0]]) < needed:
            raise EpisodeError(
                f"probe reversed needs {needed} videos a class, but '{name}' has {len(members[group[0]])}; lower shot "
                "or query"
            )
    return both, _GroupSampler(groups, members, task, shared=True)


def _twins(test: Dataset, task: ProtocolSettings) -> tuple[Dataset, Sampler]:
    families: dict[frozenset[str], set[str]] = {}
    for video in test.videos:
        actions = frozenset(span.name for span in read_annotation(video.annotation))
        if not actions:
            raise ConfigError(
                f"probe twins needs to know the sub-actions of every clip, but {video.name} has no annotation; use "
                "clips of 'a2m2 synth --stratum sequences'"
            )
        families.setdefault(actions, set()).add(video.class_name)
    groups = [sorted(members) for members in families.values() if len(members) >= task.way]
    if not groups:
        raise EpisodeError(
            f"probe twins found no {task.way} classes of the same sub-actions; lower way, or use clips of "
            "'a2m2 synth --stratum sequences'"
        )
    names = {name: label for label, name in enumerate(test.classes)}
    members = _members(test)
    needed = task.shot + task.query
    for name in (name for group in groups for name in group):
        if len(members[names[name]]) < needed:
            raise EpisodeError(
                f"probe twins needs {needed} videos a class, but '{name}' has {len(members[names[name]])}; lower shot "
                "or query"
            )
    numbered = tuple(sorted(tuple(names[name] for name in group) for group in groups))
    return test, _GroupSampler(numbered, members, task, shared=False)


def _shuffled(test: Dataset, task: ProtocolSettings) -> tuple[Dataset, Sampler]:
    ordinary = EpisodeSampler(
        test.video_classes,
        class_names=test.classes,
        way=task.way,
        shot=task.shot,
        query=task.query,
        seed=task.seed,
    )
    both = _with(test, "shuffled", lambda video: video.class_name)
    place = {video.name: index for index, video in enumerate(both.videos)}
    names = {name: label for label, name in enumerate(both.classes)}
    return both, _ShuffledQueries(
        ordinary,
        tuple(place[name] for name in test.video_names),
        tuple(place[_named(name, "shuffled")] for name in test.video_names),
        tuple(names[name] for name in test.classes),
    )


def _two_way(kind: ProbeKind, task: ProtocolSettings) -> None:
    if task.way != 2:
        raise ConfigError(f"probe {kind} asks a question with two answers, got way {task.way}; use --way 2")


def _with(test: Dataset, playback: Playback, class_name: Callable[[VideoRecord], str]) -> Dataset:
    """The videos and, beside each, itself in another order; without annotations, which no longer hold."""
    plain = [replace(video, annotation=None) for video in test.videos]
    played = [
        replace(
            video,
            name=_named(video.name, playback),
            class_name=class_name(video),
            playback=playback,
        )
        for video in plain
    ]
    return replace(test, videos=tuple(sorted([*plain, *played], key=lambda video: video.name)))


def _named(name: str, playback: Playback) -> str:
    return f"{name}, {playback}"


def _members(dataset: Dataset) -> tuple[tuple[int, ...], ...]:
    """Videos of each class, in the order of their names."""
    members: list[list[int]] = [[] for _ in dataset.classes]
    for video, label in enumerate(dataset.video_classes):
        members[label].append(video)
    return tuple(map(tuple, members))
