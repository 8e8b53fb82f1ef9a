"""Where content came from and where it goes: a layer that matches each frame's features with its neighbours'.

The local correlation of FlowNet (Dosovitskiy et al. 2015, arXiv 1504.06852), used for action recognition by
MotionSqueeze (Kwon et al. 2020, arXiv 2007.09933), with a softmax over displacements. A motion between two sampled
frames is often longer than a convolution can see; cosines of features find it at once, even while the features are
random, so a network that starts from nothing has something to learn from at its first step.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from a2m2.nn.calibration import earlier, later

STRIDE = 2
"""Positions of the map from one matched position to the next."""


class MotionMatching(nn.Module):
    """Shares of ``(2·radius + 1)²`` displacements to the frame before and to the one after, mixed to ``out_channels``.

        p(δ | i) = softmax_δ(κ · cos(x_t[i], x_{t∓1}[i + δ]))

    at every second position i of the map, over the displacements δ that stay inside the frame; κ is learnt. Where a
    clip begins and ends, a frame is matched with itself. Both sides, because what happens at a frame is what led to it
    as much as what follows: from the past alone, a third of all frames show another sub-action than their own.

    Args:
        out_channels: channels that come out.
        radius: longest displacement along each axis, in positions of the map.
        sharpness: κ at the start.
    """

    def __init__(self, out_channels: int, *, radius: int = 6, sharpness: float = 10.0) -> None:
        super().__init__()
        self.radius = radius
        self.log_sharpness = nn.Parameter(torch.tensor(sharpness).log())
        self.mix = nn.Sequential(
            nn.Conv2d(2 * (2 * radius + 1) ** 2, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )

    def forward(
        self, maps: Float[Tensor, "batch time channel height width"]
    ) -> Float[Tensor, "batch time out_channel half_height half_width"]:
        units = functional.normalize(maps, dim=2)
        sides = [self.shares(units, other) for other in (earlier(units, by=1), later(units))]
        shares = torch.cat(sides, dim=2)
        return self.mix(shares.flatten(0, 1)).unflatten(0, maps.shape[:2])

    def shares(
        self,
        units: Float[Tensor, "batch time channel height width"],
        others: Float[Tensor, "batch time channel height width"],
    ) -> Float[Tensor, "batch time displacement half_height half_width"]:
        """p(δ | i) of unit features in those of the frames to match with, displacements row by row."""
        height, width = units.shape[-2:]
        here = units[..., ::STRIDE, ::STRIDE]
        rows, columns = here.shape[-2:]
        index, inside = _neighbours((height, width), (rows, columns), self.radius, device=units.device)
        # κ goes into the smaller factor.
        scores = (self.log_sharpness.exp() * here).flatten(3).mT @ others.flatten(3)
        local = scores.gather(3, index.expand(*scores.shape[:2], -1, -1))
        shares = local.masked_fill(~inside, -torch.inf).softmax(-1)
        return shares.mT.unflatten(-1, (rows, columns))


def _neighbours(
    size: tuple[int, int], coarse: tuple[int, int], radius: int, *, device: torch.device
) -> tuple[Int[Tensor, "position displacement"], Bool[Tensor, "position displacement"]]:
    """For each coarse position the fine positions at every displacement, and whether they lie inside the map."""
    step = torch.arange(-radius, radius + 1, device=device)
    row = STRIDE * torch.arange(coarse[0], device=device)[:, None, None, None] + step[:, None]
    column = STRIDE * torch.arange(coarse[1], device=device)[:, None, None] + step
    inside = (row >= 0) & (row < size[0]) & (column >= 0) & (column < size[1])
    index = row.clamp(0, size[0] - 1) * size[1] + column.clamp(0, size[1] - 1)
    return index.flatten(2).flatten(0, 1), inside.flatten(2).flatten(0, 1)
