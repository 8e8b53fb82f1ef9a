"""Lists of clips from several folders, for the programs that need more than one data set."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

from a2m2.checks import atomic_path


def write_list(path: Path, clips: Iterable[Path], *, class_name: Callable[[Path], str] | None = None) -> None:
    """A manifest of clips ``…/SPLIT/CLASS/clip``, with paths relative to its own folder.

    Args:
        path: file to write, whole or not at all.
        clips: all below the folder of ``path``.
        class_name: what to call the class of a clip; the name of its folder when None.
    """
    rows = [
        (
            clip.relative_to(path.parent).as_posix(),
            clip.parts[-2] if class_name is None else class_name(clip),
            clip.parts[-3],
        )
        for clip in clips
    ]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "class", "split"), *rows])
