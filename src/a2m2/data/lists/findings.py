"""What is wrong with a list and its videos, each finding with its lines and the published case behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from a2m2.checks import write_text_atomic
from a2m2.data.lists.listed import ListedVideo, VideoList
from a2m2.data.lists.on_disk import Matches

FindingKind = Literal[
    "count-differs",
    "same-lists",
    "two-splits",
    "class-in-two-splits",
    "duplicate-line",
    "two-classes",
    "split-disagrees",
    "local-class-index",
    "small-class",
    "similar-classes",
    "test-in-train",
    "val-in-train",
    "replaced-video",
    "missing-video",
    "ambiguous-match",
    "undecodable-video",
]

CASES: dict[FindingKind, str] = {
    "count-differs": "SSV2-Full is published with 67,013 training videos; some code bases list 77,500",
    "same-lists": "a code base of 2026 ships its test lists as validation lists on four sets: it selects on test",
    "two-splits": "a model is tested on what it was trained on, or selected on what it is tested on",
    "class-in-two-splits": "few-shot splits share no class: a test class seen in training is not new",
    "duplicate-line": "TAMT's SSV2-Full test list repeats 7 lines: a video can be support and query at once",
    "two-classes": "one video under two labels makes an episode that no method can get right",
    "split-disagrees": "lists copied under another name keep the split in their lines",
    "local-class-index": "indices start at 0 in each file of SSV2-Full: merged, three classes become one",
    "small-class": "SSV2-Full has test classes of 17 and 18 videos",
    "similar-classes": "the ARN lists spell class names with typos and hyphens",
    "test-in-train": "SSV2-Full train contains 568 SSV2-Small test videos",
    "val-in-train": "SSV2-Full train contains 200 SSV2-Small validation videos",
    "replaced-video": "the HyRSM lists of Kinetics-100 replaced 179/41/57 videos of train/val/test",
    "missing-video": "Kinetics videos vanish from YouTube: copies of Kinetics-100 differ",
    "ambiguous-match": "Kinetics ids come with and without _start_end, and begin with hyphens",
    "undecodable-video": "webm files of SSV2 fail in some decoders, and downloads break off",
}
"""The published case behind each kind of finding."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: what it is.
        text: the same in words, with the names concerned.
        places: the lines concerned, as ``file:line``, or files.
    """

    kind: FindingKind
    text: str
    places: tuple[str, ...]


def by_kind(findings: Iterable[Finding]) -> dict[FindingKind, tuple[Finding, ...]]:
    """Findings grouped by kind, in the order of :data:`FindingKind`; kinds without any are left out."""
    every = tuple(findings)
    groups = {kind: tuple(one for one in every if one.kind == kind) for kind in get_args(FindingKind)}
    return {kind: group for kind, group in groups.items() if group}


def disk_findings(listed: VideoList, matches: Matches) -> tuple[Finding, ...]:
    """Lines whose video is missing, or may be several."""
    found = []
    for position, (video, path) in enumerate(zip(listed.videos, matches.found, strict=True)):
        if path is not None:
            continue
        if position in matches.ambiguous:
            some = ", ".join(matches.ambiguous[position][:3])
            found.append(Finding("ambiguous-match", f"{video.source} may be {some}", (video.place,)))
        else:
            found.append(Finding("missing-video", f"{video.path} is not in {matches.root}", (video.place,)))
    return tuple(found)


def decode_findings(listed: VideoList, matches: Matches, faults: Mapping[Path, str]) -> tuple[Finding, ...]:
    """Lines whose video cannot be decoded; ``faults`` says of each such file why."""
    return tuple(
        Finding("undecodable-video", faults[path], (video.place,))
        for video, path in _found(listed, matches)
        if path in faults
    )


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Every finding in a line: kind, places, text, with tabs between them.

    Raises:
        OutputError: the file cannot be written.
    """
    rows = ("\t".join((one.kind, ", ".join(one.places), one.text)) for one in findings)
    write_text_atomic(path, "".join(f"{row}\n" for row in rows))


def _found(listed: VideoList, matches: Matches) -> Iterable[tuple[ListedVideo, Path]]:
    for video, path in zip(listed.videos, matches.found, strict=True):
        if path is not None:
            yield video, path
