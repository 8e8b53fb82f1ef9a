"""Spatial maps in the outputs of encoders, whatever form those give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

MAX_EXTRA_TOKENS = 16
"""Most tokens before the patches (class and register tokens) that still look like a grid of patches."""


def as_map(state: Tensor, grid: tuple[int, int] | None) -> Float[Tensor, "frame channel height width"] | None:
    """A hidden state as a map, or None when it has no spatial form.

    Args:
        state: ``(frame, channel, height, width)``, taken as it is, or ``(frame, token, channel)`` with the
            patches row by row at the end and class or register tokens, which are dropped, before them.
        grid: rows and columns of patches, or None for an encoder without patches.
    """
    if state.ndim == 4:
        return state
    if state.ndim != 3 or grid is None:
        return None
    num_extra = state.shape[1] - grid[0] * grid[1]
    if not 0 <= num_extra <= MAX_EXTRA_TOKENS:
        return None
    return state[:, num_extra:].mT.unflatten(-1, grid)


def hidden_states(outputs: Any) -> Sequence[Tensor]:
    """All hidden states; hierarchical transformers give them reshaped to maps under another name."""
    reshaped = getattr(outputs, "reshaped_hidden_states", None)
    return reshaped if reshaped is not None else outputs.hidden_states


def last_map(
    outputs: Any, grid: tuple[int, int] | None
) -> Float[Tensor, "frame channel height width"] | None:
    """The last map: the encoder's result, or its last hidden state where the result has lost its grid."""
    result = as_map(outputs.last_hidden_state, grid)
    return result if result is not None else as_map(hidden_states(outputs)[-1], grid)


def middle_index(sides: Sequence[int]) -> int:
    """Index of the hidden state that stage ``mid`` means, given the height of every hidden state's map.

    The last state before the last down-sampling (14 × 14 maps where the last is 7 × 7); for encoders that
    keep one grid throughout, the state after two thirds of the blocks. Our choice: objects and hands need the
    finer map, and a transformer's last blocks serve its training task.
    """
    larger = [index for index, side in enumerate(sides) if side > sides[-1]]
    return larger[-1] if larger else round((len(sides) - 1) * 2 / 3)
