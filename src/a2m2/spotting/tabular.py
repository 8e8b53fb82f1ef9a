"""Segments as JSON and as CSV, for other programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from a2m2.errors import DecodeError
from a2m2.spotting.outcome import Outcome
from a2m2.spotting_records import SpottingRecord

_COLUMNS = ("video", "class", "start", "end", "probability", "score")


def as_json(outcomes: Sequence[Outcome]) -> str:
    """A list with an object a recording."""
    return json.dumps([_as_object(*outcome) for outcome in outcomes], indent=1, ensure_ascii=False)


def as_csv(outcomes: Sequence[Outcome]) -> str:
    """A header and a line a segment."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for video, record in outcomes:
        if isinstance(record, DecodeError):
            continue
        for segment in record.segments:
            times = f"{segment.start_seconds:.3f}", f"{segment.end_seconds:.3f}"
            figures = f"{segment.probability:.4f}", f"{segment.score:.4f}"
            writer.writerow([str(video), segment.label, *times, *figures])
    return text.getvalue().rstrip("\n")


def _as_object(video: Path, record: SpottingRecord | DecodeError) -> dict[str, Any]:
    if isinstance(record, DecodeError):
        return {"video": str(video), "error": f"{record.cause}; {record.cure}", "segments": []}
    segments = [
        {
            "class": segment.label,
            "start": round(segment.start_seconds, 3),
            "end": round(segment.end_seconds, 3),
            "probability": round(segment.probability, 6),
            "score": round(segment.score, 6),
        }
        for segment in record.segments
    ]
    return {
        "video": str(video),
        "error": record.damage or None,
        "ending": record.ending,
        "read_seconds": round(record.read_seconds, 3),
        "duration_seconds": round(record.duration_seconds, 3),
        "segments": segments,
        "curve": asdict(record.curve),
    }
