"""The smallest recognisers: motion filters on moving squares, given as frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from a2m2.recognize import Recognizer
from tiny_clips import moving_square

CLASSES = ("down", "left", "right")


def squares(
    classes: tuple[str, ...] = CLASSES, seeds: range = range(3)
) -> tuple[list[np.ndarray], list[str]]:
    """Clips and their labels, a clip a class and seed."""
    labels = [name for name in classes for _ in seeds]
    return [moving_square(name, seed) for name in classes for seed in seeds], labels


def small(cache: Path, **changes: object) -> Recognizer:
    """A recogniser that sees four 48-pixel frames with motion filters."""
    return Recognizer(
        **{
            "backbone": "motion-filters",
            "num_frames": 4,
            "size": 48,
            "cache": str(cache),
            "num_threads": 1,
            **changes,
        }
    )
