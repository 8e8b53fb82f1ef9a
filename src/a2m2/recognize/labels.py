"""Labels of clips as plain values: all text, or all whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from a2m2.errors import DataError
from a2m2.recognition_records import UNKNOWN, Label


def plain_labels(labels: ArrayLike, num_clips: int) -> list[Label]:
    """One plain label a clip.

    Raises:
        DataError: another number of them, none, or labels that cannot be used.
    """
    plain = [label.item() if isinstance(label, np.generic) else label for label in np.asarray(labels, object)]
    if len(plain) != num_clips:
        raise DataError(
            f"expected one label a clip, got {num_clips} clips and {len(plain)} labels; match them"
        )
    return check_labels(plain)


def check_labels(labels: list[Any]) -> list[Label]:
    """``labels`` if they can stand beside each other.

    Raises:
        DataError: none, of mixed or other types, or the reserved word.
    """
    if not labels:
        raise DataError("expected at least one clip to enrol, got none; give some")
    kinds = {type(label) for label in labels}
    if kinds not in ({str}, {int}):
        named = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise DataError(f"expected labels that are all text or all whole numbers, got {named}; convert them")
    if UNKNOWN in labels:
        raise DataError(f"a class cannot be called {UNKNOWN!r}, the answer for clips of no class; rename it")
    return labels


def label_array(labels: Sequence[Label]) -> NDArray[Any]:
    """Labels as an array of text or of whole numbers."""
    return np.array(list(labels))
