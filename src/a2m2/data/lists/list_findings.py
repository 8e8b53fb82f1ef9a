"""What is wrong with a list by itself: repeated lines, splits that overlap, counts that differ, classes too small."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Iterator
from pathlib import Path

from a2m2.data.lists.class_names import similar_names
from a2m2.data.lists.findings import Finding
from a2m2.data.lists.keys import without_seconds
from a2m2.data.lists.listed import ListedVideo, VideoList
from a2m2.data.lists.published import PUBLISHED, Benchmark, count_splits


def list_findings(
    listed: VideoList, *, benchmark: Benchmark | None, way: int, shot: int, query: int
) -> tuple[Finding, ...]:
    """Everything that a list shows by itself.

    Args:
        listed: the list.
        benchmark: whose published counts to compare with; None for none.
        way: classes of an episode.
        shot: labelled videos a class.
        query: videos to recognise a class.
    """
    return (
        *(_counts(listed, benchmark) if benchmark else ()),
        *_overlaps(listed),
        *_repetitions(listed),
        *_class_indices(listed),
        *_class_names(listed, benchmark),
        *_too_small(listed, way=way, shot=shot, query=query),
    )


def video_identity(listed: VideoList, video: ListedVideo) -> Hashable:
    """Equal for lines of one video: its id without ``_start_end``, with its class where ids are local to it."""
    source = without_seconds(video.source)
    return source if listed.ids_are_global else (video.class_name, source)


def _counts(listed: VideoList, benchmark: Benchmark) -> Iterator[Finding]:
    published = PUBLISHED[benchmark]
    counts = count_splits(listed)
    for split, (classes, videos) in published.counts.items():
        count = counts.get(split)
        if count is None:
            continue  # a list of one split alone is no fault; the table shows which there are
        if (count.classes, count.videos) != (classes, videos):
            text = (
                f"{split} has {count.videos:,} videos in {count.classes} classes, "
                f"{benchmark} by {published.source} {videos:,} in {classes}"
            )
            yield Finding("count-differs", text, _files(listed, split))
    for split in counts.keys() - published.counts.keys():
        yield Finding("count-differs", f"{benchmark} has no split {split!r}", _files(listed, split))


def _overlaps(listed: VideoList) -> Iterator[Finding]:
    places: dict[str, dict[Hashable, ListedVideo]] = {split: {} for split in listed.splits}
    for video in listed.videos:
        places[video.split].setdefault(video_identity(listed, video), video)
    for first, second in itertools.combinations(listed.splits, 2):
        shared = [identity for identity in places[first] if identity in places[second]]
        if shared and len(shared) == len(places[first]) == len(places[second]):
            text = f"the {first} list is the {second} list: the same {len(shared):,} videos"
            yield Finding("same-lists", text, (*_files(listed, first), *_files(listed, second)))
            continue
        for identity in shared:
            one, other = places[first][identity], places[second][identity]
            yield Finding("two-splits", f"{one.source} is in {first} and {second}", (one.place, other.place))
    yield from _shared_classes(listed)


def _shared_classes(listed: VideoList) -> Iterator[Finding]:
    first: dict[tuple[str, str], ListedVideo] = {}
    for video in listed.videos:
        first.setdefault((video.class_name, video.split), video)
    splits: dict[str, list[ListedVideo]] = {}
    for (name, _), video in first.items():
        splits.setdefault(name, []).append(video)
    for name, videos in splits.items():
        if len(videos) > 1:
            where = " and ".join(video.split for video in videos)
            yield Finding(
                "class-in-two-splits", f"{name} is in {where}", tuple(video.place for video in videos)
            )


def _repetitions(listed: VideoList) -> Iterator[Finding]:
    lines: dict[tuple[str, Hashable], list[ListedVideo]] = {}
    for video in listed.videos:
        lines.setdefault((video.split, video_identity(listed, video)), []).append(video)
    for (split, _), videos in lines.items():
        names = tuple(dict.fromkeys(video.class_name for video in videos))
        places = tuple(video.place for video in videos)
        if len(names) > 1:
            yield Finding("two-classes", f"{videos[0].source} is in classes {' and '.join(names)}", places)
        elif len(videos) > 1:
            times = "twice" if len(videos) == 2 else f"{len(videos)} times"
            yield Finding(
                "duplicate-line", f"{videos[0].source} is listed {times} in {split or 'the list'}", places
            )


def _class_indices(listed: VideoList) -> Iterator[Finding]:
    astray: dict[tuple[Path, str], list[ListedVideo]] = {}
    for video in listed.videos:
        if video.line_split not in ("", video.split):
            astray.setdefault((video.file, video.line_split), []).append(video)
    for (_, said), lines in astray.items():
        text = f"the line says {said}, the name of the file {lines[0].split} ({len(lines):,} such lines)"
        yield Finding("split-disagrees", text, (lines[0].place,))
    of_index: dict[int, dict[str, ListedVideo]] = {}
    for video in listed.videos:
        if video.class_index is not None and not video.has_class_name:
            of_index.setdefault(video.class_index, {}).setdefault(video.class_name, video)
    for index, videos in sorted(of_index.items()):
        if len(videos) > 1:
            text = f"class index {index} is another class in each split; called {', '.join(videos)}"
            yield Finding("local-class-index", text, tuple(video.place for video in videos.values()))


def _class_names(listed: VideoList, benchmark: Benchmark | None) -> Iterator[Finding]:
    # The names of a list with the published counts are the published ones: Kinetics-100 has car and cart.
    if benchmark is not None and not any(_counts(listed, benchmark)):
        return
    first = {video.class_name: video for video in reversed(listed.videos) if video.has_class_name}
    for one, other in similar_names(sorted(first)):
        text = f"{one!r} and {other!r} are two classes; is one misspelled?"
        yield Finding("similar-classes", text, (first[one].place, first[other].place))


def _too_small(listed: VideoList, *, way: int, shot: int, query: int) -> Iterator[Finding]:
    different: dict[tuple[str, str], set[str]] = {}
    first: dict[tuple[str, str], ListedVideo] = {}
    for video in listed.videos:
        different.setdefault((video.split, video.class_name), set()).add(video.source)
        first.setdefault((video.split, video.class_name), video)
    classes = Counter(split for split, _ in different)
    for split, number in classes.items():
        if number < way:
            text = f"{split or 'the list'} has {number} classes, {way}-way episodes need {way}"
            yield Finding("small-class", text, _files(listed, split))
    for (split, name), sources in different.items():
        if len(sources) < shot + query:
            text = (
                f"{name} in {split or 'the list'} has {len(sources)} videos, "
                f"{shot} shots and {query} queries need {shot + query}"
            )
            yield Finding("small-class", text, (first[split, name].place,))


def _files(listed: VideoList, split: str) -> tuple[str, ...]:
    return tuple(str(file.path) for file in listed.files if split in file.splits)
