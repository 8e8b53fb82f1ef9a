"""Published lists of videos: read in any format, counted, matched with videos on disk, checked, imported.

Nothing here opens a video but :mod:`a2m2.data.lists.decoding`, which is imported by its own name.
"""

from a2m2.data.lists.against import against_findings
from a2m2.data.lists.findings import (
    CASES,
    Finding,
    FindingKind,
    by_kind,
    decode_findings,
    disk_findings,
    write_findings,
)
from a2m2.data.lists.list_findings import list_findings
from a2m2.data.lists.listed import ListedVideo, ListFile, ListFormat, VideoList
from a2m2.data.lists.on_disk import Matches, match_videos
from a2m2.data.lists.published import (
    PUBLISHED,
    Benchmark,
    count_splits,
    find_benchmark,
    published_counts,
    recognise_benchmark,
)
from a2m2.data.lists.reading import read_lists

__all__ = [
    "CASES",
    "PUBLISHED",
    "Benchmark",
    "Finding",
    "FindingKind",
    "ListFile",
    "ListFormat",
    "ListedVideo",
    "Matches",
    "VideoList",
    "against_findings",
    "by_kind",
    "count_splits",
    "decode_findings",
    "disk_findings",
    "find_benchmark",
    "list_findings",
    "match_videos",
    "published_counts",
    "read_lists",
    "recognise_benchmark",
    "write_findings",
]
