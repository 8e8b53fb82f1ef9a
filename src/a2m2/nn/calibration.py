"""Temporal calibration of feature maps before their moment is taken.

A covariance forgets the order of the frames in its window. What happens between frames therefore has to be in
the channels: as differences (our choice, the strongest in our measurements) or through the two attentions of
TCPNet (Gao et al. 2021, arXiv 2110.14381), which the paper's authors published before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

CalibrationKind = Literal["none", "difference", "central", "tsa", "tca", "tsa+tca"]

Maps = Float[Tensor, "batch time channel height width"]


def earlier(maps: Float[Tensor, "batch time *rest"], *, by: int) -> Float[Tensor, "batch time *rest"]:
    """The frame ``by`` steps before each frame; frames before the first are the first.

    TCPNet wraps time around in one of its attentions. We repeat the edge (our choice): wrapping mixes the
    last frames into the first, and alignment needs to tell them apart.
    """
    index = (torch.arange(maps.shape[1], device=maps.device) - by).clamp(min=0)
    return maps.index_select(1, index)


def later(maps: Float[Tensor, "batch time *rest"]) -> Float[Tensor, "batch time *rest"]:
    """The frame after each frame; the one after the last is the last."""
    num_frames = maps.shape[1]
    index = (torch.arange(num_frames, device=maps.device) + 1).clamp(max=num_frames - 1)
    return maps.index_select(1, index)


def temporal_difference(maps: Maps) -> Maps:
    """x_t − x_{t−1}, zero for the first frame."""
    return maps - earlier(maps, by=1)


def central_difference(maps: Maps) -> Maps:
    """(x_{t+1} − x_{t−1})/2: motion around the frame itself, where x_t − x_{t−1} shows the one that led to it.

    Half of a one-sided difference at the first and the last frame.
    """
    return (later(maps) - earlier(maps, by=1)) / 2


DIFFERENCES: dict[str, Callable[[Maps], Maps]] = {
    "difference": temporal_difference,
    "central": central_difference,
}
"""Calibrations that append a difference to the channels."""


class TemporalSpatialAttention(nn.Module):
    """TSA: positions are re-weighted by how the two frames before attend to each other.

    A_t = softmax_j(φ₁(x_{t−1})ᵀ φ₂(x_{t−2}) / √d) over positions, out = x_t + BN(A_t φ₀(x_t)), with 1 × 1
    convolutions φ. The batch norm's scale starts at 0, so the block starts as the identity. Source: TCPNet;
    convolutions without bias are our choice.

    Args:
        dim: number of channels d.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.value = nn.Conv2d(dim, dim, 1, bias=False)
        self.query = nn.Conv2d(dim, dim, 1, bias=False)
        self.key = nn.Conv2d(dim, dim, 1, bias=False)
        self.norm = nn.BatchNorm2d(dim)
        nn.init.zeros_(self.norm.weight)

    def forward(self, maps: Maps) -> Maps:
        frames = maps.flatten(0, 1)
        query = self.query(earlier(maps, by=1).flatten(0, 1)).flatten(-2).mT
        key = self.key(earlier(maps, by=2).flatten(0, 1)).flatten(-2).mT
        value = self.value(frames).flatten(-2).mT
        attended = functional.scaled_dot_product_attention(query, key, value).mT.reshape(frames.shape)
        return maps + self.norm(attended).reshape(maps.shape)


class TemporalChannelAttention(nn.Module):
    """TCA: channels are gated by how their average over the frame changed.

    With p_t the map averaged over positions and g(·) = σ(W₂ ReLU(W₁ ·)), out = x_t ⊙ ½(g(p_t − p_{t−1}) +
    g((p_t − p_{t−2})/2)). Source: TCPNet; repeated edges are our choice.

    Args:
        dim: number of channels.
        expansion: width of the hidden layer as a multiple of ``dim``.
    """

    def __init__(self, dim: int, *, expansion: int = 4) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(dim, expansion * dim), nn.ReLU(), nn.Linear(expansion * dim, dim), nn.Sigmoid()
        )

    def forward(self, maps: Maps) -> Maps:
        pooled = maps.mean(dim=(-2, -1))
        short = self.gate(pooled - earlier(pooled, by=1))
        long = self.gate((pooled - earlier(pooled, by=2)) / 2)
        return maps * ((short + long) / 2)[..., None, None]


class Calibration(nn.Module):
    """One of the calibrations by name.

    Attributes:
        kind: ``none``; ``difference`` appends x_t − x_{t−1} to the channels and ``central``
            (x_{t+1} − x_{t−1})/2; ``tsa``, ``tca`` and ``tsa+tca`` keep their number.
        out_channels: number of channels that come out.
        num_difference: how many of them, at the end, are differences.

    Raises:
        ValueError: a name that is none of these.
    """

    def __init__(self, kind: CalibrationKind, dim: int) -> None:
        super().__init__()
        if kind not in get_args(CalibrationKind):
            raise ValueError(
                f"expected a calibration of {', '.join(get_args(CalibrationKind))}, got {kind!r}"
            )
        self.kind = kind
        self.difference = DIFFERENCES.get(kind)
        self.num_difference = 0 if self.difference is None else dim
        self.out_channels = dim + self.num_difference
        self.attentions = nn.Sequential()
        if "tsa" in kind:
            self.attentions.append(TemporalSpatialAttention(dim))
        if "tca" in kind:
            self.attentions.append(TemporalChannelAttention(dim))

    def forward(self, maps: Maps) -> Float[Tensor, "batch time out_channel height width"]:
        if self.difference is not None:
            return torch.cat([maps, self.difference(maps)], dim=2)
        return self.attentions(maps)
