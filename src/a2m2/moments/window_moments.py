"""Moments of all windows from per-frame moments: every position is multiplied once, whatever the scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    return over_windows(
        maps,
        scales,
        of_frame=lambda positions: (positions.mean(dim=-1), covariance(positions)),
        of_window=lambda means, covariances: covariances.mean(dim=-1) + covariance(means),
    )


def window_means(
    maps: Float[Tensor, "batch time dim height width"], scales: Sequence[Scale]
) -> Float[Tensor, "batch node dim"]:
    """Mean vector of every candidate: the first-order counterpart of :func:`window_covariances`."""
    return over_windows(
        maps,
        scales,
        of_frame=lambda positions: (positions.mean(dim=-1),),
        of_window=lambda means: means.mean(dim=-1),
    )


def over_windows(
    maps: Float[Tensor, "batch time dim height width"],
    scales: Sequence[Scale],
    *,
    of_frame: Callable[[Tensor], tuple[Tensor, ...]],
    of_window: Callable[..., Tensor],
) -> Float[Tensor, "batch node *moment"]:
    """A moment of every candidate, from what is kept of each frame.

    Args:
        maps: ``(batch, time, dim, height, width)``.
        scales: scales; those with equal ``pool`` and ``regions`` share what is kept of frames.
        of_frame: the positions ``(batch, time, dim, position)`` of one region to the tensors
            ``(batch, time, …)`` that are kept of them.
        of_window: these tensors as ``(batch, window, region, …, frame of the window)`` to the moment
            ``(batch, window, region, *moment)`` of windows.

    Raises:
        ValueError: not five axes, a window longer than the clip, or maps with fewer positions than regions.
    """
    frames: dict[tuple[int, int], tuple[Tensor, ...]] = {}
    moments = []
    for scale in scales:
        key = (scale.pool, scale.regions)
        if key not in frames:
            kept = zip(*(of_frame(positions) for positions in _regions(maps, scale)), strict=True)
            frames[key] = tuple(torch.stack(parts, dim=2) for parts in kept)
        windows = (_unfold(part, scale) for part in frames[key])
        moments.append(of_window(*windows).flatten(1, 2))
    return torch.cat(moments, dim=1)


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
