"""Random numbers that are the same on every machine and with every version of numpy.

A stream is named by a key of integers and strings. Only two things are taken from numpy: the PCG64 bit
stream, which numpy guarantees, and 53-bit uniforms made from it. Everything else is derived here, because the
other methods of ``numpy.random.Generator`` may change between versions and a frozen data set must not.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
from jaxtyping import Float


class Draws:
    """A stream of random numbers named by ``key``.

    Args:
        key: integers and strings; streams of different keys are independent.
    """

    def __init__(self, *key: int | str) -> None:
        words = np.frombuffer(hashlib.sha256(repr(key).encode()).digest(), dtype="<u4")
        self._generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(words.tolist())))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """One number in [low, high)."""
        return low + (high - low) * float(self._generator.random())

    def uniforms(self, count: int, low: float = 0.0, high: float = 1.0) -> Float[np.ndarray, "count"]:
        """``count`` numbers in [low, high)."""
        return low + (high - low) * self._generator.random(count)

    def normal(self) -> float:
        """A standard normal number (Box–Muller)."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.uniform()))
        return radius * math.cos(2.0 * math.pi * self.uniform())

    def beta(self, shape: float) -> float:
        """A symmetric Beta(shape, shape) number for ``shape`` ≤ 1 (Jöhnk)."""
        if not 0.0 < shape <= 1.0:
            raise ValueError(f"expected a Beta shape in (0, 1], got {shape}")
        while True:
            left, right = self.uniform() ** (1.0 / shape), self.uniform() ** (1.0 / shape)
            if 0.0 < left + right <= 1.0:
                return left / (left + right)

    def index(self, count: int) -> int:
        """An integer in 0 … count − 1."""
        return min(int(self.uniform() * count), count - 1)

    def flip(self, probability: float = 0.5) -> bool:
        """True with the given probability."""
        return self.uniform() < probability

    def permutation(self, count: int) -> tuple[int, ...]:
        """The numbers 0 … count − 1 in random order."""
        return tuple(int(i) for i in np.argsort(self.uniforms(count), kind="stable"))

    def word(self) -> int:
        """An integer of 32 bits, a seed for a generator inside a kernel."""
        return int(self.uniform() * 2**32)
