"""Matchers as slow loops, written from the equations; the transport by a general linear-programming solver."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from a2m2.structures import Descriptors


def cosine(u: np.ndarray, v: np.ndarray, blocks: tuple[int, ...]) -> float:
    """Mean over blocks of the cosine of the parts; 0 for a zero vector."""
    total, start = 0.0, 0
    for size in blocks:
        p, q = u[start : start + size], v[start : start + size]
        norm = np.linalg.norm(p) * np.linalg.norm(q)
        total += float(p @ q / norm) if norm > 0 else 0.0
        start += size
    return total / len(blocks)


def cosines(query: Descriptors, target: Descriptors, *, centred: bool) -> np.ndarray:
    """(query, target, node, target_node), one pair of candidates at a time."""
    q, t = query.values.double().numpy(), target.values.double().numpy()
    mean = query.mean.double().numpy() if centred and query.mean is not None else 0.0
    out = np.zeros((q.shape[0], t.shape[0], q.shape[1], t.shape[1]))
    for index in np.ndindex(*out.shape):
        a, b, i, j = index
        out[index] = cosine(q[a, i] - mean, t[b, j] - mean, query.blocks)
    return out


def transport(cost: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """Value of the transport problem by HiGHS."""
    n, m = cost.shape
    a, b = a / a.sum(), b / b.sum()
    rows = np.zeros((n + m, n * m))
    for i in range(n):
        rows[i, i * m : (i + 1) * m] = 1
    for j in range(m):
        rows[n + j, j::m] = 1
    solution = linprog(cost.ravel(), A_eq=rows, b_eq=np.concatenate([a, b]), method="highs")
    return float(solution.fun)


def cross_reference(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeepEMD's weights for one pair of videos: relu(u_i · mean_j v_j) + 1e-3 and its mirror image."""
    n, m = raw.shape
    a = np.array([max(sum(raw[i]) / m, 0.0) + 1e-3 for i in range(n)])
    b = np.array([max(sum(raw[:, j]) / n, 0.0) + 1e-3 for j in range(m)])
    return a, b


def class_average(scores: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Mean over the targets of each class."""
    return np.stack([scores[:, labels == label].mean(1) for label in range(num_classes)], axis=1)
