"""From a list and a folder of videos to a manifest that :func:`a2m2.data.load_dataset` reads."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from a2m2.checks import write_text_atomic
from a2m2.data.digests import DigestCache
from a2m2.data.lists.list_findings import video_identity
from a2m2.data.lists.listed import ListedVideo, VideoList
from a2m2.data.lists.on_disk import Matches
from a2m2.data.manifest import COLUMNS
from a2m2.errors import DataError


@dataclass(frozen=True)
class ManifestRow:
    """One video of a manifest; ``digest`` is empty when it was not asked for."""

    path: Path
    class_name: str
    split: str
    source: str
    digest: str = ""


@dataclass(frozen=True)
class Import:
    """What goes into a manifest, and what does not.

    Attributes:
        rows: the videos, in the order of their lines.
        duplicates: lines that repeat one before them.
        left_out: lines whose video is missing or may be several.
    """

    rows: tuple[ManifestRow, ...]
    duplicates: tuple[ListedVideo, ...]
    left_out: tuple[ListedVideo, ...]


def plan_import(listed: VideoList, matches: Matches, *, allow_missing: bool = False) -> Import:
    """The rows of a manifest: each video once, those without a file left out only when that is allowed.

    Raises:
        DataError: a video is in two splits or two classes; a video is missing or ambiguous and
            ``allow_missing`` is False; no video is left.
    """
    rows: list[ManifestRow] = []
    duplicates: list[ListedVideo] = []
    left_out: list[ListedVideo] = []
    for video, path, first in zip(listed.videos, matches.found, _firsts(listed), strict=True):
        if first is not video:
            duplicates.append(video)
        elif path is None:
            left_out.append(video)
        else:
            rows.append(ManifestRow(path, video.class_name, video.split, video.source))
    if left_out and not allow_missing:
        some = left_out[0]
        raise DataError(
            f"{len(left_out):,} of {len(listed.videos):,} listed videos have no single file in {matches.root}, first "
            f"{some.place}: {some.path}; see them with a2m2 data check, or leave them out with --allow-missing"
        )
    if not rows:
        raise DataError(
            f"none of {len(listed.videos):,} listed videos is in {matches.root}; check the folder"
        )
    return Import(tuple(rows), tuple(duplicates), tuple(left_out))


def add_digests(
    rows: Sequence[ManifestRow],
    cache: DigestCache,
    *,
    num_threads: int = 4,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[ManifestRow, ...]:
    """The rows with the content digest of each video, remembered in ``cache``.

    Raises:
        DataError: a video cannot be read.
        OutputError: a digest cannot be stored.
    """
    digests = cache.digests([row.path for row in rows], num_threads=num_threads, progress=progress)
    return tuple(replace(row, digest=digest) for row, digest in zip(rows, digests, strict=True))


def write_manifest(path: Path, rows: Sequence[ManifestRow]) -> None:
    """Write a manifest, whole or not at all; paths below its folder are relative to it, others absolute.

    Raises:
        DataError: the name does not end in ``.csv``, without which a manifest is not read.
        OutputError: the file cannot be written.
    """
    check_manifest_name(path)
    write_text_atomic(path, manifest_text(path, rows))


def manifest_text(path: Path, rows: Sequence[ManifestRow]) -> str:
    """The content of a manifest at ``path``."""
    base = Path(os.path.abspath(path.parent))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        place = Path(os.path.abspath(row.path))
        shown = place.relative_to(base) if place.is_relative_to(base) else place
        writer.writerow([shown.as_posix(), row.class_name, row.split, row.source, row.digest])
    return text.getvalue()


def check_manifest_name(path: Path) -> None:
    """Refuse a name that :func:`a2m2.data.load_dataset` would not take for a manifest."""
    if path.suffix.lower() != ".csv":
        raise DataError(
            f"expected a manifest that ends in .csv, got {path}; name it {path.with_suffix('.csv')}"
        )


def _firsts(listed: VideoList) -> Iterator[ListedVideo]:
    """For each line the first line of the same video, itself or one before it."""
    first: dict[object, ListedVideo] = {}
    for video in listed.videos:
        known = first.setdefault(video_identity(listed, video), video)
        for what, ours, theirs in (
            ("splits", known.split, video.split),
            ("classes", known.class_name, video.class_name),
        ):
            if ours != theirs:
                raise DataError(
                    f"{known.place} and {video.place}: {video.source} is in two {what}, {ours} and {theirs}; "
                    "keep one of the lines"
                )
        yield known
