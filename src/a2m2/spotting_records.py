"""What was found in a long recording: plain values, readable without torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

from a2m2.recognition_records import Label

Ending = Literal["end", "damage", "interrupt"]
"""Why the reading stopped: the recording ended, is damaged there, or the user asked."""


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording that shows an enrolled action.

    Attributes:
        label: its class.
        start_seconds, end_seconds: when.
        score: of the best window, as a recogniser scores a clip.
        probability: that it is this class, given that it is one of those enrolled.
    """

    label: Label
    start_seconds: float
    end_seconds: float
    score: float
    probability: float


@dataclass(frozen=True)
class Curve:
    """Scores along the recording: the best window of each class around each moment.

    Attributes:
        seconds: the moments, ascending.
        scores: for every class, in the order of the record's classes, a score a moment; None where no window lies.
    """

    seconds: tuple[float, ...]
    scores: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class SpottingRecord:
    """What was found in one recording.

    Attributes:
        video: its name.
        duration_seconds: its length.
        read_seconds: how far it was read.
        ending: why no further.
        damage: what is wrong there, in plain words; empty without damage.
        classes: the enrolled classes, sorted.
        threshold: score below which no window counts.
        num_windows: windows looked at.
        segments: what was found, in order of time.
        curve: scores along the recording.
    """

    video: str
    duration_seconds: float
    read_seconds: float
    ending: Ending
    damage: str
    classes: tuple[Label, ...]
    threshold: float
    num_windows: int
    segments: tuple[Segment, ...]
    curve: Curve

    def to_json(self) -> str:
        """Indented JSON."""
        return json.dumps(asdict(self), indent=1, allow_nan=False, ensure_ascii=False)
