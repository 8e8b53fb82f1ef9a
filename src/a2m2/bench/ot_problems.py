"""Families of transport problems: those of clips, and whatever makes a solver fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Batch(NamedTuple):
    """Problems of one size: costs ``(batch, row, column)``, weights ``(batch, row)``, ``(batch, column)``."""

    cost: Array
    a: Array
    b: Array


SIZES = {
    (1, 1): 2,
    (1, 7): 2,
    (7, 1): 2,
    (2, 2): 4,
    (3, 4): 8,
    (4, 3): 8,
    (8, 8): 16,
    (7, 14): 8,
    (14, 14): 30,
    (16, 16): 6,
    (15, 17): 6,
    (17, 15): 6,
    (32, 32): 5,
    (33, 31): 3,
    (56, 56): 2,
    (65, 63): 1,
    (100, 130): 1,
    (130, 100): 1,
}
"""Numbers of nodes and how often each is drawn; they straddle the sizes of a lane block and of a word."""


def walks(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
    """Cosine costs of two noisy views of one random walk, cross-reference weights: clips of one class."""
    path = generator.standard_normal((batch, max(rows, columns), 64)).cumsum(1) * 0.35
    path += 0.5 * generator.standard_normal((batch, 1, 64))
    query = path[:, :rows] + generator.standard_normal((batch, rows, 64))
    support = path[:, :columns] + generator.standard_normal((batch, columns, 64))
    query /= np.linalg.norm(query, axis=-1, keepdims=True)
    support /= np.linalg.norm(support, axis=-1, keepdims=True)
    cosine = query @ support.transpose(0, 2, 1)
    return Batch(1 - cosine, shares(cosine.mean(2).clip(0) + 1e-3), shares(cosine.mean(1).clip(0) + 1e-3))


def shares(weights: Array) -> Array:
    """Weights divided by their sum, along the last axis."""
    return weights / weights.sum(-1, keepdims=True)


def _uniform(batch: Batch) -> Batch:
    return Batch(batch.cost, shares(np.ones_like(batch.a)), shares(np.ones_like(batch.b)))


def _random(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
    a, b = generator.random((batch, rows)) + 1e-3, generator.random((batch, columns)) + 1e-3
    return Batch(generator.random((batch, rows, columns)), shares(a), shares(b))


def _integers(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
    a = generator.integers(1, 4, (batch, rows)).astype(float)
    b = generator.integers(1, 4, (batch, columns)).astype(float)
    cost = generator.integers(0, 4, (batch, rows, columns)).astype(float)
    return Batch(cost, a * b.sum(-1, keepdims=True), b * a.sum(-1, keepdims=True))


def _zero_weights(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
    cost, a, b = _random(generator, batch, rows, columns)
    a, b = a * (generator.random(a.shape) < 0.6), b * (generator.random(b.shape) < 0.6)
    a[:, 0] += 0.1
    b[:, -1] += 0.1
    return Batch(cost, shares(a), shares(b))


def _dominant(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
    cost, a, b = walks(generator, batch, rows, columns)
    a, b = np.full_like(a, 1e-9), np.full_like(b, 1e-9)
    a[:, rows // 2] = 1
    b[:, columns // 3] = 1
    return Batch(cost, shares(a), shares(b))


def _decades(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
    cost, a, b = walks(generator, batch, rows, columns)
    return Batch(
        cost, shares(10 ** (-12 * generator.random(a.shape))), shares(10 ** (-12 * generator.random(b.shape)))
    )


def _line(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
    x, y = (generator.integers(0, 10, (batch, count, 1)).astype(float) for count in (rows, columns))
    return _uniform(Batch(np.abs(x - y.transpose(0, 2, 1)), x[:, :, 0], y[:, :, 0]))


def _separable(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
    _, a, b = _random(generator, batch, rows, columns)
    return Batch(generator.random((batch, rows, 1)) + generator.random((batch, 1, columns)), a, b)


def _costs(change: Callable[[Array], Array]) -> Callable[[np.random.Generator, int, int, int], Batch]:
    def family(generator: np.random.Generator, batch: int, rows: int, columns: int) -> Batch:
        cost, a, b = walks(generator, batch, rows, columns)
        return Batch(change(cost), a, b)

    return family


FAMILIES: dict[str, Callable[[np.random.Generator, int, int, int], Batch]] = {
    "walks": walks,
    "walks, uniform weights": lambda *sizes: _uniform(walks(*sizes)),
    "random": _random,
    "assignment": lambda *sizes: _uniform(_random(*sizes)),
    "integers": _integers,
    "all costs equal": _costs(lambda cost: np.full_like(cost, 0.7)),
    "all costs zero": _costs(np.zeros_like),
    "zero weights": _zero_weights,
    "one dominant weight": _dominant,
    "12 decades of weights": _decades,
    "points on a line": _line,
    "separable costs": _separable,
    "separable, uniform weights": lambda *sizes: _uniform(_separable(*sizes)),
    "costs x 1e6": _costs(lambda cost: cost * 1e6),
    "costs x 1e-9": _costs(lambda cost: cost * 1e-9),
    "costs x 1e300": _costs(lambda cost: cost * 1e300),
    "costs x 1e-300": _costs(lambda cost: cost * 1e-300),
    "negative costs": _costs(lambda cost: cost - 0.3),
    "costs that float32 cannot tell apart": _costs(lambda cost: 1 + 1e-9 * cost),
    "12 decades of costs": _costs(lambda cost: 10 ** (-12 * cost.clip(0, 1))),
}
"""Problem families of the battery: name to ``(generator, batch, rows, columns) -> Batch``."""
