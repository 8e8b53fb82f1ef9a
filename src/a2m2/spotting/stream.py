"""From decoded frames to the windows of a plan, with no more frames in memory than the longest window holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

from a2m2.recognize.encoders import Seen
from a2m2.spotting.plan import Window, WindowPlan
from a2m2.video.stream import StreamedFrame

_SLACK = 0.25
"""A frame that is late by less than this share of a tick, as rounded times are, counts as on time."""

See = Callable[[StreamedFrame], Seen]
"""What is kept of one frame; the first axis of each entry has length 1."""


@dataclass(frozen=True, eq=False)
class SeenWindow:
    """A window and what was kept of the frames it looks at, in order."""

    window: Window
    frames: tuple[Seen, ...]


def seen_windows(
    frames: Iterable[StreamedFrame],
    plan: WindowPlan,
    see: See,
    *,
    duration_seconds: Callable[[], float] | None = None,
) -> Iterator[SeenWindow]:
    """Every window of the plan that lies wholly in the recording, as soon as its last tick has passed.

    A frame is seen once, and only if a window looks at it.

    Args:
        frames: in order of time, from 0.
        plan: the windows.
        see: turns a frame into what is kept.
        duration_seconds: asked after the last frame, how long the recording was; one tick more when None.
    """
    kept: dict[int, Seen] = {}
    for frame, ticks in _ticks(frames, plan, duration_seconds):
        seen = None
        for tick in ticks:
            if plan.needs(tick):
                seen = see(frame) if seen is None else seen
                kept[tick] = seen
            for window in plan.ending(tick):
                yield SeenWindow(window, tuple(kept[sample] for sample in window.samples))
            kept.pop(tick + 1 - plan.longest, None)


def _ticks(
    frames: Iterable[StreamedFrame], plan: WindowPlan, duration_seconds: Callable[[], float] | None
) -> Iterator[tuple[StreamedFrame, range]]:
    """Each frame with the ticks at which it is on screen: from its own time to that of the next."""
    tick = 0
    last = None
    for early, late in pairwise(chain(frames, [None])):
        assert early is not None
        if late is None:
            last = early
            break
        end = _first_tick(late.seconds, plan)
        yield early, range(tick, end)
        tick = max(tick, end)
    if last is not None:
        end = tick + 1 if duration_seconds is None else _first_tick(duration_seconds(), plan)
        yield last, range(tick, end)


def _first_tick(seconds: float, plan: WindowPlan) -> int:
    """The first tick that is not before a time, up to the slack."""
    return -int(-(seconds * plan.ticks_per_second - _SLACK) // 1)
