"""The plan between two film strips as plain numbers for the page: where things lie, what each link says."""

from __future__ import annotations

from typing import Any

from a2m2.records import EvidenceRecord, FilmStrip
from a2m2.report.links import find_links
from a2m2.report.timeline import WIDTH, place_candidates


def plan_layout(record: EvidenceRecord) -> dict[str, Any]:
    """Both strips and the links between their candidates; x runs from 0 to 1 along a strip.

    Links come lightest first, so that heavy ones are drawn on top.
    """
    links, groups = find_links(record)
    return {
        "query": _strip(record.query),
        "support": _strip(record.support),
        "score": record.score,
        "links": [
            {
                "query": link.query,
                "support": link.support,
                "mass": link.mass,
                "similarity": link.similarity,
                "group": link.group,
            }
            for link in links
        ],
        "groups": [{"label": group.label, "mass": group.mass} for group in groups],
    }


def _strip(strip: FilmStrip) -> dict[str, Any]:
    return {
        "name": strip.video.rsplit("/", 1)[-1],
        "class": strip.class_name,
        "duration": strip.duration_seconds,
        "frame_seconds": strip.frame_seconds,
        "candidates": [
            {
                "x": anchor.x / WIDTH,
                "left": anchor.left / WIDTH,
                "right": anchor.right / WIDTH,
                "lane": anchor.lane,
                "start": start,
                "end": end,
            }
            for anchor, (start, end) in zip(place_candidates(strip), strip.spans, strict=True)
        ],
    }
