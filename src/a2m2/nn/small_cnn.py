"""``small-cnn``: a network of five convolutions that trains from nothing on two cores (our choice).

    3×3 convolutions of 16, 32, 32, 64, 64 channels with strides 2, 2, 1, 2, 1, each with BN and ReLU

48 px become a 6 × 6 map. A single frame says nothing about a motion, and what a covariance cannot see must be in its
channels: with ``difference`` the fourth convolution sees x_t, x_t − x_{t−1} and x_t − x_{t+1} side by side, and the
fifth also where content came from and where it goes (:class:`~a2m2.nn.motion_matching.MotionMatching`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from a2m2.errors import WeightsError
from a2m2.nn.backbone import Backbone, Frames, StageMaps
from a2m2.nn.calibration import earlier, later
from a2m2.nn.motion_matching import MotionMatching
from a2m2.nn.sources import Normalisation
from a2m2.reading import shorten

VERSION = 2
"""Part of the digest: changes whenever the same weights would give other maps."""

WIDTHS = (16, 32, 32, 64, 64)
STRIDES = (2, 2, 1, 2, 1)

_CENTRED = Normalisation((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


class SmallCNN(Backbone):
    """The network as a backbone; ``mid`` is the map after three convolutions, ``last`` the one after all.

    Args:
        stages: ``mid`` or ``last``, one map each.
        difference: let the last stage see differences and displacements to both neighbours too.
        random_seed: seed of the weights it starts with.

    Raises:
        WeightsError: another stage.
    """

    def __init__(self, *, stages: tuple[str, ...], difference: bool = False, random_seed: int = 0) -> None:
        unknown = [stage for stage in stages if stage not in ("mid", "last")]
        if unknown:
            raise WeightsError(f"small-cnn has no stage {shorten(str(unknown[0]))}; expected 'mid' or 'last'")
        super().__init__(
            stages=stages,
            channels=tuple(WIDTHS[-3] if stage == "mid" else WIDTHS[-1] for stage in stages),
            image_size=None,
            normalisation=_CENTRED,
        )
        self.difference = difference
        middle, wide, last = WIDTHS[-3:]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(random_seed)
            self.first = _convolutions(3, WIDTHS[:-2], STRIDES[:-2])
            self.coarsen = _convolutions(3 * middle if difference else middle, (wide,), STRIDES[-2:-1])
            self.matching = MotionMatching(middle) if difference else None
            self.last = _convolutions(wide + middle if difference else wide, (last,), STRIDES[-1:])
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)

    @property
    def frame_by_frame(self) -> bool:
        """Without differences, or where their stage is not asked for."""
        return not self.difference or "last" not in self.stages

    def settings(self) -> dict[str, Any]:
        """Name, version and whether differences go in."""
        return {"model": "small-cnn", "version": VERSION, "difference": self.difference}

    def architecture(self) -> dict[str, Any]:
        """Name, stages and whether differences go in."""
        return {"kind": "small-cnn", "stages": list(self.stages), "difference": self.difference}

    def maps(self, pixels: Frames) -> StageMaps:
        """Maps of the chosen stages, frames of all clips side by side in one pass."""
        frames = pixels.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        middle = self.first(frames).unflatten(0, pixels.shape[:2])
        joined = middle
        if self.difference:
            changes = [middle - earlier(middle, by=1), middle - later(middle)]
            joined = torch.cat([middle, *changes], dim=2)
        coarse = self.coarsen(joined.flatten(0, 1))
        if self.matching is not None:
            coarse = torch.cat([coarse, self.matching(middle).flatten(0, 1)], dim=1)
        last = self.last(coarse).unflatten(0, pixels.shape[:2])
        return tuple(middle if stage == "mid" else last for stage in self.stages)


def _convolutions(channels: int, widths: tuple[int, ...], strides: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width, stride in zip(widths, strides, strict=True):
        layers += [
            nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        channels = width
    return nn.Sequential(*layers)
