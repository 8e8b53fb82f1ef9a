"""What a published list says, whatever its format: videos with a class, a split, and the line they stand in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

ListFormat = Literal[
    "class/video", "split-index/video", "split-index//path", "id frames label", "csv", "class folders"
]
"""The formats that are read; :mod:`a2m2.data.lists.formats` describes them."""


class ListedVideo(NamedTuple):
    """One line of a list.

    Attributes:
        file: the list; for class folders the clip itself.
        line: number of the line, from 1; 0 for class folders, which have no lines.
        split: ``train``, ``val``, ``test`` or another name; empty when nothing says it.
        class_name: name of the class if the line has one, else split and index (``train8``).
        class_index: index of the class, None when the line has none.
        source: id of the video: the last part of its path without the suffix of a video.
        path: all that the line says of its place, suffix included.
        line_split: the split that the line itself names, empty when it names none.
    """

    file: Path
    line: int
    split: str
    class_name: str
    class_index: int | None
    source: str
    path: str
    line_split: str

    @property
    def place(self) -> str:
        """``file:line``, or the file alone when there are no lines."""
        return f"{self.file}:{self.line}" if self.line else str(self.file)

    @property
    def has_class_name(self) -> bool:
        """Whether the line names its class, not only an index that means nothing outside its list."""
        return (
            self.class_index is None
            or self.class_name != f"{self.line_split or self.split}{self.class_index}"
        )


@dataclass(frozen=True)
class ListFile:
    """One list and how it was read.

    Attributes:
        path: the file or folder.
        format: its format.
        reason: why it was taken for that format, in a few words.
        splits: the splits of its lines.
        num_lines: lines that name a video.
    """

    path: Path
    format: ListFormat
    reason: str
    splits: tuple[str, ...]
    num_lines: int


@dataclass(frozen=True, repr=False)
class VideoList:
    """The lists of one data set, read.

    Attributes:
        files: the lists.
        videos: their lines, in the order of the files.
        passed_over: files of a folder that were not read, since their names say no split.
    """

    files: tuple[ListFile, ...]
    videos: tuple[ListedVideo, ...]
    passed_over: tuple[Path, ...] = ()

    def __repr__(self) -> str:
        return (
            f"VideoList({len(self.files)} files, {len(self.videos)} lines, splits {', '.join(self.splits)})"
        )

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits: train, val, test, then others by name."""
        known = ("train", "val", "test")
        names = {video.split for video in self.videos}
        return (*(name for name in known if name in names), *sorted(names - set(known)))

    @cached_property
    def ids_are_global(self) -> bool:
        """Whether an id names one video in the whole list, and not only within its class.

        ``jump/001`` and ``run/001`` are two videos. Ids are taken for local to their classes when more than a
        quarter of them stand under several class names (our choice): leaks are few, numbered clips are not.
        """
        classes: dict[str, set[str]] = {}
        for video in self.videos:
            if video.has_class_name:
                classes.setdefault(video.source, set()).add(video.class_name)
        return 4 * sum(len(names) > 1 for names in classes.values()) <= len(classes)
