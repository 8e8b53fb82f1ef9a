"""When live actions start and end."""

from __future__ import annotations

from a2m2.spotting.events import Event, EventTracker, Sighting


def told(*windows: tuple[float, str | None, float]) -> list[tuple[str, float, str]]:
    """Events of windows two seconds long: start, class, rank."""
    tracker = EventTracker()
    events: list[Event] = []
    for start, label, rank in windows:
        sighting = None if label is None else Sighting(label, start, start + 2.0, rank, 0.9)
        events += tracker.update(start, sighting)
    events += tracker.finish()
    return [(event.kind, event.seconds, str(event.label)) for event in events]


def test_windows_that_overlap_are_one_action() -> None:
    assert told(
        (0.0, None, 0.0), (0.5, "kick", 3.0), (1.0, "kick", 4.0), (1.5, None, 0.0), (4.0, None, 0.0)
    ) == [
        ("start", 0.5, "kick"),
        ("end", 3.0, "kick"),
    ]


def test_an_action_ends_before_the_next_of_its_class_starts() -> None:
    assert told((0.0, "kick", 3.0), (2.0, "kick", 3.0)) == [
        ("start", 0.0, "kick"),
        ("end", 2.0, "kick"),
        ("start", 2.0, "kick"),
        ("end", 4.0, "kick"),
    ]


def test_of_two_classes_at_once_the_better_one_stays() -> None:
    assert told((0.0, "kick", 3.0), (0.5, "serve", 2.0)) == [("start", 0.0, "kick"), ("end", 2.0, "kick")]
    assert told((0.0, "kick", 3.0), (0.5, "serve", 4.0)) == [
        ("start", 0.0, "kick"),
        ("end", 0.5, "kick"),
        ("start", 0.5, "serve"),
        ("end", 2.5, "serve"),
    ]


def test_nothing_seen_is_nothing_told() -> None:
    assert told((0.0, None, 0.0), (1.0, None, 0.0)) == []
