"""Moments of all windows from per-frame moments: every position is multiplied once, whatever the scales."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from a2m2.moments.covariance import covariance, full_precision
from a2m2.moments.windows import Scale


def window_covariances(
    maps: Float[Tensor, "batch time dim height width"], scales: Sequence[Scale]
) -> Float[Tensor, "batch node dim dim"]:
    """Centred covariance of every candidate, in the order of :func:`a2m2.moments.candidate_windows`.

    A window's covariance is the mean of its frames' covariances plus the covariance of its frames' means
    (law of total variance). Both terms are centred before they are squared, so nothing cancels in float32;
    differences of running sums would lose the digits where a window varies little around a large mean.

    Args:
        maps: ``(batch, time, dim, height, width)``.
        scales: scales; those with equal ``pool`` and ``regions`` share their per-frame moments.

    Returns:
        ``(batch, node, dim, dim)``, float32 (float64 for float64 input) whatever the autocast state.

    Raises:
        ValueError: not five axes, a window longer than the clip, or maps with fewer positions than regions.
    """
    frames: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
    moments = []
    for scale in scales:
        key = (scale.pool, scale.regions)
        if key not in frames:
            frames[key] = _frame_moments(maps, scale)
        means, covariances = frames[key]
        windowed = _unfold(means, scale)
        within = _unfold(covariances, scale).mean(dim=-1)
        moments.append((within + covariance(windowed)).flatten(1, 2))
    return torch.cat(moments, dim=1)


def window_means(
    maps: Float[Tensor, "batch time dim height width"], scales: Sequence[Scale]
) -> Float[Tensor, "batch node dim"]:
    """Mean vector of every candidate: the first-order counterpart of :func:`window_covariances`."""
    frames: dict[tuple[int, int], Tensor] = {}
    moments = []
    for scale in scales:
        key = (scale.pool, scale.regions)
        if key not in frames:
            frames[key] = _frame_means(maps, scale)
        moments.append(_unfold(frames[key], scale).mean(dim=-1).flatten(1, 2))
    return torch.cat(moments, dim=1)


def _frame_moments(maps: Tensor, scale: Scale) -> tuple[Tensor, Tensor]:
    """Mean ``(batch, time, region, dim)`` and covariance ``(batch, time, region, dim, dim)`` of frames."""
    covariances = [covariance(positions) for positions in _regions(maps, scale)]
    return _frame_means(maps, scale), torch.stack(covariances, dim=2)


def _frame_means(maps: Tensor, scale: Scale) -> Tensor:
    return torch.stack([positions.mean(dim=-1) for positions in _regions(maps, scale)], dim=2)


def _regions(maps: Tensor, scale: Scale) -> list[Tensor]:
    """Each region's positions ``(batch, time, dim, position)`` after pooling, row by row.

    Every position lies in a region: where the side does not divide, neighbouring regions share a row or
    column, and blocks cut by the far edge are averaged over what there is of them.
    """
    if maps.ndim != 5:
        raise ValueError(f"expected maps (batch, time, dim, height, width), got {tuple(maps.shape)}")
    maps = full_precision(maps)
    if scale.pool > 1:
        pooled = functional.avg_pool2d(
            maps.flatten(0, 1), scale.pool, ceil_mode=True, count_include_pad=False
        )
        maps = pooled.unflatten(0, maps.shape[:2])
    height, width = maps.shape[-2:]
    if min(height, width) < scale.regions:
        raise ValueError(
            f"expected at least {scale.regions} positions a side after pooling by {scale.pool}, "
            f"got {height} × {width}; use fewer regions or larger maps"
        )
    rows, columns = _intervals(height, scale.regions), _intervals(width, scale.regions)
    return [maps[..., row, column].flatten(-2) for row in rows for column in columns]


def _intervals(length: int, parts: int) -> list[slice]:
    """``parts`` slices that cover ``range(length)``: ⌊i·length/parts⌋ to ⌈(i+1)·length/parts⌉."""
    return [slice(i * length // parts, -(-(i + 1) * length // parts)) for i in range(parts)]


def _unfold(frames: Tensor, scale: Scale) -> Tensor:
    """``(batch, time, region, …)`` to ``(batch, window, region, …, frame of the window)``."""
    scale.num_windows(frames.shape[1])
    return frames.unfold(1, scale.window, scale.stride)
