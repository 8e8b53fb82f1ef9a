"""The clips of a collection: found, named, and told apart by what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from a2m2.checks import nearest_path
from a2m2.data import DigestCache, load_dataset
from a2m2.data.folders import find_clips
from a2m2.errors import DataError
from a2m2.eval.maps import Progress
from a2m2.eval.threads import map_in_threads
from a2m2.library_records import BrokenClip

MAX_DEPTH = 16
"""Folders below a collection that are looked into."""


@dataclass(frozen=True)
class Collection:
    """Clips by name, and their contents.

    Attributes:
        paths: where each clip is, by its name: its path below the collection. Sorted by name.
        digests: content digest of each that could be read.
        unreadable: the others.
    """

    paths: Mapping[str, Path]
    digests: Mapping[str, str]
    unreadable: tuple[BrokenClip, ...] = field(default=())

    def contents(self) -> dict[str, Path]:
        """One clip for each content, in the order of names."""
        found: dict[str, Path] = {}
        for name, digest in self.digests.items():
            found.setdefault(digest, self.paths[name])
        return found


def list_clips(place: Path) -> dict[str, Path]:
    """Every clip of a folder, however it is arranged, or of a manifest; by its name, sorted.

    Raises:
        DataError: nothing there, no clip in it, or a folder that cannot be read.
    """
    if place.is_file():
        return {video.name: video.path for video in load_dataset(place).videos}
    if not place.is_dir():
        raise DataError(f"no folder or manifest {place}; {nearest_path(place) or 'check the path'}")
    found = find_clips(place, max_depth=MAX_DEPTH)
    paths = {"/".join(clip.parts): place.joinpath(*clip.parts) for clip in found.clips}
    paths |= {path.relative_to(place).as_posix(): path for path in found.broken}
    if not paths:
        raise DataError(f"{place} holds no videos and no folders of frames; give the folder that does")
    return dict(sorted(paths.items()))


def read_collection(
    place: Path, *, digests: DigestCache, num_threads: int = 2, progress: Progress | None = None
) -> Collection:
    """The clips of a folder or manifest, each read once to learn its content digest.

    Raises:
        DataError: see :func:`list_clips`.
        OutputError: the digests cannot be remembered.
    """
    paths = list_clips(place)

    def digest(path: Path) -> str | DataError:
        try:
            return digests.digest(path)
        except DataError as error:
            return error

    known: dict[str, str] = {}
    unreadable = []
    results = map_in_threads(digest, paths.values(), num_threads=num_threads)
    for name, result in zip(paths, results, strict=True):
        if isinstance(result, DataError):
            unreadable.append(BrokenClip(name, str(result)))
        else:
            known[name] = result
        if progress is not None:
            progress("reading clips", len(known) + len(unreadable), len(paths))
    return Collection(paths, known, tuple(unreadable))
