"""Class names so alike that one is probably a slip of the pen."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from a2m2.data.lists.keys import spelling

_SHORTEST = 6
"""Names with fewer letters are not compared by edits: ``run`` and ``sun`` are two words."""


def similar_names(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of names with one spelling, or of at least six letters that one edit makes equal.

    An edit adds, drops or changes a letter, or swaps two neighbours; names that differ in a digit are numbered.

    Example:
        >>> list(similar_names(["CliffDiving", "CliffDivng", "cliff_diving"]))
        [('CliffDiving', 'CliffDivng'), ('CliffDiving', 'cliff_diving'), ('CliffDivng', 'cliff_diving')]
    """
    spelled = [(name, spelling(name)) for name in names]
    for (name, one), (other_name, other) in itertools.combinations(spelled, 2):
        if one == other or (min(len(one), len(other)) >= _SHORTEST and _one_edit_apart(one, other)):
            yield name, other_name


def _one_edit_apart(one: str, other: str) -> bool:
    if abs(len(one) - len(other)) > 1:
        return False
    start = next(
        (k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    one, other = one[start:], other[start:]
    if any(letter.isdigit() for letter in one[:1] + other[:1]):
        return False
    swapped = one[1:2] + one[:1] + one[2:]
    return one[1:] == other or one == other[1:] or one[1:] == other[1:] or swapped == other
