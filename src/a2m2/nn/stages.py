"""Which hidden states the stages of a backbone are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from a2m2.errors import WeightsError
from a2m2.nn.feature_maps import as_map, hidden_states, last_map, middle_index
from a2m2.nn.layout import Layout, call_encoder

LAST = -1
"""Stands for the encoder's result among the indices of hidden states."""


@dataclass(frozen=True)
class Stages:
    """The stages asked for, found in an encoder: one entry a stage.

    Attributes:
        names: ``mid``, ``last`` or a number, as asked for.
        indices: the hidden state, or :data:`LAST`.
        channels: number of channels of its map.
    """

    names: tuple[str, ...]
    indices: tuple[int, ...]
    channels: tuple[int, ...]


def stage_map(outputs: Any, index: int, grid: tuple[int, int] | None) -> Tensor:
    """The map of one stage; ValueError where a probed state has lost its spatial form."""
    found = last_map(outputs, grid) if index == LAST else as_map(hidden_states(outputs)[index], grid)
    if found is None:
        raise ValueError(f"expected a map in hidden state {index}, got none for a grid of {grid}")
    return found


def find_stages(model: Any, layout: Layout, names: tuple[str, ...], source: str) -> Stages:
    """Find every stage by a pass over blank frames.

    Raises:
        WeightsError: no spatial maps in the outputs, or no such stage.
    """
    states, last = _probe(model, layout, source)
    indices, channels = [], []
    for name in names:
        index = _stage_index(name, states, source)
        state = last if index == LAST else states[index]
        if state is None:
            raise WeightsError(
                f"stage {name} of {source} is no map; expected 'mid', 'last' or another number"
            )
        indices.append(index)
        channels.append(state.shape[1])
    return Stages(names, tuple(indices), tuple(channels))


def _probe(model: Any, layout: Layout, source: str) -> tuple[list[Tensor | None], Tensor]:
    height, width = layout.probe_size()
    length = layout.num_frames or layout.tubelet
    shape = (1, 3, height, width) if layout.tubelet == 1 else (1, length, 3, height, width)
    try:
        with torch.no_grad():
            grid, outputs = call_encoder(model, layout, torch.zeros(shape))
        states = [as_map(state, grid) for state in hidden_states(outputs)]
        last = last_map(outputs, grid)
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{source} gives no usable feature maps: {reason}") from None
    if last is None or all(state is None for state in states):
        raise WeightsError(
            f"{source} gives no usable feature maps: expected 4-D hidden states or a grid of patches, "
            f"got shape {tuple(outputs.last_hidden_state.shape)}"
        )
    return states, last


def _stage_index(name: str, states: list[Tensor | None], source: str) -> int:
    if name == "last":
        return LAST
    if name == "mid":
        return middle_index([0 if state is None else state.shape[-2] for state in states])
    if name.isdecimal() and int(name) < len(states):
        return int(name)
    raise WeightsError(
        f"{source} has no stage {name!r}; expected 'mid', 'last' or a number up to {len(states) - 1}"
    )
