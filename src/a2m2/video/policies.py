"""Which frames of a video stand for it: pure functions of counts, so a choice is made before any decoding.

A video of ``num_frames`` frames is cut into ``num_segments`` segments of equal real length; segment ``i``
covers the half-open range ``[i * num_frames / num_segments, (i + 1) * num_frames / num_segments)``.
Everything is integer arithmetic: no rounding of floats decides which frame is taken.

All functions return int64 indices that never decrease and lie in ``0 .. num_frames - 1``. A video with fewer
frames than are asked for repeats frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from jaxtyping import Int
from torch import Generator, Tensor

Policy = Literal["segment_center", "segment_random", "uniform"]


def segment_center(num_frames: int, num_segments: int) -> Int[Tensor, "segment"]:
    """The frame at the middle of each segment: ``floor((2 i + 1) num_frames / (2 num_segments))``.

    The test-time half of the sampling of temporal segment networks (Wang et al., ECCV 2016). Symmetric: a
    video played backwards gives the same frames wherever no middle falls exactly between two frames.
    """
    _check_counts(num_frames, num_segments)
    return torch.tensor([(2 * i + 1) * num_frames // (2 * num_segments) for i in range(num_segments)])


def segment_random(num_frames: int, num_segments: int, generator: Generator) -> Int[Tensor, "segment"]:
    """One frame of each segment, all its frames equally likely: the training half of the same sampling.

    Segment ``i`` offers the frames ``floor(i num_frames / num_segments)`` up to, not including, ``floor((i +
    1) num_frames / num_segments)``; a segment that offers none (``num_frames < num_segments``) takes the
    first of these. ``num_segments`` numbers are drawn from ``generator``, whatever the length of the video.
    """
    _check_counts(num_frames, num_segments)
    edges = torch.arange(num_segments + 1) * num_frames // num_segments
    width = (edges[1:] - edges[:-1]).clamp(min=1)
    draw = torch.rand(num_segments, generator=generator, dtype=torch.float64)
    # float64 keeps draw * width below width for any real video, and floor makes the bins equal.
    return edges[:-1] + (draw * width).floor().long()


def uniform(num_frames: int, num_segments: int) -> Int[Tensor, "segment"]:
    """Evenly spaced from the first frame to the last: ``round(i (num_frames - 1) / (num_segments - 1))``.

    Halves round up. One segment takes the middle frame, ``floor((num_frames - 1) / 2)``.
    """
    _check_counts(num_frames, num_segments)
    if num_segments == 1:
        return torch.tensor([(num_frames - 1) // 2])
    steps = num_segments - 1
    return (2 * torch.arange(num_segments) * (num_frames - 1) + steps) // (2 * steps)


def sliding_windows(num_frames: int, window: int, stride: int) -> Int[Tensor, "window frame"]:
    """Frame indices of every window of ``window`` consecutive frames, ``stride`` frames apart.

    Row ``k`` is ``k * stride + (0 .. window - 1)``. The last row reaches the last frame: when the stride does
    not lead there, one more window is added that ends at it, so every frame is in a window as long as
    ``stride <= window``. A video shorter than one window gives a single row that repeats its last frame.
    """
    _check_counts(num_frames, window)
    if stride < 1:
        raise ValueError(f"expected stride >= 1, got {stride}")
    last_start = max(num_frames - window, 0)
    start = torch.arange(0, last_start + 1, stride)
    if int(start[-1]) != last_start:
        start = torch.cat([start, torch.tensor([last_start])])
    return (start[:, None] + torch.arange(window)).clamp(max=num_frames - 1)


def sample_index(
    num_frames: int, num_segments: int, *, policy: Policy, generator: Generator | None = None
) -> Int[Tensor, "segment"]:
    """Indices by the name of a policy; ``segment_random`` needs a generator, the others ignore it."""
    if policy == "segment_random":
        if generator is None:
            raise ValueError("expected a generator for policy 'segment_random', got None")
        return segment_random(num_frames, num_segments, generator)
    if policy not in _FIXED_POLICIES:
        raise ValueError(f"expected a policy of {', '.join(get_args(Policy))}, got {policy!r}")
    return _FIXED_POLICIES[policy](num_frames, num_segments)


_FIXED_POLICIES: dict[str, Callable[[int, int], Tensor]] = {
    "segment_center": segment_center,
    "uniform": uniform,
}


def _check_counts(num_frames: int, num_wanted: int) -> None:
    if num_frames < 1 or num_wanted < 1:
        raise ValueError(f"expected counts >= 1, got num_frames={num_frames} and {num_wanted} wanted")
