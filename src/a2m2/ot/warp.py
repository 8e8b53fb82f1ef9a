"""What the 32 lanes of a warp do together: wait, vote, find the least and the greatest, add up.

On a GPU these are warp shuffles. Numba's simulator, which runs a kernel's threads as Python threads
(``NUMBA_ENABLE_CUDASIM=1``), has none: there the lanes write to one list and wait for each other. Everything else of
the kernel is the same code on both. All functions must be reached by all lanes of the warp; all lanes get the result.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import config, cuda
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])
Number = TypeVar("Number", int, float)

LANES = 32
"""Threads of a warp."""

EVERY_LANE = 0xFFFFFFFF
"""Bit set of all lanes."""

SIMULATED = bool(config.ENABLE_CUDASIM)
"""Whether kernels run in Numba's simulator."""

if not SIMULATED:
    device = cuda.jit(device=True)
    """A function for the GPU, to be called from a kernel."""

    @device
    def read(array: NDArray[Any], place: int) -> Any:
        """``array[place]`` in 32-bit arithmetic, without a look at the sign of ``place``."""
        return array[np.uint32(place)]

    @device
    def write(array: NDArray[Any], place: int, value: Any) -> None:
        """``array[place] = value``, likewise."""
        array[np.uint32(place)] = value

    @device
    def meet() -> None:
        """Wait for all lanes; what they wrote can be read after it."""
        cuda.syncwarp(EVERY_LANE)

    @device
    def vote(holds: bool) -> int:
        """Bit set of the lanes for which ``holds`` is true."""
        lanes: Any = np.int64(cuda.ballot_sync(EVERY_LANE, holds)) & EVERY_LANE
        return lanes

    @device
    def count_bits(word: int) -> int:
        """Number of ones in 32 bits."""
        return cuda.popc(word)

    @device
    def least(value: Number) -> Number:
        """The least value of all lanes."""
        for step in range(5):
            value = min(value, cuda.shfl_xor_sync(EVERY_LANE, value, 16 >> step))
        return value

    @device
    def greatest(value: Number) -> Number:
        """The greatest value of all lanes."""
        for step in range(5):
            value = max(value, cuda.shfl_xor_sync(EVERY_LANE, value, 16 >> step))
        return value

    @device
    def total(value: Number) -> Number:
        """The sum over all lanes."""
        for step in range(5):
            value += cuda.shfl_xor_sync(EVERY_LANE, value, 16 >> step)
        return value

    @device
    def least_of_pairs(value: float, rank: int) -> tuple[float, int]:
        """The least value of all lanes; among equals the one of greatest rank."""
        for step in range(5):
            other = cuda.shfl_xor_sync(EVERY_LANE, value, 16 >> step)
            other_rank = cuda.shfl_xor_sync(EVERY_LANE, rank, 16 >> step)
            if other < value or (other == value and other_rank > rank):
                value = other
                rank = other_rank
        return value, rank

else:
    _slots: list[list[Any]] = [[None] * LANES, [None] * LANES]

    def device(function: Function) -> Function:
        """In the simulator a function is called as it is."""
        return function

    def _values(value: Any) -> list[Any]:
        # With two lists in turn one wait is enough: a list is written again only after all have read it.
        thread: Any = threading.current_thread()
        slots = _slots[getattr(thread, "turn", 0)]
        thread.turn = 1 - getattr(thread, "turn", 0)
        slots[thread.threadIdx.x] = value
        thread.syncthreads()
        return slots

    def read(array: NDArray[Any], place: int) -> Any:
        """``array[place]``."""
        assert place >= 0
        return array[place]

    def write(array: NDArray[Any], place: int, value: Any) -> None:
        """``array[place] = value``."""
        assert place >= 0
        array[place] = value

    def meet() -> None:
        """Wait for all lanes; what they wrote can be read after it."""
        thread: Any = threading.current_thread()
        thread.syncthreads()

    def vote(holds: bool) -> int:
        """Bit set of the lanes for which ``holds`` is true."""
        return sum(1 << lane for lane, one in enumerate(_values(holds)) if one)

    def count_bits(word: int) -> int:
        """Number of ones in 32 bits."""
        return int(word).bit_count()

    def least(value: Number) -> Number:
        """The least value of all lanes."""
        return min(_values(value))

    def greatest(value: Number) -> Number:
        """The greatest value of all lanes."""
        return max(_values(value))

    def total(value: Number) -> Number:
        """The sum over all lanes."""
        return sum(_values(value))

    def least_of_pairs(value: float, rank: int) -> tuple[float, int]:
        """The least value of all lanes; among equals the one of greatest rank."""
        return min(_values((value, rank)), key=lambda pair: (pair[0], -pair[1]))
