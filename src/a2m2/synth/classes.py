"""The hundred classes of each stratum, and their splits: 64 train, 12 val, 24 test.

``sets``: a class is a set of 2 to 4 sub-actions with a canonical order. Any permutation is physically legal.
``sequences``: a class is an order of 3 sub-actions. Classes come in families of four: an order, a
permutation of it (half the time the reverse order), and what both become in a film run backwards, where each
sub-action is inverted too. All orders that permutation and time reversal can reach lie in one split.

Both are pure functions of ``(stratum, seed)``.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from a2m2.synth.draws import Draws
from a2m2.synth.primitives import PRIMITIVES, is_permutable
from a2m2.synth.settings import Split, Stratum

SPLIT_SIZES: dict[Split, int] = {"train": 64, "val": 12, "test": 24}
FAMILY_SIZE = 4
SEQUENCE_LENGTH = 3

# Sizes of sets, in turn: half of them triples, a quarter pairs, a quarter quadruples.
_SET_SIZES = (3, 2, 3, 4)
_NUM_CANDIDATES = 64

_JOIN: dict[Stratum, str] = {"sets": "+", "sequences": "-"}


@dataclass(frozen=True)
class ClassDefinition:
    """One action class.

    Attributes:
        stratum: what ``names`` mean: a set, or an order.
        split: the split it belongs to.
        names: its sub-actions; for a set in canonical order.
    """

    stratum: Stratum
    split: Split
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """Folder name: sub-actions joined by ``+`` for a set and by ``-`` for a sequence."""
        return _JOIN[self.stratum].join(self.names)


@lru_cache(maxsize=16)
def draw_classes(stratum: Stratum, seed: int) -> tuple[ClassDefinition, ...]:
    """The hundred classes of a stratum: 64 of train, 12 of val, 24 of test."""
    draws = Draws("classes", stratum, seed)
    taken: set[frozenset[str]] = set()
    by_split: dict[Split, list[ClassDefinition]] = {}
    # The test classes come first: they have the free choice of combinations.
    for split in ("test", "val", "train"):
        size = SPLIT_SIZES[split]
        if stratum == "sets":
            sizes = [_SET_SIZES[i % len(_SET_SIZES)] for i in range(size)]
            orders = _draw_groups(draws, sizes, taken, twins=False)
        else:
            groups = _draw_groups(draws, [SEQUENCE_LENGTH] * (size // FAMILY_SIZE), taken, twins=True)
            orders = [order for group in groups for order in _family(draws, group)]
        by_split[split] = [ClassDefinition(stratum, split, names) for names in orders]
    return tuple(itertools.chain(*(by_split[split] for split in SPLIT_SIZES)))


def definitions_digest(classes: Iterable[ClassDefinition]) -> str:
    """16 hex digits that name a list of classes, splits and order included."""
    text = "\n".join(f"{c.stratum} {c.split} {c.name}" for c in classes)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def family_key(names: Iterable[str]) -> frozenset[frozenset[str]]:
    """What permuted and time-reversed twins of a class have in common."""
    kept = frozenset(names)
    return frozenset({kept, backwards_set(kept)})


def backwards(names: tuple[str, ...]) -> tuple[str, ...]:
    """The order seen in a film run backwards: reversed, each sub-action inverted."""
    return tuple(PRIMITIVES[name].inverse for name in reversed(names))


def backwards_set(names: Iterable[str]) -> frozenset[str]:
    """The sub-actions seen in a film run backwards."""
    return frozenset(PRIMITIVES[name].inverse for name in names)


def _draw_groups(
    draws: Draws, sizes: list[int], taken: set[frozenset[str]], *, twins: bool
) -> list[tuple[str, ...]]:
    """Permutable groups of sub-actions of the given sizes, in random order each; added to ``taken``.

    Of a few random candidates each time the one is kept that shares least with the groups before (one in
    common is free) and uses the rarest sub-actions: all sub-actions are used about equally often, and classes
    of one split overlap little. With ``twins`` an inverse counts as the same, because time-reversed twins
    will use it.
    """
    groups: list[tuple[str, ...]] = []
    before: list[frozenset[str]] = []
    used: Counter[str] = Counter()

    def uses(names: tuple[str, ...]) -> frozenset[str]:
        return frozenset(min(n, PRIMITIVES[n].inverse) for n in names) if twins else frozenset(names)

    def cost(names: tuple[str, ...]) -> tuple[int, int]:
        shared = max((len(uses(names) & other) for other in before), default=0)
        return max(shared, 1), sum(used[name] for name in uses(names))

    for size in sizes:
        best = min((_draw_group(draws, size, taken) for _ in range(_NUM_CANDIDATES)), key=cost)
        groups.append(best)
        before.append(uses(best))
        used.update(uses(best))
        taken.update({frozenset(best), backwards_set(best)})
    return groups


def _draw_group(draws: Draws, size: int, taken: set[frozenset[str]]) -> tuple[str, ...]:
    """A permutable group that is new, and that differs from its time reversal as a set."""
    names = tuple(PRIMITIVES)
    while True:
        group = tuple(names[i] for i in draws.permutation(len(names))[:size])
        if (
            is_permutable(group)
            and frozenset(group) not in taken
            and backwards_set(group) != frozenset(group)
        ):
            return group


def _family(draws: Draws, names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Four orders of one family: an order, a permuted twin, and both in a film run backwards."""
    others = [order for order in itertools.permutations(names) if order not in (names, names[::-1])]
    twin = names[::-1] if draws.flip() else others[draws.index(len(others))]
    return [names, twin, backwards(names), backwards(twin)]
