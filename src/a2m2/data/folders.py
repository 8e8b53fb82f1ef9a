"""What counts as a clip, and how clips are found below a folder.

A clip is a file with one of :data:`VIDEO_SUFFIXES`, or a folder of frames: one that directly holds images
with :data:`FRAME_SUFFIXES` and neither videos nor folders with clips of their own. Images beside videos, or
beside folders with clips, are previews and are ignored, as are files of any other kind and everything whose
name begins with a dot. Links are followed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from a2m2.errors import DataError

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".mov", ".webm", ".mkv", ".avi", ".gif", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp")
)
"""Suffixes of video files, in lower case; upper case counts as well."""

FRAME_SUFFIXES = frozenset((".jpg", ".jpeg", ".png"))
"""Suffixes of the images in a folder of frames, in lower case; upper case counts as well."""

MAX_DEPTH = 4
"""Folders below the root that are looked into: split, class, clip, and one to notice what lies too deep."""


@dataclass(frozen=True)
class FoundClip:
    """One clip below a root folder.

    Attributes:
        parts: names from the root to the clip; the last is the file or the folder of frames.
        annotation: the JSON file beside it with the same stem, or None.
    """

    parts: tuple[str, ...]
    annotation: Path | None


@dataclass(frozen=True)
class FoundClips:
    """What :func:`find_clips` found.

    Attributes:
        clips: all clips, a folder's videos before its subfolders.
        empty: folders, relative to the root, that hold no clip at any depth; a folder inside an empty one is
            not named again.
        broken: videos that are links to missing files.
    """

    clips: tuple[FoundClip, ...]
    empty: tuple[str, ...]
    broken: tuple[Path, ...]


def find_clips(root: Path, *, max_depth: int = MAX_DEPTH) -> FoundClips:
    """Every clip below ``root`` down to ``max_depth`` folders; the depth ends circles of links as well.

    Raises:
        DataError: a folder cannot be read.
    """
    return _visit(root, (), None, max_depth)


def annotation_beside(clip: Path) -> Path | None:
    """The file ``clip.json`` beside ``clip.mp4`` or beside the folder of frames ``clip``, or None."""
    # Unlike the methods of Path these take a name that is too long for one that is not there.
    beside = clip.with_name(f"{clip.name if os.path.isdir(clip) else clip.stem}.json")
    return beside if os.path.isfile(beside) else None


def frame_files(folder: Path) -> tuple[Path, ...]:
    """The images of a folder of frames, in the order of their names."""
    return tuple(folder / name for name in sorted(_list(folder).images))


@dataclass(frozen=True)
class _Listing:
    folders: list[str]
    videos: list[str]
    images: list[str]
    broken: list[str]
    notes: frozenset[str]


def _list(folder: Path) -> _Listing:
    folders: list[str] = []
    videos: list[str] = []
    images: list[str] = []
    broken: list[str] = []
    notes: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                suffix = os.path.splitext(entry.name)[1].lower()
                if entry.is_dir():
                    folders.append(entry.name)
                elif suffix in VIDEO_SUFFIXES:
                    (videos if entry.is_file() else broken).append(entry.name)
                elif suffix in FRAME_SUFFIXES:
                    images.append(entry.name)
                elif suffix == ".json":
                    notes.append(entry.name)
    except OSError as error:
        raise DataError(
            f"cannot read the folder {folder}: {(error.strerror or 'unknown fault').lower()}; check it"
        ) from None
    return _Listing(sorted(folders), sorted(videos), images, broken, frozenset(notes))


def _visit(folder: Path, parts: tuple[str, ...], beside: Path | None, max_depth: int) -> FoundClips:
    """The clips in ``folder``, which is ``parts`` below the root; ``beside`` annotates it if it is a clip."""
    listing = _list(folder)
    clips: list[FoundClip] = []
    empty: list[str] = []
    broken = [folder / name for name in listing.broken]
    for name in listing.videos:
        note = f"{os.path.splitext(name)[0]}.json"
        clips.append(FoundClip((*parts, name), folder / note if note in listing.notes else None))
    if len(parts) < max_depth:
        for name in listing.folders:
            note = f"{name}.json"
            annotation = folder / note if note in listing.notes else None
            below = _visit(folder / name, (*parts, name), annotation, max_depth)
            clips.extend(below.clips)
            empty.extend(below.empty)
            broken.extend(below.broken)
    if clips:
        return FoundClips(tuple(clips), tuple(empty), tuple(broken))
    if listing.images and parts:  # the root itself is never a clip: it would have no class
        return FoundClips((FoundClip(parts, beside),), (), tuple(broken))
    return FoundClips((), ("/".join(parts),), tuple(broken))
