"""Temporal windows and spatial pools: where candidates lie (our choice, see docs/method-choices.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Scale:
    """One spatio-temporal scale of candidates.

    Attributes:
        window: number of consecutive sampled frames in a candidate.
        stride: frames from one window to the next; equal to ``window`` there is no overlap.
        pool: side of the square block of positions averaged before the moment; 1 keeps every position.
        regions: the map is cut into ``regions`` × ``regions`` rectangles, each a candidate of its own.
    """

    window: int
    stride: int
    pool: int = 1
    regions: int = 1

    def __post_init__(self) -> None:
        for name in ("window", "stride", "pool", "regions"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} ≥ 1, got {getattr(self, name)}")

    def num_windows(self, num_frames: int) -> int:
        """Number of windows that fit into ``num_frames``; a shorter clip is an error."""
        if num_frames < self.window:
            raise ValueError(
                f"expected at least {self.window} frames for a window of {self.window}, got {num_frames}"
            )
        return (num_frames - self.window) // self.stride + 1

    def starts(self, num_frames: int) -> range:
        """First frame of every window, in order."""
        return range(0, self.num_windows(num_frames) * self.stride, self.stride)


DEFAULT_SCALES = (Scale(1, 1), Scale(2, 2), Scale(4, 4))
"""Windows of 1, 2 and 4 frames without overlap: 8 + 4 + 2 = 14 candidates over 8 frames."""


def candidate_windows(
    num_frames: int, scales: Sequence[Scale]
) -> tuple[Int[Tensor, "node 2"], Int[Tensor, " node"]]:
    """Frame windows of all candidates and the scale each belongs to.

    Order: by scale, then by first frame, then by region, row by row. Trailing frames that fill no further
    window belong to no candidate of that scale.

    Args:
        num_frames: number of sampled frames.
        scales: at least one scale; every window at most ``num_frames``.

    Returns:
        ``windows (node, 2)`` int64, first frame and one past the last, and ``scale (node,)`` int64.

    Raises:
        ValueError: no scale, or a window longer than the clip.
    """
    if not scales:
        raise ValueError("expected at least one scale, got none")
    rows = [
        (start, start + scale.window, index)
        for index, scale in enumerate(scales)
        for start in scale.starts(num_frames)
        for _ in range(scale.regions**2)
    ]
    table = torch.tensor(rows, dtype=torch.int64)
    return table[:, :2].contiguous(), table[:, 2].contiguous()


def window_spans(
    windows: Int[Tensor, "node 2"],
    pts_seconds: Float[Tensor, "batch time"],
    duration_seconds: Float[Tensor, " batch"],
) -> Float[Tensor, "batch node 2"]:
    """Start and end of every candidate in seconds.

    Each sampled frame stands for the stretch from half-way to the frame before it to half-way to the frame
    after it; the first stretch begins at 0 and the last ends with the video. A candidate covers the stretches
    of its frames, so windows without overlap tile the video (our choice).

    Args:
        windows: first frame and one past the last, as from :func:`candidate_windows`.
        pts_seconds: ``(batch, time)`` presentation times of the sampled frames, ascending.
        duration_seconds: ``(batch,)`` length of each video.

    Raises:
        ValueError: shapes that do not belong together.
    """
    if pts_seconds.ndim != 2 or duration_seconds.shape != pts_seconds.shape[:1]:
        raise ValueError(
            "expected pts_seconds (batch, time) and duration_seconds (batch,), "
            f"got {tuple(pts_seconds.shape)} and {tuple(duration_seconds.shape)}"
        )
    middle = (pts_seconds[:, 1:] + pts_seconds[:, :-1]) / 2
    first = torch.zeros_like(pts_seconds[:, :1])
    boundaries = torch.cat([first, middle, duration_seconds[:, None].to(pts_seconds)], dim=1)
    return boundaries[:, windows.to(boundaries.device)]
