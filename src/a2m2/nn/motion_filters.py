"""``motion-filters``: feature maps of motion without any weights (our choice, made by hand).

Made for the demo and as a floor to compare networks with: it knows how things move and nothing of what they are.
For every cell of a coarse grid and every frame:

* contrast: how much the cell differs from its surroundings;
* change: how much it differs from the same cell in the frame before, and in the frame after;
* motion: where its content came from, and where it goes, by soft matching of small patches within a radius; given as
  a histogram of directions and as a mean displacement, both weighted by the change;
* its place in the frame.

The covariance of such channels over a window says which directions occur together, at which places, and how these
change: what the M² block is for. The constants were chosen on training
classes of synth-v1, never on its test classes.
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

GRID = 20
NUM_DIRECTIONS = 8
_COLOUR_SIDE = 64  # frames are averaged to this size before colours and blur
_OPPONENT = ((1 / 3, 1 / 3, 1 / 3), (0.7, -0.7, 0.0), (0.35, 0.35, -0.7))  # luminance, red–green, yellow–blue
_FINE_BLUR, _SURROUND_BLUR = 0.5, 3.75  # standard deviations in pixels of the 64 and the 20 grid
_PATCH = 3
_RADIUS = 5.5  # cells that content may move between two sampled frames
_REACH = math.floor(_RADIUS)
_TEMPERATURE = 0.015  # colour difference that counts as a match
_SLOWNESS = 0.1  # log odds against a motion, a cell of length
_SHARPNESS = 3  # exponent of the directions' cosine tuning
_CHANGE_SCALE = 0.05  # colour difference at which change saturates half-way
_CHANGE_GAIN, _GATE_GAIN, _MOTION_GAIN, _PLACE_GAIN = 0.42, 0.3, 3.0, 0.2

NUM_CHANNELS = 1 + 2 * (NUM_DIRECTIONS + 3) + 2
_PIXELS_AS_THEY_ARE = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


class MotionFilters(Backbone):
    """The filter bank as a backbone; ``mid`` and ``last`` are the same 20 × 20 map of 25 channels.

    Args:
        stages: ``mid`` or ``last``, one map each.
        last_stride: 2; there is no other.

    Raises:
        WeightsError: another stage or stride.
    """

    _bias: Tensor
    _tuning: Tensor
    _place: Tensor
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
        self.register_buffer("_place", _PLACE_GAIN * _cell_places(), persistent=False)
        self.register_buffer("_colours", torch.tensor(_OPPONENT), persistent=False)

    def settings(self) -> dict[str, Any]:
        """Name and version."""
        return {"model": "motion-filters", "version": VERSION}

    def maps(self, pixels: Frames) -> StageMaps:
        """The one map of each clip, as often as there are stages."""
        maps = torch.stack([self._clip_map(clip) for clip in pixels.float()])
        return (maps,) * len(self.stages)

    def _clip_map(
        self, clip: Float[Tensor, "time 3 height width"]
    ) -> Float[Tensor, "time channel grid grid"]:
        small = functional.adaptive_avg_pool2d(clip, _COLOUR_SIDE)
        colours = torch.einsum("oc,tchw->tohw", self._colours, small)
        cells = functional.adaptive_avg_pool2d(_blur(colours, _FINE_BLUR), GRID)
        contrast = (cells - _blur(cells, _SURROUND_BLUR)).square().sum(1, keepdim=True)
        time = torch.arange(len(cells), device=cells.device)
        before = self._motion(cells, cells[(time - 1).clamp(min=0)])
        # To the frame after, directions are those in which its content came from there.
        after = self._motion(cells, cells[(time + 1).clamp(max=len(cells) - 1)])
        place = self._place.expand(len(cells), -1, -1, -1)
        return torch.cat([(contrast + 1e-6).sqrt(), before, after, place], dim=1)

    def _motion(
        self, cells: Float[Tensor, "time colour grid grid"], other: Float[Tensor, "time colour grid grid"]
    ) -> Float[Tensor, "time channel grid grid"]:
        """Change and motion between each frame and another one."""
        difference = (cells - other).square().sum(1, keepdim=True)
        change = difference / (difference + _CHANGE_SCALE**2)
        match = torch.softmax(self._bias - _distances(cells, other) / (2 * _TEMPERATURE**2), dim=1)
        motion = torch.einsum("tohw,ok->tkhw", match, self._tuning)
        return torch.cat([_MOTION_GAIN * _GATE_GAIN * change * motion, _CHANGE_GAIN * change], dim=1)


def _motion_tables() -> tuple[Float[Tensor, "offset grid grid"], Float[Tensor, "offset motion"]]:
    """Log odds of every offset at every cell before looking, and what an offset says: directions, then x and y.

    An offset leads from where content was in the other frame to the cell.
    """
    axis = torch.arange(-_REACH, _REACH + 1, dtype=torch.float32)
    down, right = (values.flatten() for values in torch.meshgrid(axis, axis, indexing="ij"))
    length = (right.square() + down.square()).sqrt()
    cell = torch.arange(GRID, dtype=torch.float32)
    row, column = cell[None, :] - down[:, None], cell[None, :] - right[:, None]
    row_inside, column_inside = (row >= 0) & (row < GRID), (column >= 0) & (column < GRID)
    possible = row_inside[:, :, None] & column_inside[:, None, :] & (length <= _RADIUS)[:, None, None]
    bias = torch.where(possible, -_SLOWNESS * length[:, None, None], torch.tensor(-torch.inf))
    angle = torch.atan2(down, right)
    moving = (length > 0).float()
    tuned = [
        moving * torch.relu(torch.cos(angle - 2 * math.pi * k / NUM_DIRECTIONS)) ** _SHARPNESS
        for k in range(NUM_DIRECTIONS)
    ]
    return bias, torch.stack([*tuned, right / 5, down / 5], dim=-1)


def _distances(
    cells: Float[Tensor, "time colour grid grid"], other: Float[Tensor, "time colour grid grid"]
) -> Float[Tensor, "time offset grid grid"]:
    """Mean squared colour difference of the patch around each cell and the one an offset away in ``other``."""
    padded = functional.pad(other, (_REACH,) * 4, mode="replicate")
    side = 2 * _REACH + 1
    # unfold lists the neighbours from top left; content that moved down and right came from there, so turn it round.
    neighbours = functional.unfold(padded, side).unflatten(1, (-1, side**2)).flip(2)
    squared = (neighbours - cells.flatten(2)[:, :, None]).square().sum(1).unflatten(-1, (GRID, GRID))
    edge = _PATCH // 2
    return functional.avg_pool2d(functional.pad(squared, (edge,) * 4, mode="replicate"), _PATCH, stride=1)


def _cell_places() -> Float[Tensor, "2 grid grid"]:
    """x and y of every cell's centre, −1 … 1."""
    axis = torch.linspace(-1, 1, GRID)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y])


def _blur(images: Float[Tensor, "time colour height width"], sigma: float) -> Tensor:
    """Gaussian blur, edges repeated."""
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-offsets.square() / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 1, -1)
    padded = functional.pad(images, (radius,) * 4, mode="replicate")
    rows = functional.conv2d(padded, kernel, groups=images.shape[1])
    return functional.conv2d(rows, kernel.mT, groups=images.shape[1])
