"""Slow loops straight from the equations of the M² block, one number at a time, in float64 numpy."""

from __future__ import annotations

from collections.abc import Callable

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


def shrunk(sigma: np.ndarray, shrinkage: float) -> np.ndarray:
    """Σ + shrinkage·(mean variance)·I."""
    dim = len(sigma)
    return sigma + shrinkage * sum(sigma[i, i] for i in range(dim)) / dim * np.eye(dim)


def symmetric_log(matrix: np.ndarray) -> np.ndarray:
    """V log(Λ) Vᵀ of a symmetric, positive definite matrix."""
    eigenvalues, vectors = np.linalg.eigh(matrix)
    return sum(np.log(eigenvalues[k]) * np.outer(v, v) for k, v in enumerate(vectors.T))


def cholesky_root(matrix: np.ndarray) -> np.ndarray:
    """Upper triangular U with UᵀU the matrix, column by column (Cholesky–Banachiewicz)."""
    dim = len(matrix)
    upper = np.zeros((dim, dim))
    for j in range(dim):
        for i in range(j):
            known = sum(upper[k, i] * upper[k, j] for k in range(i))
            upper[i, j] = (matrix[i, j] - known) / upper[i, i]
        upper[j, j] = np.sqrt(matrix[j, j] - sum(upper[k, j] ** 2 for k in range(j)))
    return upper


def brownian(x: np.ndarray) -> np.ndarray:
    """Doubly centred distances between the channels of ``(dim, position)``, root mean square over positions."""
    dim, num_positions = x.shape
    distance = np.zeros((dim, dim))
    for i in range(dim):
        for j in range(dim):
            square = sum((x[i, k] - x[j, k]) ** 2 for k in range(num_positions))
            distance[i, j] = np.sqrt(square / num_positions)
    rows = [sum(distance[i, j] for j in range(dim)) / dim for i in range(dim)]
    total = sum(rows) / dim
    return np.array([[distance[i, j] - rows[i] - rows[j] + total for j in range(dim)] for i in range(dim)])


def third_moment(x: np.ndarray) -> np.ndarray:
    """E[(x − μ)⊗(x − μ)⊗(x − μ)] of ``(dim, position)``: all dim³ numbers."""
    dim, num_positions = x.shape
    mean = sum(x[:, k] for k in range(num_positions)) / num_positions
    tensor = np.zeros((dim, dim, dim))
    for k in range(num_positions):
        y = x[:, k] - mean
        for i in range(dim):
            for j in range(dim):
                for m in range(dim):
                    tensor[i, j, m] += y[i] * y[j] * y[m]
    return tensor / num_positions


def third_sketch(x: np.ndarray, projection: np.ndarray) -> np.ndarray:
    """E[(a_l·(x − μ))³]/√(6·L/2), real parts before imaginary ones, over the trace of the covariance."""
    num_positions = x.shape[1]
    half = len(projection) // 2
    mean = sum(x[:, k] for k in range(num_positions)) / num_positions
    trace = sum(((x[:, k] - mean) ** 2).sum() for k in range(num_positions)) / num_positions
    sketch = np.zeros(half, dtype=complex)
    for row in range(half):
        a = projection[row] + 1j * projection[half + row]
        sketch[row] = sum((a @ (x[:, k] - mean)) ** 3 for k in range(num_positions)) / num_positions
    sketch /= np.sqrt(6 * half) * trace
    return np.concatenate([sketch.real, sketch.imag])


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
    return each_window(maps, windows, lambda x: upper_triangle(newton_schulz(covariance(x), steps)))


def each_window(
    maps: np.ndarray, windows: tuple[int, ...], statistic: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """A statistic of the positions ``(dim, position)`` of every window without overlap, finest first."""
    return np.stack(
        [
            statistic(window_positions(maps, start, window))
            for window in windows
            for start in range(0, len(maps) - window + 1, window)
        ]
    )
