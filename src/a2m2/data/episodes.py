"""Few-shot tasks drawn from a split: episode ``i`` of seed ``s`` is a pure function of ``(s, i)``.

The random words of an episode are the SHAKE-256 stream of its name, cut into 64-bit numbers; a word becomes a
number below ``n`` by multiplication, with the few words rejected that would favour small numbers (Lemire,
2019, arXiv 1805.10941), so every choice is exactly uniform. Members are chosen by a partial Fisher-Yates
shuffle. Nothing depends on a library's generator, on a platform, or on which episodes were drawn before.
"""

from __future__ import annotations

import hashlib
import operator
import struct
from collections.abc import Iterator, Sequence

from a2m2.errors import EpisodeError
from a2m2.records import Episode


class EpisodeSampler:
    """Episodes of ``way`` classes with ``shot`` labelled and ``query`` unlabelled videos each.

    Classes are drawn without replacement and come in random order; in each, ``shot + query`` different videos
    are drawn without replacement, so support and query are disjoint. Classes enter in the order of their
    names and videos in the order given: give them sorted by name, as :class:`~a2m2.data.videos.Dataset` does.

    Args:
        video_classes: class of each video, as a position in ``class_names``.
        class_names: name of each class, each once.
        way: number of classes in an episode, at least 2.
        shot: number of support videos a class, at least 1.
        query: number of query videos a class, at least 1.
        seed: any integer.

    Raises:
        EpisodeError: numbers below their least value, fewer classes than ``way``, or classes with fewer than
            ``shot + query`` videos, which are named.
        ValueError: a video's class is not a position in ``class_names``, or a name comes twice.
    """

    def __init__(
        self,
        video_classes: Sequence[int],
        *,
        class_names: Sequence[str],
        way: int,
        shot: int,
        query: int,
        seed: int,
    ) -> None:
        for name, value, least in (("way", way, 2), ("shot", shot, 1), ("query", query, 1)):
            if value < least:
                raise EpisodeError(f"{name} must be at least {least}, got {value}; raise it")
        if len(set(class_names)) < len(class_names):
            raise ValueError(f"expected each class name once, got {sorted(class_names)}")
        members: list[list[int]] = [[] for _ in class_names]
        for video, label in enumerate(video_classes):
            if not 0 <= label < len(class_names):
                raise ValueError(
                    f"expected classes in 0 … {len(class_names) - 1}, got {label} for video {video}"
                )
            members[label].append(video)
        self._classes = sorted(range(len(class_names)), key=lambda label: class_names[label])
        self._members = members
        self.way, self.shot, self.query, self.seed = way, shot, query, seed
        self._check([class_names[label] for label in self._classes])

    def episode(self, index: int) -> Episode:
        """Episode number ``index`` (from 0); about 10 µs for 5-way 1-shot."""
        index = operator.index(index)  # records hold plain integers, whatever the caller counts with
        if index < 0:
            raise ValueError(f"expected an episode index of 0 or more, got {index}")
        words = random_words(self.seed, index, expected=self.way * (1 + self.shot + self.query))
        classes = [self._classes[position] for position in draw(words, len(self._classes), self.way)]
        support, query = [], []
        for label in classes:
            members = self._members[label]
            drawn = [members[position] for position in draw(words, len(members), self.shot + self.query)]
            support.append(tuple(drawn[: self.shot]))
            query.append(tuple(drawn[self.shot :]))
        return Episode(index, tuple(classes), tuple(support), tuple(query))

    def _check(self, names: Sequence[str]) -> None:
        if len(names) < self.way:
            found = f"{len(names)} class{'' if len(names) == 1 else 'es'}"
            raise EpisodeError(
                f"{self.way}-way episodes need {self.way} classes, got {found}; lower way or add classes"
            )
        needed = self.shot + self.query
        counts = [(name, len(self._members[label])) for name, label in zip(names, self._classes, strict=True)]
        small = [f"'{name}' has {count}" for name, count in counts if count < needed]
        if small:
            rest = f" and {len(small) - 5} more classes are too small" if len(small) > 5 else ""
            raise EpisodeError(
                f"shot {self.shot} + query {self.query} needs {needed} videos a class, "
                f"but {', '.join(small[:5])}{rest}; lower shot or query, or leave these classes out"
            )


def random_words(seed: int, index: int, *, expected: int) -> Iterator[int]:
    """The endless stream of 64-bit words of one episode; ``expected`` only says how many to make at once."""
    name = f"a2m2 episode {index} of seed {seed}".encode()
    start, stop = 0, expected
    while True:
        # A longer output of SHAKE-256 begins with every shorter one.
        yield from struct.unpack_from(
            f"<{stop - start}Q", hashlib.shake_256(name).digest(8 * stop), 8 * start
        )
        start, stop = stop, 2 * stop


def draw(words: Iterator[int], size: int, num: int) -> list[int]:
    """``num`` different numbers below ``size`` in random order, all ordered choices equally likely."""
    moved: dict[int, int] = {}
    chosen = []
    for position in range(num):
        other = position + _below(words, size - position)
        chosen.append(moved.get(other, other))
        moved[other] = moved.get(position, position)
    return chosen


def _below(words: Iterator[int], bound: int) -> int:
    """A number in 0 … bound − 1, all equally likely."""
    while True:
        product = next(words) * bound
        # The low half says which of 2^64 / bound words fell here; a bin's first 2^64 mod bound are surplus.
        if product & 0xFFFFFFFFFFFFFFFF >= (1 << 64) % bound:
            return product >> 64
