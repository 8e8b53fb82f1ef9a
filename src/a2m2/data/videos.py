"""The values that say which videos there are, of which class, in which split."""

from __future__ import annotations

import difflib
import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from a2m2.errors import DataError

Playback = Literal["forward", "backward", "shuffled"]


@dataclass(frozen=True)
class VideoRecord:
    """One video of a data set.

    Attributes:
        name: path relative to the data set's root with ``/`` between its parts; what records store.
        path: where it is: a video file or a folder of frames.
        class_name: name of its class.
        split: name of its split, empty when the data set has none.
        annotation: JSON file with its sub-action spans, None when there is none.
        playback: order in which its sampled frames are shown, see :mod:`a2m2.data.playback`.
    """

    name: str
    path: Path
    class_name: str
    split: str = ""
    annotation: Path | None = None
    playback: Playback = "forward"


@dataclass(frozen=True, repr=False)
class Dataset:
    """Videos sorted by name, so that nothing depends on the order in which a disk lists them.

    A class is its name: where two splits are pooled, classes of the same name are one class.

    Attributes:
        name: name of the folder or manifest, for people.
        root: folder that ``VideoRecord.name`` is relative to.
        videos: the videos, in the order of their names, each once.
    """

    name: str
    root: Path
    videos: tuple[VideoRecord, ...]

    def __post_init__(self) -> None:
        names = self.video_names
        unsorted = next((b for a, b in itertools.pairwise(names) if a >= b), None)
        if unsorted is not None:
            raise ValueError(f"expected videos sorted by name, each once, got {unsorted!r} out of order")

    def __len__(self) -> int:
        return len(self.videos)

    def __repr__(self) -> str:
        splits = f", splits {', '.join(self.splits)}" if self.splits else ""
        return f"Dataset({self.name}: {len(self)} videos, {len(self.classes)} classes{splits})"

    @cached_property
    def video_names(self) -> tuple[str, ...]:
        """Name of each video."""
        return tuple(video.name for video in self.videos)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class names, sorted."""
        return tuple(sorted({video.class_name for video in self.videos}))

    @cached_property
    def video_classes(self) -> tuple[int, ...]:
        """Position in ``classes`` of each video's class."""
        position = {name: index for index, name in enumerate(self.classes)}
        return tuple(position[video.class_name] for video in self.videos)

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, sorted; empty for a data set without splits."""
        return tuple(sorted({video.split for video in self.videos} - {""}))

    def select(self, splits: Sequence[str]) -> Dataset:
        """The videos of the splits named, pooled; all videos when none is named.

        Raises:
            DataError: a split that does not exist; the existing ones and the nearest are named.
        """
        wanted = (splits,) if isinstance(splits, str) else tuple(splits)
        for split in wanted:
            if not self.splits:
                raise DataError(f"{self.name} has no splits, but '{split}' was asked for; ask for none")
            if split not in self.splits:
                nearest = difflib.get_close_matches(split, self.splits, n=1)
                hint = f"did you mean '{nearest[0]}'?" if nearest else "name one of them"
                raise DataError(f"{self.name} has no split '{split}', only {', '.join(self.splits)}; {hint}")
        if not wanted:
            return self
        return replace(self, videos=tuple(video for video in self.videos if video.split in wanted))

    def at_most(self, most: int) -> Dataset:
        """At most ``most`` videos, taken in turn from each class, in the order of the list."""
        taken: dict[int, int] = {}
        ranked = []
        for index, label in enumerate(self.video_classes):
            taken[label] = taken.get(label, -1) + 1
            ranked.append((taken[label], index))
        kept = sorted(index for _, index in sorted(ranked)[:most])
        return replace(self, videos=tuple(self.videos[index] for index in kept))

    def digest(self, *, contents: Sequence[str] = ()) -> str:
        """16 hex digits that name the videos and their classes; splits and places do not enter.

        Args:
            contents: digest of each video's content, in the order of ``videos``; without it two data sets of
                the same names and classes have the same digest whatever their videos show.

        Raises:
            ValueError: ``contents`` is given but has not one entry a video.
        """
        if contents and len(contents) != len(self.videos):
            raise ValueError(f"expected {len(self.videos)} content digests, got {len(contents)}")
        digest = hashlib.sha256()
        for video, content in zip(self.videos, contents or ("",) * len(self.videos), strict=True):
            digest.update(repr((video.name, video.class_name, content)).encode())
        return digest.hexdigest()[:16]
