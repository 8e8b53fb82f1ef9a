"""The hundred classes of each stratum, and their splits: 64 train, 12 val, 24 test.

``sets``: a class is a set of 2 to 4 sub-actions with a canonical order. Any permutation is physically legal.
``sequences``: a class is an order of 3 sub-actions. Classes come in twos, an order and its twin: the reverse
order, another permutation, or the order in a film run backwards (reversed, each sub-action inverted), in
turn. All orders that permutation and time reversal can reach form a family, and a family lies wholly in one
split.

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
from a2m2.synth.figure_classes import draw_figure_class, figure_family
from a2m2.synth.primitives import PRIMITIVES, is_permutable
from a2m2.synth.settings import Split, Stratum

SPLIT_SIZES: dict[Split, int] = {"train": 64, "val": 12, "test": 24}
FAMILY_SIZE = 2
SEQUENCE_LENGTH = 3

# Sizes of sets, in turn: half of them triples, a quarter pairs, a quarter quadruples.
_SET_SIZES = (3, 2, 3, 4)
_NUM_CANDIDATES = 64

_JOIN: dict[Stratum, str] = {"sets": "+", "sequences": "-", "figures": "-"}


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
    figures: set[frozenset[frozenset[str]]] = set()
    by_split: dict[Split, list[ClassDefinition]] = {}
    # The test classes come first: they have the free choice of combinations.
    for split in ("test", "val", "train"):
        if stratum == "figures":
            by_split[split] = [
                ClassDefinition(stratum, split, names)
                for names in _draw_figures(draws, SPLIT_SIZES[split], figures)
            ]
            continue
        if stratum == "sets":
            sizes = [_SET_SIZES[i % len(_SET_SIZES)] for i in range(SPLIT_SIZES[split])]
        else:
            sizes = [SEQUENCE_LENGTH] * (SPLIT_SIZES[split] // FAMILY_SIZE)
        orders = _draw_orders(draws, sizes, taken, twins=stratum == "sequences")
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


def family_of(definition: ClassDefinition) -> frozenset[frozenset[str]]:
    """Equal for classes that are permuted or time-reversed twins of each other."""
    key = figure_family if definition.stratum == "figures" else family_key
    return key(definition.names)


def backwards(names: tuple[str, ...]) -> tuple[str, ...]:
    """The order seen in a film run backwards: reversed, each sub-action inverted."""
    return tuple(PRIMITIVES[name].inverse for name in reversed(names))


def backwards_set(names: Iterable[str]) -> frozenset[str]:
    """The sub-actions seen in a film run backwards."""
    return frozenset(PRIMITIVES[name].inverse for name in names)


def _draw_orders(
    draws: Draws, sizes: list[int], taken: set[frozenset[str]], *, twins: bool
) -> list[tuple[str, ...]]:
    """Permutable groups of sub-actions of the given sizes, each in random order; with ``twins`` a twin after
    each.

    Of a few random candidates each time the one is kept that shares least with the groups before (one
    sub-action in common is free) and uses the rarest: all sub-actions are used about equally often, and
    classes of one split overlap little. What the groups and their time reversals consist of is added to
    ``taken``.
    """
    orders: list[tuple[str, ...]] = []
    used: Counter[str] = Counter()

    def cost(names: tuple[str, ...]) -> tuple[int, int]:
        shared = max((len(set(names) & set(other)) for other in orders), default=0)
        return max(shared, 1), sum(used[name] for name in names)

    for position, size in enumerate(sizes):
        best = min((_draw_group(draws, size, taken) for _ in range(_NUM_CANDIDATES)), key=cost)
        members = [best, _twin(draws, best, position)] if twins else [best]
        orders += members
        used.update(itertools.chain.from_iterable(members))
        taken.update({frozenset(best), backwards_set(best)})
    return orders


def _draw_figures(draws: Draws, count: int, taken: set[frozenset[frozenset[str]]]) -> list[tuple[str, ...]]:
    """Classes of jointed figures whose families are new; they are added to ``taken``."""
    classes: list[tuple[str, ...]] = []
    while len(classes) < count:
        names = draw_figure_class(draws)
        family = figure_family(names)
        if family not in taken:
            taken.add(family)
            classes.append(names)
    return classes


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


def _twin(draws: Draws, names: tuple[str, ...], turn: int) -> tuple[str, ...]:
    """The other class of a family: reversed, otherwise permuted, or in a film run backwards, in turn."""
    others = [order for order in itertools.permutations(names) if order not in (names, names[::-1])]
    return (names[::-1], others[draws.index(len(others))], backwards(names))[turn % 3]
