"""Segments as WebVTT subtitles, which players and browsers show over the recording (W3C, WebVTT)."""

from __future__ import annotations

from html import escape

from a2m2.spotting_records import SpottingRecord


def webvtt(record: SpottingRecord) -> str:
    """A cue a segment: its class, and how likely it is."""
    cues = ["WEBVTT\n"]
    for number, segment in enumerate(record.segments, 1):
        # "-->" may not occur in a cue, and "<", "&" begin tags and entities.
        words = escape(" ".join(str(segment.label).split()), quote=False)
        start, end = timestamp(segment.start_seconds), timestamp(segment.end_seconds)
        cues.append(f"{number}\n{start} --> {end}\n{words} {100 * segment.probability:.0f} %\n")
    return "\n".join(cues)


def timestamp(seconds: float) -> str:
    """``hh:mm:ss.ttt``."""
    whole, milliseconds = divmod(round(1000 * seconds), 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02d}:{minute:02d}:{second:02d}.{milliseconds:03d}"
