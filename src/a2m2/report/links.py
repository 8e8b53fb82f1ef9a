"""What the links of an alignment picture say: which are drawn, how heavy, and what both their ends show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from a2m2.records import EvidenceRecord, FilmStrip, SubActionSpan
from a2m2.report.timeline import frames_per_candidate
from a2m2.report.wording import counted

SMALLEST_SHARE = 0.001
MOST_LINKS = 240


@dataclass(frozen=True)
class Link:
    """One entry of the plan.

    Attributes:
        query, support: positions of the two candidates.
        mass: share of the whole plan's mass.
        similarity: cosine of the two candidates.
        group: position in the picture's groups of scales.
        sub_action: the one that both candidates show; None when they differ or nothing is known.
    """

    query: int
    support: int
    mass: float
    similarity: float
    group: int
    sub_action: str | None


@dataclass(frozen=True)
class Group:
    """Links between candidates of one scale, or across scales, and the mass they carry."""

    label: str
    mass: float


def find_links(record: EvidenceRecord) -> tuple[list[Link], list[Group]]:
    """The links worth drawing, lightest first (heavy ones are drawn on top), and all groups with any mass.

    Links below a thousandth of the mass are left out, and all but the heaviest 240.
    """
    labels = _scale_labels(record.query)
    across = len(labels)
    scales = {scale: i for i, scale in enumerate(sorted(labels))}
    shown = [sub_actions(strip) for strip in (record.query, record.support)]
    masses = [0.0] * (across + 1)
    links = []
    for i, row in enumerate(record.plan):
        for j, mass in enumerate(row):
            if mass <= 0:
                continue
            same_scale = record.query.scale[i] == record.support.scale[j]
            group = scales[record.query.scale[i]] if same_scale else across
            masses[group] += mass
            same = shown[0][i] is not None and shown[0][i] == shown[1][j]
            if mass >= SMALLEST_SHARE:
                links.append(Link(i, j, mass, record.similarity[i][j], group, shown[0][i] if same else None))
    links.sort(key=lambda link: link.mass)
    names = [*(labels[scale] for scale in sorted(labels)), "across scales"]
    return links[-MOST_LINKS:], [Group(name, mass) for name, mass in zip(names, masses, strict=True)]


def sub_actions(strip: FilmStrip) -> list[str | None]:
    """The sub-action that more than half of each candidate's sampled frames show; None if none does."""
    shown = [_at(seconds, strip.truth) for seconds in strip.frame_seconds]
    found: list[str | None] = []
    for start, end in strip.spans:
        inside = [
            name
            for name, seconds in zip(shown, strip.frame_seconds, strict=True)
            if start <= seconds < end or start == seconds == end
        ]
        most, times = Counter(inside).most_common(1)[0] if inside else (None, 0)
        found.append(most if 2 * times > len(inside) else None)
    return found


def _at(seconds: float, truth: Iterable[SubActionSpan]) -> str | None:
    """The sub-action of a moment; None when nothing happens."""
    return next((span.name for span in truth if span.start_seconds <= seconds < span.end_seconds), None)


def _scale_labels(strip: FilmStrip) -> dict[int, str]:
    """``1 frame``, ``2 frames`` … where that tells the scales apart, else ``scale 1``, ``scale 2`` …"""
    lengths = {scale: round(frames) for scale, frames in frames_per_candidate(strip).items()}
    if len(set(lengths.values())) < len(lengths) or min(lengths.values()) < 1:
        return {scale: f"scale {scale + 1}" for scale in lengths}
    return {scale: counted(frames, "frame") for scale, frames in lengths.items()}
