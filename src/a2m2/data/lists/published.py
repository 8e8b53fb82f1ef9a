"""What the five public benchmarks hold, and how a list is known to be one of them."""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal, NamedTuple

from a2m2.data.lists.keys import spelling, without_seconds
from a2m2.data.lists.listed import VideoList
from a2m2.errors import DataError

Benchmark = Literal["ssv2-full", "ssv2-small", "kinetics-100", "ucf-101", "hmdb-51"]


class Count(NamedTuple):
    """Classes and videos of one split."""

    classes: int
    videos: int


@dataclass(frozen=True)
class Published:
    """The published counts of a benchmark.

    Attributes:
        counts: split to count.
        source: who made the split.
        id_pattern: what an id of its videos looks like, without ``_start_end``.
    """

    counts: dict[str, Count]
    source: str
    id_pattern: re.Pattern[str]


_NUMBER = re.compile(r"\d{1,6}")
_YOUTUBE = re.compile(r"[\w-]{11}", re.ASCII)

PUBLISHED: dict[Benchmark, Published] = {
    "ssv2-full": Published(
        {"train": Count(64, 67_013), "val": Count(12, 1_926), "test": Count(24, 2_857)},
        "OTAM (Cao et al., CVPR 2020)",
        _NUMBER,
    ),
    "ssv2-small": Published(
        {"train": Count(64, 6_400), "val": Count(12, 1_200), "test": Count(24, 2_400)},
        "CMN (Zhu and Yang, ECCV 2018, and its extension in TPAMI)",
        _NUMBER,
    ),
    "kinetics-100": Published(
        {"train": Count(64, 6_400), "val": Count(12, 1_200), "test": Count(24, 2_400)},
        "CMN (Zhu and Yang, ECCV 2018)",
        _YOUTUBE,
    ),
    "ucf-101": Published(
        {"train": Count(70, 9_154), "val": Count(10, 1_421), "test": Count(21, 2_745)},
        "ARN (Zhang et al., ECCV 2020)",
        re.compile(r"v_\w+_g\d\d_c\d\d"),
    ),
    "hmdb-51": Published(
        {"train": Count(31, 4_280), "val": Count(10, 1_194), "test": Count(10, 1_292)},
        "ARN (Zhang et al., ECCV 2020)",
        re.compile(r".*_(?:f|h|l|u)_(?:cm|nm)_np\d_(?:ba|fr|le|ri)_(?:bad|goo|med)_\d+"),
    ),
}

_SHARE_OF_IDS = 0.9
"""Share of ids that must look like a benchmark's: a list with a few faults is still that list."""

_MOST_FROM_COUNTS = 4.0
"""Most that the videos of a split may be off the published number, as a ratio: any numbered clips look like SSV2."""


@dataclass(frozen=True)
class SplitCount:
    """What a list says of one split.

    Attributes:
        classes: number of classes.
        lines: number of lines.
        videos: number of different videos.
        smallest: videos of the smallest class.
        smallest_class: its name, the first by name among equals.
    """

    classes: int
    lines: int
    videos: int
    smallest: int
    smallest_class: str


def count_splits(listed: VideoList) -> dict[str, SplitCount]:
    """What the list says of each split."""
    counts = {}
    for split in listed.splits:
        lines = [video for video in listed.videos if video.split == split]
        different = {(video.class_name, video.source) for video in lines}
        of_class = Counter(name for name, _ in different)
        smallest, name = min((number, name) for name, number in of_class.items())
        counts[split] = SplitCount(len(of_class), len(lines), len(different), smallest, name)
    return counts


def published_counts(benchmark: Benchmark) -> dict[str, Count]:
    """Classes and videos of each split of a benchmark, as published."""
    return dict(PUBLISHED[benchmark].counts)


def find_benchmark(name: str) -> Benchmark:
    """The benchmark called ``name``, whatever its case, with or without hyphens: ``ucf-101``, ``UCF101``.

    Raises:
        DataError: no such benchmark; the nearest is named.
    """
    known = {spelling(benchmark): benchmark for benchmark in PUBLISHED}
    if spelling(name) in known:
        return known[spelling(name)]
    (nearest,) = difflib.get_close_matches(spelling(name), known, n=1, cutoff=0.0)
    raise DataError(f"no benchmark {name!r}; did you mean {known[nearest]}? Known are {', '.join(PUBLISHED)}")


def recognise_benchmark(listed: VideoList) -> tuple[Benchmark | None, str]:
    """The benchmark that a list is of, by its ids, then by the nearest counts; and why, in a few words."""
    ids = {without_seconds(video.source) for video in listed.videos}
    alike = [
        name
        for name, published in PUBLISHED.items()
        if sum(published.id_pattern.fullmatch(source) is not None for source in ids)
        >= _SHARE_OF_IDS * len(ids)
    ]
    if not alike:
        return None, "its ids are not those of a benchmark we know"
    counts = count_splits(listed)
    nearest = min(alike, key=lambda name: _distance(counts, name))
    if _distance(counts, nearest) > math.log(_MOST_FROM_COUNTS) * len(counts):
        return None, f"its ids look like those of {nearest}, but its counts are far from them"
    return nearest, "by its ids and counts"


def _distance(counts: dict[str, SplitCount], benchmark: Benchmark) -> float:
    """How far the numbers of videos are from the published ones, as a sum of ratios' logarithms."""
    published = PUBLISHED[benchmark].counts
    total = 0.0
    for split, count in counts.items():
        if split not in published:
            return math.inf
        total += abs(math.log(count.videos / published[split].videos))
    return total
