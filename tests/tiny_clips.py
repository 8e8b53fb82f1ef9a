"""Data sets of tiny clips for tests: a square moves, in a direction that is the class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from a2m2.video import write_clip

DIRECTIONS = {
    "right": (0, 1),
    "left": (0, -1),
    "down": (1, 0),
    "up": (-1, 0),
    "still": (0, 0),
    "down_right": (1, 1),
}
NUM_FRAMES = 16
SIZE = 48


def moving_square(class_name: str, seed: int) -> np.ndarray:
    """(time, 3, height, width) uint8: a square of random colour and start that moves two pixels a frame."""
    rng = np.random.default_rng(seed)
    row_step, column_step = DIRECTIONS[class_name]
    frames = np.full((NUM_FRAMES, 3, SIZE, SIZE), rng.integers(0, 60), np.uint8)
    row, column = rng.integers(14, 22, size=2)
    colour = rng.integers(120, 255, size=(3, 1, 1))
    for time in range(NUM_FRAMES):
        top = (row + 2 * time * row_step) % (SIZE - 12)
        left = (column + 2 * time * column_step) % (SIZE - 12)
        frames[time, :, top : top + 12, left : left + 12] = colour
    return frames


def make_dataset(root: Path, *, splits: dict[str, list[str]], clips_per_class: int) -> Path:
    """Write ``root/SPLIT/CLASS/NN.mp4``; the split named ``""`` writes ``root/CLASS/NN.mp4``."""
    seed = 0
    for split, class_names in splits.items():
        for class_name in class_names:
            folder = root / split / class_name
            folder.mkdir(parents=True)
            for index in range(clips_per_class):
                write_clip(folder / f"{index:02d}.mp4", moving_square(class_name, seed))
                seed += 1
    return root
