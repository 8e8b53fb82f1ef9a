"""When an action starts and ends, told from windows as they come. Plain values, without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from a2m2.recognition_records import Label


@dataclass(frozen=True)
class Sighting:
    """A window that shows an action.

    Attributes:
        label: the class.
        start_seconds, end_seconds: of the window.
        rank: in the units in which windows are compared.
        probability: that it is this class, given that it is one of those enrolled.
    """

    label: Label
    start_seconds: float
    end_seconds: float
    rank: float
    probability: float


@dataclass(frozen=True)
class Event:
    """An action starts, or one that had started ends.

    Attributes:
        kind: which of the two.
        seconds: when, counted from the first frame.
        label: the class.
        probability: the best so far.
    """

    kind: Literal["start", "end"]
    seconds: float
    label: Label
    probability: float


class EventTracker:
    """Joins sightings into actions, one at a time.

    A sighting of the same class that overlaps prolongs an action. One of another class that overlaps takes its place if
    its rank is higher, and is passed over if not. An action has ended once a window was seen that begins after it.
    """

    def __init__(self) -> None:
        self._now: Sighting | None = None

    def update(self, seconds: float, sighting: Sighting | None) -> list[Event]:
        """What a window tells that has just ended.

        Args:
            seconds: when the window began.
            sighting: what it shows; None for nothing enrolled.
        """
        events = []
        if self._now is not None and seconds >= self._now.end_seconds:
            events += self.finish()
        if sighting is None:
            return events
        if self._now is None:
            self._now = sighting
            return [*events, _event("start", sighting.start_seconds, sighting)]
        if sighting.label == self._now.label:
            better = max(self._now, sighting, key=lambda one: one.rank)
            end = max(self._now.end_seconds, sighting.end_seconds)
            self._now = replace(better, start_seconds=self._now.start_seconds, end_seconds=end)
        elif sighting.rank > self._now.rank:
            ended = max(self._now.start_seconds, min(self._now.end_seconds, sighting.start_seconds))
            events += [_event("end", ended, self._now), _event("start", sighting.start_seconds, sighting)]
            self._now = sighting
        return events

    def finish(self) -> list[Event]:
        """End what goes on."""
        if self._now is None:
            return []
        ended, self._now = self._now, None
        return [_event("end", ended.end_seconds, ended)]


def _event(kind: Literal["start", "end"], seconds: float, sighting: Sighting) -> Event:
    return Event(kind, seconds, sighting.label, sighting.probability)
