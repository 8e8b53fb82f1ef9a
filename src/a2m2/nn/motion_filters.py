"""``motion-filters``: feature maps of motion without any weights (our choice, made by hand).

Made for the demo and as a floor to compare networks with: it knows how things move and nothing of what they are.
For every cell of a coarse grid and every frame:

* contrast: how much the cell differs from its surroundings;
* change: how much it differs from the same cell in the frame before, and in the frame after;
* motion: where its content came from, and where it goes, by soft matching of small patches within a radius; given as
  a histogram of directions and as a mean displacement, both weighted by the change.

The covariance of such channels over a window says which directions occur together, at which places, and how these
change: what the M² block is for. The constants were chosen on training classes of synth-v1, never on its test classes.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from a2m2.errors import WeightsError
from a2m2.nn.backbone import Backbone, Frames, StageMaps
from a2m2.nn.sources import Normalisation

VERSION = 1
"""Part of the digest: changes whenever the maps change."""

GRID = 24
NUM_DIRECTIONS = 4
_OPPONENT = ((1 / 3, 1 / 3, 1 / 3), (0.7, -0.7, 0.0), (0.35, 0.35, -0.7))  # luminance, red–green, yellow–blue
_SURROUND_BLUR = 4.5  # standard deviation in cells
_PATCH = 3
_RADIUS = 9.0  # cells that content may move between two sampled frames
_TEMPERATURE = 0.02  # colour difference that counts as a match
_SLOWNESS = 0.2  # log odds against a motion, a cell of length
_CHANGE_SCALE = 0.05  # colour difference at which change saturates half-way
_CHANGE_GAIN, _MOTION_GAIN = 0.3, 0.9

NUM_CHANNELS = 1 + 2 * (NUM_DIRECTIONS + 3)
_PIXELS_AS_THEY_ARE = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


class MotionFilters(Backbone):
    """The filter bank as a backbone; ``mid`` and ``last`` are the same 24 × 24 map of 15 channels.

    Args:
        stages: ``mid`` or ``last``, one map each.
        last_stride: 2; there is no other.

    Raises:
        WeightsError: another stage or stride.
    """

    _bias: Tensor
    _tuning: Tensor
    _colours: Tensor

    def __init__(self, *, stages: tuple[str, ...], last_stride: int = 2) -> None:
        unknown = [stage for stage in stages if stage not in ("mid", "last")]
        if unknown:
            raise WeightsError(f"motion-filters has no stage {unknown[0]}; expected 'mid' or 'last'")
        if last_stride != 2:
            raise WeightsError(f"motion-filters has no last stride of {last_stride}; leave it at 2")
        super().__init__(
            stages=stages,
            channels=(NUM_CHANNELS,) * len(stages),
            image_size=None,
            normalisation=_PIXELS_AS_THEY_ARE,
        )
        bias, tuning = _motion_tables()
        self.register_buffer("_bias", bias, persistent=False)
        self.register_buffer("_tuning", tuning, persistent=False)
        self.register_buffer("_colours", torch.tensor(_OPPONENT), persistent=False)

    def settings(self) -> dict[str, Any]:
        """Name and version."""
        return {"model": "motion-filters", "version": VERSION}

    def architecture(self) -> dict[str, Any]:
        """Name and stages; there are no weights."""
        return {"kind": "motion-filters", "stages": list(self.stages)}

    def maps(self, pixels: Frames) -> StageMaps:
        """The one map of each clip, as often as there are stages."""
        maps = torch.stack([self._clip_map(clip) for clip in pixels.float()])
        return (maps,) * len(self.stages)

    def _clip_map(
        self, clip: Float[Tensor, "time 3 height width"]
    ) -> Float[Tensor, "time channel grid grid"]:
        small = functional.adaptive_avg_pool2d(clip, GRID)
        cells = torch.einsum("oc,tchw->tohw", self._colours, small)
        contrast = (cells - _blur(cells, _SURROUND_BLUR)).square().sum(1, keepdim=True)
        time = torch.arange(len(cells), device=cells.device)
        before = self._motion(cells, cells[(time - 1).clamp(min=0)])
        # To the frame after, directions are those in which its content came from there.
        after = self._motion(cells, cells[(time + 1).clamp(max=len(cells) - 1)])
        return torch.cat([(contrast + 1e-6).sqrt(), before, after], dim=1)

    def _motion(
        self, cells: Float[Tensor, "time colour grid grid"], other: Float[Tensor, "time colour grid grid"]
    ) -> Float[Tensor, "time channel grid grid"]:
        """Change and motion between each frame and another one."""
        difference = (cells - other).square().sum(1, keepdim=True)
        change = difference / (difference + _CHANGE_SCALE**2)
        match = torch.softmax(self._bias - _distances(cells, other) / (2 * _TEMPERATURE**2), dim=-1)
        motion = torch.einsum("tij,ijk->tki", match, self._tuning).unflatten(-1, (GRID, GRID))
        return torch.cat([_MOTION_GAIN * change * motion, _CHANGE_GAIN * change], dim=1)


def _motion_tables() -> tuple[Float[Tensor, "cell source"], Float[Tensor, "cell source motion"]]:
    """Log odds of every source of a cell before looking, and what it says: directions, then x and y."""
    axis = torch.arange(GRID, dtype=torch.float32)
    y, x = (values.flatten() for values in torch.meshgrid(axis, axis, indexing="ij"))
    right, down = x[:, None] - x, y[:, None] - y
    length = (right.square() + down.square()).sqrt()
    bias = (-_SLOWNESS * length).masked_fill(length > _RADIUS, -torch.inf)
    angle = torch.atan2(down, right)
    tuned = [
        torch.relu(torch.cos(angle - 2 * math.pi * k / NUM_DIRECTIONS)) * (length > 0)
        for k in range(NUM_DIRECTIONS)
    ]
    return bias, torch.stack([*tuned, right / 5, down / 5], dim=-1)


def _distances(
    cells: Float[Tensor, "time colour grid grid"], other: Float[Tensor, "time colour grid grid"]
) -> Float[Tensor, "time cell source"]:
    """Mean squared colour difference of the patches around every cell and every cell of ``other``."""
    here, there = _patches(cells), _patches(other)
    products = here.mT @ there
    return here.square().sum(1)[:, :, None] + there.square().sum(1)[:, None] - 2 * products


def _patches(cells: Float[Tensor, "time colour grid grid"]) -> Float[Tensor, "time entry cell"]:
    """The patch around every cell, scaled so that squared distances are means over the patch."""
    padded = functional.pad(cells, (_PATCH // 2,) * 4, mode="replicate")
    return functional.unfold(padded, _PATCH) / _PATCH


def _blur(images: Float[Tensor, "time colour height width"], sigma: float) -> Tensor:
    """Gaussian blur, edges repeated."""
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-offsets.square() / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 1, -1)
    padded = functional.pad(images, (radius,) * 4, mode="replicate")
    rows = functional.conv2d(padded, kernel, groups=images.shape[1])
    return functional.conv2d(rows, kernel.mT, groups=images.shape[1])
