"""The field's methods as slow loops, one number at a time, written from the papers' equations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, product

import numpy as np
from scipy.optimize import minimize

Weights = dict[str, np.ndarray]


# --- OTAM (Cao et al. 2020) ---


def otam_distance(cost: np.ndarray, smoothness: float) -> float:
    """The recurrence over the cost matrix between two columns of zeros."""
    rows, columns = cost.shape[0], cost.shape[1] + 2
    d = np.zeros((rows, columns))
    d[:, 1:-1] = cost
    table = np.zeros((rows, columns))

    def smin(*values: float) -> float:
        return -smoothness * math.log(sum(math.exp(-value / smoothness) for value in values))

    for m in range(1, columns):
        table[0, m] = d[0, m] + table[0, m - 1]
    for row in range(1, rows):
        for m in range(1, columns):
            before = [table[row - 1, m - 1], table[row, m - 1]]
            if m in (1, columns - 1):
                before.append(table[row - 1, m])
            table[row, m] = d[row, m] + smin(*before)
    return float(table[-1, -1])


def otam_paths(cost: np.ndarray, smoothness: float) -> tuple[float, np.ndarray]:
    """Distance and expected visits by listing every path, which the recurrence never does."""
    rows, columns = cost.shape
    total, visits = 0.0, np.zeros_like(cost)

    def walk(row: int, m: int, cells: list[tuple[int, int]]) -> None:
        nonlocal total
        if (row, m) == (rows - 1, columns + 1):
            weight = math.exp(-sum(cost[cell] for cell in cells) / smoothness)
            total += weight
            for cell in cells:
                visits[cell] += weight
            return
        steps = [(row, m + 1), (row + 1, m + 1)]
        if m in (1, columns + 1):
            steps.append((row + 1, m))
        for i, k in steps:
            if i < rows and k <= columns + 1:
                walk(i, k, [*cells, (i, k - 1)] if 1 <= k <= columns else cells)

    # The column of zeros in front is free: a path may enter the first column from any of its cells.
    for start in range(rows):
        walk(start, 0, [])
    return -smoothness * math.log(total), visits / total


# --- nearest candidates (Wang et al. 2022, Bertrand et al. 2023) ---


def bi_mhm_distance(distance: np.ndarray) -> float:
    """Mean over rows of the least entry, plus mean over columns of the least entry."""
    rows, columns = distance.shape
    forth = sum(min(distance[i, j] for j in range(columns)) for i in range(rows)) / rows
    back = sum(min(distance[i, j] for i in range(rows)) for j in range(columns)) / columns
    return float(forth + back)


def chamfer(similarity: np.ndarray, direction: str) -> float:
    """Mean of the best partner's similarity over the candidates that look for one."""
    lookers = {"query": [similarity], "support": [similarity.T], "both": [similarity, similarity.T]}[
        direction
    ]
    return float(np.mean([np.mean([max(row) for row in matrix]) for matrix in lookers]))


# --- learnt methods ---


def unit(vector: np.ndarray, mean: np.ndarray | float, blocks: Sequence[int]) -> np.ndarray:
    """A centred descriptor, each block of length 1/√blocks."""
    parts = np.split(vector - mean, np.cumsum(blocks)[:-1])
    return np.concatenate([part / np.linalg.norm(part) for part in parts]) / math.sqrt(len(blocks))


def sines(position: float, width: int) -> np.ndarray:
    """Sines in the even channels, cosines in the odd ones."""
    out = np.zeros(width)
    for k in range(width):
        angle = position / 10_000 ** (2 * (k // 2) / width)
        out[k] = math.sin(angle) if k % 2 == 0 else math.cos(angle)
    return out


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / math.sqrt(x.var() + 1e-5) * weight + bias


def softmax(x: np.ndarray) -> np.ndarray:
    shifted = np.exp(x - x.max())
    return shifted / shifted.sum()


def trx_distance(
    query: np.ndarray, supports: Sequence[np.ndarray], scales: Sequence[Sequence[int]], w: Weights, size: int
) -> float:
    """Distance of one query to one class for tuples of ``size``; candidates (node, dim) already hold their time."""
    distances = []
    for nodes in scales:
        tuples = list(combinations(nodes, size))
        if not tuples:
            continue

        def key(x: np.ndarray) -> np.ndarray:
            return layer_norm(
                w["key.linear.weight"] @ x + w["key.linear.bias"], w["norm.weight"], w["norm.bias"]
            )

        def value(x: np.ndarray) -> np.ndarray:
            return w["value.linear.weight"] @ x

        shown = [np.concatenate([video[i] for i in places]) for video in supports for places in tuples]
        total = 0.0
        for places in tuples:
            asked = np.concatenate([query[i] for i in places])
            scores = np.array([key(asked) @ key(x) for x in shown]) / math.sqrt(len(key(asked)))
            prototype = sum(a * value(x) for a, x in zip(softmax(scores), shown, strict=True))
            total += float(np.sum((value(asked) - prototype) ** 2))
        distances.append(total / len(tuples))
    return float(np.mean(distances))


def attention(tokens: np.ndarray, w: Weights, name: str, heads: int) -> np.ndarray:
    """Multi-head self-attention, one token and one head at a time."""
    width = tokens.shape[1]
    size = width // heads
    joint, bias = w[f"{name}.in_proj_weight"], w[f"{name}.in_proj_bias"]
    q, k, v = (
        tokens @ joint[part * width : (part + 1) * width].T + bias[part * width : (part + 1) * width]
        for part in range(3)
    )
    out = np.zeros_like(tokens)
    for token, head in product(range(len(tokens)), range(heads)):
        cut = slice(head * size, (head + 1) * size)
        share = softmax(np.array([q[token, cut] @ other[cut] for other in k]) / math.sqrt(size))
        out[token, cut] = sum(a * other[cut] for a, other in zip(share, v, strict=True))
    return out @ w[f"{name}.out_proj.weight"].T + w[f"{name}.out_proj.bias"]


def hyrsm_enriched(
    videos: Sequence[np.ndarray], times: np.ndarray, w: Weights, heads: int
) -> list[np.ndarray]:
    """Enriched candidates of a task's videos, supports first and one query last; candidates (node, dim) as units."""
    within = []
    for video in videos:
        dim, width = video.shape[1], len(w["intra_norm.weight"])
        x = np.stack(
            [
                w["reduce.weight"] @ (candidate * math.sqrt(dim)) + 0.1 * sines(time, width)
                for candidate, time in zip(video, times, strict=True)
            ]
        )
        normed = np.stack([layer_norm(token, w["intra_norm.weight"], w["intra_norm.bias"]) for token in x])
        within.append(np.maximum(x + attention(normed, w, "intra", heads), 0))
    pooled = np.stack([video.mean(0) for video in within])
    related = pooled + attention(pooled, w, "inter", heads)
    related = np.maximum([layer_norm(g, w["inter_norm.weight"], w["inter_norm.bias"]) for g in related], 0)
    return [
        np.stack([w["fuse.weight"] @ np.concatenate([f, h]) + w["fuse.bias"] for f in video])
        for video, h in zip(within, related, strict=True)
    ]


# --- logistic regression ---


def logistic_regression(x: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """W ``(class, dim)`` that minimises cross-entropy plus ½‖W‖², by a general minimiser over all its entries."""

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat.reshape(num_classes, -1)
        value, slope = 0.5 * float(np.sum(w**2)), w.copy()
        for row, label in zip(x, labels, strict=True):
            share = softmax(w @ row)
            value -= math.log(share[label])
            share[label] -= 1
            slope += np.outer(share, row)
        return value, slope.ravel()

    start = np.zeros(num_classes * x.shape[1])
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5000}
    )
    return found.x.reshape(num_classes, -1)
