"""What was found in a long recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a2m2.progress import Progress
from a2m2.recognize import Recognizer
from a2m2.spotting import SpotSettings, spot
from a2m2.spotting_records import SpottingRecord


@dataclass(frozen=True)
class RecordingAnswer:
    """One recording that was searched.

    Attributes:
        key: names it in addresses.
        record: what was found.
    """

    key: str
    record: SpottingRecord

    @property
    def name(self) -> str:
        """What its owner calls the recording."""
        return self.record.video


def search_recording(
    recognizer: Recognizer, path: Path, *, key: str, name: str, progress: Progress
) -> RecordingAnswer:
    """Find the enrolled actions in a recording.

    Raises:
        DecodeError: there is no video in it.
    """
    settings = SpotSettings(num_threads=recognizer.num_threads)
    return RecordingAnswer(
        key, spot(recognizer.enrolled_, path, settings=settings, name=name, progress=progress)
    )


def recording_summary(answer: RecordingAnswer) -> dict[str, Any]:
    """The answer for the page's list."""
    found = [str(segment.label) for segment in answer.record.segments]
    return {
        "kind": "recording",
        "key": answer.key,
        "name": answer.name,
        "num_segments": len(found),
        "labels": sorted(set(found)),
    }


def recording_detail(answer: RecordingAnswer) -> dict[str, Any]:
    """The answer with its timeline: segments, and the best score around every moment."""
    record = answer.record
    moments = zip(*record.curve.scores, strict=True)
    best = [max((score for score in scores if score is not None), default=None) for scores in moments]
    return {
        **recording_summary(answer),
        "duration": record.duration_seconds,
        "read": record.read_seconds,
        "damage": record.damage,
        "threshold": record.threshold,
        "classes": [str(label) for label in record.classes],
        "segments": [
            {
                "label": str(segment.label),
                "start": segment.start_seconds,
                "end": segment.end_seconds,
                "probability": segment.probability,
                "score": segment.score,
            }
            for segment in record.segments
        ],
        "curve": {"seconds": record.curve.seconds, "best": best},
    }
