"""From files or a folder of lists to a :class:`VideoList`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from a2m2.checks import nearest_path
from a2m2.data.lists.formats import Lines, read_lines
from a2m2.data.lists.keys import stem_of
from a2m2.data.lists.listed import ListedVideo, ListFile, VideoList
from a2m2.data.lists.splits import split_in, split_of_folder
from a2m2.data.manifest import load_dataset
from a2m2.errors import DataError

LIST_SUFFIXES = frozenset((".txt", ".csv", ".list", ".lst"))
"""Suffixes of lists looked for in a folder; a file that is named itself may have any."""


def read_lists(paths: str | Path | Iterable[str | Path]) -> VideoList:
    """The lists of one data set.

    The split of a line is what its file's name says, unless the lines of the file are of several splits; else
    what the line or the file's folder says. A class is named as in the line; an index is called ``train8``,
    with the split that it counts in, so that indices of two splits never meet. The folder in
    ``train0//videos/Class/x.avi`` is the class's name as long as indices and folders of a file belong together
    one to one.

    Args:
        paths: lists, a folder that holds them, or a folder of class folders.

    Raises:
        DataError: no list, lists of several data sets, a split that nothing tells, a line that does not fit.
    """
    given = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    if not given:
        raise DataError("no lists given; name the files or their folder")
    files: list[ListFile] = []
    videos: list[ListedVideo] = []
    passed_over: list[Path] = []
    named: list[Path] = []
    for path in given:
        if not path.is_dir():
            if not path.exists():
                raise DataError(f"no list {path}; {nearest_path(path) or 'check the path'}")
            named.append(path)
            continue
        lists, others = _lists_in(path)
        if lists:
            named.extend(lists)
            passed_over.extend(others)
        else:
            listed = _from_class_folders(path)
            videos.extend(listed)
            splits = tuple(dict.fromkeys(video.split for video in listed))
            reason = "it holds no lists but folders with videos"
            files.append(ListFile(path, "class folders", reason, splits, len(listed)))
    for path in named:
        read = read_lines(path)
        listed = _settle(path, read, alone=len(named) == 1)
        videos.extend(listed)
        splits = tuple(dict.fromkeys(video.split for video in listed))
        files.append(ListFile(path, read.format, read.reason, splits, len(listed)))
    return VideoList(tuple(files), tuple(videos), tuple(passed_over))


def _lists_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """The lists of a folder, and files that look like lists but belong to no split."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found.extend(
            Path(place, name)
            for name in sorted(names)
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in LIST_SUFFIXES
        )
    lists = [path for path in found if split_in(path.stem) or split_of_folder(path)]
    lists = lists or found
    places = sorted({path.parent for path in lists})
    if len(places) > 1 and not all(split_of_folder(path) for path in lists):
        some = ", ".join(str(place) for place in places[:3])
        raise DataError(
            f"{folder} holds lists in {len(places)} folders ({some}, ...): give the folder of one data set"
        )
    return lists, [path for path in found if path not in set(lists)]


def _from_class_folders(folder: Path) -> list[ListedVideo]:
    dataset = load_dataset(folder)
    return [
        ListedVideo(
            video.path,
            0,
            video.split,
            video.class_name,
            None,
            stem_of(video.path.name),
            video.name,
            video.split,
        )
        for video in dataset.videos
    ]


def _settle(path: Path, read: Lines, *, alone: bool) -> list[ListedVideo]:
    """The lines with split and class name settled."""
    of_file = _split_that_wins(path, read)
    listed = []
    folders_name = _belong_together((line.split, line.class_index, line.class_name) for line in read.lines)
    for line in read.lines:
        split = of_file or line.split or split_of_folder(path)
        if not split and not alone:
            raise DataError(
                f"{path}:{line.number}: neither the name nor the line says the split; "
                "name the file after train, val or test"
            )
        name = line.class_name
        if line.class_index is not None and not (name and folders_name):
            name = f"{line.split or split}{line.class_index}"
        source = stem_of(line.path.rsplit("/", 1)[-1])
        listed.append(
            ListedVideo(path, line.number, split, name, line.class_index, source, line.path, line.split)
        )
    return listed


def _split_that_wins(path: Path, read: Lines) -> str:
    """The split that the name of a file gives to all its lines, empty where lines speak for themselves.

    A column is always believed. ``test3/...`` in ``val.txt`` is not: it shows a test list that was given out
    as the validation list, which findings can name only when it stays one.
    """
    said = Counter(line.split for line in read.lines)
    of_name = split_in(path.stem)
    if read.format == "csv" and "" not in said:
        return ""
    return of_name if len(said) == 1 or said.most_common(1)[0][0] == of_name else ""


def _belong_together(classes: Iterable[tuple[str, int | None, str]]) -> bool:
    """Whether index and name determine each other."""
    pairs = {entry for entry in classes if entry[1] is not None}
    indices = {(split, index) for split, index, _ in pairs}
    names = {(split, name) for split, _, name in pairs}
    return len(pairs) == len(indices) == len(names)
