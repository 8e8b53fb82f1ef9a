"""Which video on disk each line of a list means."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from a2m2.data.folders import find_clips
from a2m2.data.lists.keys import spelling, stem_of, without_seconds
from a2m2.data.lists.listed import ListedVideo, VideoList


@dataclass(frozen=True, repr=False)
class Matches:
    """The videos of a list, found or not.

    Attributes:
        root: the folder that was searched.
        found: path of each line's video, in the order of the lines; None where there is none or no single one.
        ambiguous: line (its position in the list) to the paths that it may mean, relative to ``root``.
        num_files: videos below ``root``.
    """

    root: Path
    found: tuple[Path | None, ...]
    ambiguous: dict[int, tuple[str, ...]]
    num_files: int

    def __repr__(self) -> str:
        missing = sum(path is None for path in self.found) - len(self.ambiguous)
        return f"Matches({len(self.found)} lines, {missing} missing, {len(self.ambiguous)} ambiguous)"


class _File(NamedTuple):
    """A video on disk: its parts below the root, its name without suffix, the spellings of its folders."""

    parts: tuple[str, ...]
    stem: str
    folders: frozenset[str]


def match_videos(listed: VideoList, root: str | Path) -> Matches:
    """Find the video of each line below ``root``, by names alone: nothing is opened.

    The folder is walked once; a root that does not exist holds nothing. See :func:`match_names` for the rule.

    Raises:
        DataError: a folder below ``root`` cannot be read.
    """
    root = Path(root)
    if all(file.format == "class folders" for file in listed.files):
        return Matches(root, tuple(video.file for video in listed.videos), {}, len(listed.videos))
    parts = [clip.parts for clip in find_clips(root).clips] if root.is_dir() else []
    return match_names(listed, root, parts)


def match_names(listed: VideoList, root: Path, files: Sequence[tuple[str, ...]]) -> Matches:
    """As :func:`match_videos`, for videos given by the names of their folders and their own, below ``root``.

    A video's name is looked for as it stands, then without the ``_start_end`` of Kinetics, then by its
    :func:`~a2m2.data.lists.keys.spelling`; the first that finds a video decides. Of several, those in a folder
    with the name of the class are kept, then those whose place ends as the line does, then those with its
    suffix. What is still not one is ambiguous; so are lines of different videos that find the same one, unless
    one of them names it exactly.

    A video in a folder of another class is never taken, nor one outside the folder of its own class when there
    is such a folder, or when several classes have a video of that name.
    """
    disk = _files(files)
    candidates_for = _by_name(disk)
    may_be = _class_rule(listed, disk)
    chosen: list[int | None] = []
    exact: list[bool] = []
    ambiguous: dict[int, list[int]] = {}
    for position, video in enumerate(listed.videos):
        places, is_exact = candidates_for(video.source)
        places = [place for place in places if may_be(video, disk[place])]
        if len(places) > 1:
            places = _nearest(video, places, disk)
        if len(places) > 1:
            ambiguous[position] = places
        chosen.append(places[0] if len(places) == 1 else None)
        exact.append(is_exact)
    _refuse_shared(listed.videos, chosen, exact, ambiguous)
    names = {
        position: tuple("/".join(disk[place].parts) for place in places)
        for position, places in ambiguous.items()
    }
    found = tuple(None if place is None else root.joinpath(*disk[place].parts) for place in chosen)
    return Matches(root, found, names, len(disk))


def _files(files: Iterable[tuple[str, ...]]) -> list[_File]:
    spellings: dict[tuple[str, ...], frozenset[str]] = {}
    disk = []
    for parts in files:
        folders = parts[:-1]
        if folders not in spellings:
            spellings[folders] = frozenset(spelling(name) for name in folders)
        disk.append(_File(parts, stem_of(parts[-1]), spellings[folders]))
    return disk


def _by_name(disk: Sequence[_File]) -> Callable[[str], tuple[list[int], bool]]:
    """From an id to positions of videos that may be it, and whether their names are exactly that."""
    by_stem = _index(file.stem for file in disk)

    # Most downloads need only the first of these: the others are made when they are first asked for.
    @functools.cache
    def looser() -> tuple[tuple[Callable[[str], str], dict[str, list[int]]], ...]:
        return (
            (without_seconds, _index(without_seconds(file.stem) for file in disk)),
            (spelling, _index(spelling(file.stem) for file in disk)),
            (
                lambda source: spelling(without_seconds(source)),
                _index(spelling(without_seconds(file.stem)) for file in disk),
            ),
        )

    def candidates(source: str) -> tuple[list[int], bool]:
        if source in by_stem:
            return by_stem[source], True
        for key, index in looser():
            if key(source) in index:
                return index[key(source)], False
        return [], False

    return candidates


def _index(keys: Iterable[str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    return places


def _class_rule(listed: VideoList, disk: Sequence[_File]) -> Callable[[ListedVideo, _File], bool]:
    """Whether a video of the right name may be the one listed, by the folders it lies in."""
    named = {video.class_name for video in listed.videos if video.has_class_name}
    class_of = {name: spelling(name) for name in named}
    classes = frozenset(class_of.values())
    with_folder = classes & frozenset().union(*{file.folders for file in disk})
    classes_with_source: dict[str, set[str]] = {}
    for video in listed.videos:
        if video.class_name in class_of:
            classes_with_source.setdefault(video.source, set()).add(class_of[video.class_name])

    def may_be(video: ListedVideo, file: _File) -> bool:
        name = class_of.get(video.class_name)
        if name is None or name in file.folders:
            return True
        by_itself = len(classes_with_source[video.source]) == 1
        return by_itself and name not in with_folder and not classes & file.folders

    return may_be


def _nearest(video: ListedVideo, places: list[int], disk: Sequence[_File]) -> list[int]:
    """Those of several candidates that agree best with the line."""
    wanted = tuple(part for part in video.path.split("/") if part)
    of_class = [place for place in places if spelling(video.class_name) in disk[place].folders]
    places = of_class or places
    for parts in ((*wanted[:-1], stem_of(wanted[-1])), wanted):
        same = [place for place in places if _ends(disk[place], parts)]
        places = same or places
    return places


def _ends(file: _File, wanted: tuple[str, ...]) -> bool:
    """Whether the place of a video ends as the line does, with or without the suffix."""
    whole, bare = file.parts, (*file.parts[:-1], file.stem)
    return wanted in (whole[-len(wanted) :], bare[-len(wanted) :])


def _refuse_shared(
    videos: Sequence[ListedVideo],
    chosen: list[int | None],
    exact: Sequence[bool],
    ambiguous: dict[int, list[int]],
) -> None:
    """Take a video away from lines that share it with lines of another id."""
    takers: dict[int, list[int]] = {}
    for position, place in enumerate(chosen):
        if place is not None:
            takers.setdefault(place, []).append(position)
    for place, positions in takers.items():
        if len({videos[position].source for position in positions}) == 1:
            continue
        owned = any(exact[position] for position in positions)
        for position in positions:
            if not exact[position]:
                chosen[position] = None
                if not owned:
                    ambiguous[position] = [place]
