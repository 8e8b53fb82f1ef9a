"""What two lists have in common, or should have."""

from __future__ import annotations

from collections.abc import Iterator

from a2m2.data.lists.findings import Finding, FindingKind
from a2m2.data.lists.keys import without_seconds
from a2m2.data.lists.listed import ListedVideo, VideoList
from a2m2.data.lists.published import Benchmark

_HELD_OUT: dict[str, FindingKind] = {"test": "test-in-train", "val": "val-in-train"}


def against_findings(
    listed: VideoList, other: VideoList, *, benchmark: Benchmark | None, other_benchmark: Benchmark | None
) -> tuple[Finding, ...]:
    """Videos held out in one list and trained on in the other; for one benchmark, also videos that were replaced.

    Ids are compared without ``_start_end``, and with the class where they are local to it in either list. A
    list without splits counts as training.
    """
    local = not (listed.ids_are_global and other.ids_are_global)
    ours, theirs = _by_split(listed, local=local), _by_split(other, local=local)
    same = benchmark is not None and benchmark == other_benchmark
    return (
        *_leaks(ours, theirs, theirs_are_trained=True),
        *_leaks(theirs, ours, theirs_are_trained=False),
        *(_replaced(ours, theirs) if same else ()),
    )


_Splits = dict[str, dict[tuple[str, str], ListedVideo]]


def _by_split(listed: VideoList, *, local: bool) -> _Splits:
    splits: _Splits = {}
    for video in listed.videos:
        identity = (video.class_name if local else "", without_seconds(video.source))
        splits.setdefault(video.split or "train", {}).setdefault(identity, video)
    return splits


def _leaks(held_out: _Splits, trained: _Splits, *, theirs_are_trained: bool) -> Iterator[Finding]:
    train = trained.get("train", {})
    for split, kind in _HELD_OUT.items():
        for identity, video in held_out.get(split, {}).items():
            if identity in train:
                where = "the other list's train" if theirs_are_trained else "this list's train"
                whose = "this list's" if theirs_are_trained else "the other list's"
                places = (video.place, train[identity].place)
                yield Finding(kind, f"{video.source} of {whose} {split} is in {where}", places)


def _replaced(ours: _Splits, theirs: _Splits) -> Iterator[Finding]:
    for split, videos in ours.items():
        for identity, video in videos.items():
            if split in theirs and identity not in theirs[split]:
                text = f"{video.source} is not in the other list's {split}"
                yield Finding("replaced-video", text, (video.place,))
