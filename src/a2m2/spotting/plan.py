"""Which windows of a recording are looked at, on a grid of ticks, and which frames they need."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from a2m2.errors import ConfigError
from a2m2.recognition_records import Label
from a2m2.settings import VideoSettings
from a2m2.video import sample_index

SPEEDS = (0.75, 1.0, 1.33)
"""How fast actions may be, relative to the enrolled clips."""
STRIDE = 0.25
"""From one window to the next, as a share of the window."""

_SLOWEST, _FASTEST = 0.05, 20.0
_ALIKE = 1.2
"""Lengths nearer to each other than this ratio are one."""


@dataclass(frozen=True)
class Window:
    """A stretch of ticks, the first and one past the last, and those whose frames are looked at."""

    start: int
    end: int
    samples: tuple[int, ...]


@dataclass(frozen=True)
class WindowLength:
    """All windows of one length.

    Attributes:
        length: in ticks.
        stride: ticks from the start of one to the start of the next.
        offsets: ticks after the start whose frames are looked at.
    """

    length: int
    stride: int
    offsets: tuple[int, ...]

    def needs(self, tick: int) -> bool:
        """Whether one of the windows looks at a tick."""
        return any(tick >= offset and (tick - offset) % self.stride == 0 for offset in self.offsets)

    def ending(self, tick: int) -> Window | None:
        """The window whose last tick this is."""
        start = tick + 1 - self.length
        if start < 0 or start % self.stride:
            return None
        return Window(start, tick + 1, tuple(start + offset for offset in self.offsets))


@dataclass(frozen=True)
class WindowPlan:
    """The windows of a recording.

    Attributes:
        ticks_per_second: the grid; a tick a frame, or more where the rate is too low for the shortest window.
        lengths: shortest first.
    """

    ticks_per_second: float
    lengths: tuple[WindowLength, ...]

    @property
    def longest(self) -> int:
        """Ticks of the longest window: no frame is kept for longer."""
        return max(length.length for length in self.lengths)

    def needs(self, tick: int) -> bool:
        """Whether some window looks at a tick."""
        return any(length.needs(tick) for length in self.lengths)

    def ending(self, tick: int) -> Iterator[Window]:
        """The windows whose last tick this is."""
        for length in self.lengths:
            window = length.ending(tick)
            if window is not None:
                yield window

    def count(self, duration_seconds: float) -> dict[int, int]:
        """Windows of each length, by the length in ticks, in a recording of constant rate."""
        ticks = math.floor(duration_seconds * self.ticks_per_second + 0.5)
        return {
            length.length: max(0, ticks - length.length) // length.stride + (ticks >= length.length)
            for length in self.lengths
        }

    def seconds(self, tick: int) -> float:
        """When a tick begins."""
        return tick / self.ticks_per_second


def window_seconds(
    durations: Mapping[Label, Sequence[float]], *, speeds: Sequence[float] = SPEEDS
) -> tuple[float, ...]:
    """Lengths of windows: the middle duration of each class's clips at each speed, those that are nearly alike once.

    Args:
        durations: of the enrolled clips of each class, in seconds.
        speeds: an action at speed 2 takes half as long as the enrolled clips.

    Raises:
        ConfigError: no speed, or one outside 0.05 to 20: windows would hold all memory, or less than a frame.
    """
    if not speeds or not all(_SLOWEST <= speed <= _FASTEST for speed in speeds):
        given = ", ".join(f"{speed:g}" for speed in speeds) or "none"
        raise ConfigError(
            f"expected speeds from {_SLOWEST:g} to {_FASTEST:g}, got {given}; give for example 0.75, 1 and 1.33"
        )
    wanted = sorted(median(some) / speed for some in durations.values() for speed in speeds)
    kept: list[float] = []
    for seconds in wanted:
        if not kept or seconds > _ALIKE * kept[-1]:
            kept.append(seconds)
    return tuple(kept)


def plan_windows(
    seconds: Sequence[float],
    *,
    stride: float = STRIDE,
    frames_per_second: float,
    video: VideoSettings,
    duration_seconds: float | None = None,
) -> WindowPlan:
    """Windows of these lengths over a recording.

    A window of n ticks looks at the ticks that the recogniser's policy takes of n frames, so it sees what the
    recogniser would see of a clip that was cut out there. Lengths are rounded to multiples of the number of sampled
    frames: with a stride of whole steps, windows of one length share all their frames (our choice).

    Args:
        seconds: lengths of windows.
        stride: from one window to the next, as a share of the window.
        frames_per_second: of the recording.
        video: what the recogniser looks at.
        duration_seconds: of the recording; windows that are longer shrink to it. None when nobody knows.

    Raises:
        ConfigError: a stride outside 0 to 1.
    """
    if not 0 < stride <= 1:
        raise ConfigError(f"expected a stride above 0 and at most 1, got {stride:g}; give for example 0.25")
    steps = video.num_frames
    finer = max(1, math.ceil(steps / (min(seconds) * frames_per_second)))
    rate = finer * frames_per_second
    most = None if duration_seconds is None else max(1, math.floor(duration_seconds * rate + 0.5))
    lengths: dict[int, WindowLength] = {}
    for some in seconds:
        step = max(1, round(some * rate / steps))
        length = step * steps if most is None else min(step * steps, most)
        offsets = sample_index(length, steps, policy=video.policy).tolist()
        whole = max(1, round(stride * steps)) * step
        lengths[length] = WindowLength(length, min(whole, length), tuple(offsets))
    return WindowPlan(rate, tuple(lengths[length] for length in sorted(lengths)))
