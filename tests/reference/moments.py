"""Slow loops straight from the equations of the M² block, one number at a time, in float64 numpy."""

from __future__ import annotations

import numpy as np


def covariance(x: np.ndarray) -> np.ndarray:
    """Σ = 1/M Σ_k (x_k − μ)(x_k − μ)ᵀ of ``(dim, position)``."""
    dim, num_positions = x.shape
    mean = sum(x[:, k] for k in range(num_positions)) / num_positions
    sigma = np.zeros((dim, dim))
    for k in range(num_positions):
        for i in range(dim):
            for j in range(dim):
                sigma[i, j] += (x[i, k] - mean[i]) * (x[j, k] - mean[j])
    return sigma / num_positions


def newton_schulz(sigma: np.ndarray, steps: int) -> np.ndarray:
    """√(tr Σ)·Y_N of the coupled recurrence, without any regulariser."""
    dim = len(sigma)
    trace = sum(sigma[i, i] for i in range(dim))
    y, z = sigma / trace, np.eye(dim)
    for _ in range(steps):
        t = (3 * np.eye(dim) - z @ y) / 2
        y, z = y @ t, z @ t
    return np.sqrt(trace) * y


def upper_triangle(matrix: np.ndarray) -> np.ndarray:
    """Entries (i, j), j ≥ i, row by row."""
    dim = len(matrix)
    return np.array([matrix[i, j] for i in range(dim) for j in range(i, dim)])


def append_differences(maps: np.ndarray) -> np.ndarray:
    """``(time, dim, height, width)`` with x_t − x_{t−1} appended, zero for the first frame."""
    frames = []
    for t, frame in enumerate(maps):
        difference = frame - maps[t - 1] if t > 0 else np.zeros_like(frame)
        frames.append(np.concatenate([frame, difference]))
    return np.stack(frames)


def window_positions(maps: np.ndarray, start: int, window: int) -> np.ndarray:
    """All position vectors of a window of ``(time, dim, height, width)`` as ``(dim, position)``."""
    _, _, height, width = maps.shape
    columns = [
        maps[t, :, y, x] for t in range(start, start + window) for y in range(height) for x in range(width)
    ]
    return np.stack(columns, axis=1)


def descriptors(maps: np.ndarray, windows: tuple[int, ...], steps: int) -> np.ndarray:
    """Candidates ``(node, d(d+1)/2)`` of one video: windows without overlap, finest first."""
    rows = []
    for window in windows:
        for start in range(0, len(maps) - window + 1, window):
            sigma = covariance(window_positions(maps, start, window))
            rows.append(upper_triangle(newton_schulz(sigma, steps)))
    return np.stack(rows)
