"""Where the moments and candidates of a film strip lie along x: plain geometry, no drawing."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass

from a2m2.records import FilmStrip

WIDTH = 960.0
"""Length of every film strip in the drawing's own units."""
SINGLE_FRAME = 1.5
"""A scale whose candidates are on average shorter than this many frames attaches to the frames themselves."""


@dataclass(frozen=True)
class TimeAxis:
    """Seconds to x: every sampled frame has a slot of equal width, for the stretch of time around it.

    A stretch reaches half-way to the neighbouring frames; the first begins at 0, the last ends the video.
    Time therefore runs evenly where frames were sampled evenly, and a window of frames ends at slots' edges.
    Frames that repeat in a short clip have stretches without length: ``left`` and ``right`` give both ends of
    the x that such a moment covers.

    Attributes:
        boundaries: ascending seconds at the slots' edges, one more than frames.
    """

    boundaries: tuple[float, ...]

    @classmethod
    def of(cls, strip: FilmStrip) -> TimeAxis:
        """The axis of a film strip whose frame times ascend."""
        times = strip.frame_seconds
        middles = [(a + b) / 2 for a, b in itertools.pairwise(times)]
        return cls((0.0, *middles, max(strip.duration_seconds, times[-1])))

    @property
    def slot(self) -> float:
        """Width of one frame."""
        return WIDTH / (len(self.boundaries) - 1)

    def left(self, seconds: float) -> float:
        """Leftmost x of a moment; moments outside the video lie at its ends."""
        return self._x(seconds, bisect_left(self.boundaries, seconds))

    def right(self, seconds: float) -> float:
        """Rightmost x of a moment."""
        return self._x(seconds, bisect_right(self.boundaries, seconds))

    def stretch(self, start: float, end: float) -> tuple[float, float]:
        """The x covered by the seconds from ``start`` to ``end``."""
        if start < end:
            return self.right(start), self.left(end)
        return self.left(start), self.right(end)

    def _x(self, seconds: float, after: int) -> float:
        if after == 0:
            return 0.0
        if after == len(self.boundaries):
            return WIDTH
        start, end = self.boundaries[after - 1], self.boundaries[after]
        part = (seconds - start) / (end - start) if end > start else 0.0
        return (after - 1 + part) * self.slot


@dataclass(frozen=True)
class Anchor:
    """Where a candidate's links end.

    Attributes:
        x: where they attach.
        left, right: what the candidate covers.
        lane: 0 at the frames themselves, else the lane of its bracket, 1 nearest to the frames.
    """

    x: float
    left: float
    right: float
    lane: int


def place_candidates(strip: FilmStrip) -> list[Anchor]:
    """One anchor a candidate, in their order.

    Candidates alike in scale and span (regions of a frame, repeated frames, several shots) are spread evenly
    over what they cover. Scales of single frames attach to the frames; the others get lanes, short windows
    nearest to the frames, and as many lanes as their windows overlap.
    """
    axis = TimeAxis.of(strip)
    alike: defaultdict[tuple[int, tuple[float, float]], list[int]] = defaultdict(list)
    for i, key in enumerate(zip(strip.scale, strip.spans, strict=True)):
        alike[key].append(i)
    covered = {key: axis.stretch(*key[1]) for key in alike}
    lanes = _assign_lanes(covered, axis.slot)
    found: dict[int, Anchor] = {}
    for key, members in alike.items():
        left, right = covered[key]
        for k, i in enumerate(members):
            found[i] = Anchor(left + (right - left) * (k + 0.5) / len(members), left, right, lanes[key])
    return [found[i] for i in range(len(strip.spans))]


def frames_per_candidate(strip: FilmStrip) -> dict[int, float]:
    """Mean number of frames that a candidate of each scale covers."""
    axis = TimeAxis.of(strip)
    covered: defaultdict[int, list[float]] = defaultdict(list)
    for scale, span in zip(strip.scale, strip.spans, strict=True):
        left, right = axis.stretch(*span)
        covered[scale].append((right - left) / axis.slot)
    return {scale: sum(widths) / len(widths) for scale, widths in covered.items()}


_Key = tuple[int, tuple[float, float]]


def _assign_lanes(covered: dict[_Key, tuple[float, float]], slot: float) -> dict[_Key, int]:
    """Lanes by mean length of a scale's windows; windows of one lane do not overlap."""
    scales: defaultdict[int, list[_Key]] = defaultdict(list)
    for key in covered:
        scales[key[0]].append(key)

    def mean_length(keys: list[_Key]) -> float:
        return sum(covered[key][1] - covered[key][0] for key in keys) / len(keys)

    lanes: dict[_Key, int] = {}
    below = 0
    for keys in sorted(scales.values(), key=mean_length):
        if mean_length(keys) < SINGLE_FRAME * slot:
            lanes.update(dict.fromkeys(keys, 0))
            continue
        ends: list[float] = []
        for key in sorted(keys, key=lambda key: covered[key]):
            left, right = covered[key]
            free = next((k for k, end in enumerate(ends) if end <= left + 1e-6), len(ends))
            ends[free : free + 1] = [right]
            lanes[key] = below + free + 1
        below += len(ends)
    return lanes
