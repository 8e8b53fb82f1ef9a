"""The one signature of all backbones: frames in, feature maps of chosen stages out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from a2m2.nn.digest import tensors_digest
from a2m2.nn.sources import Normalisation

Frames = Float[Tensor, "batch time 3 height width"]
StageMaps = tuple[Float[Tensor, "batch time _ _ _"], ...]
"""One map ``(batch, time, channel, height, width)`` a stage; the last three differ between stages."""


class Backbone(nn.Module, ABC):
    """Base of all backbones.

    Attributes:
        stages: names of the stages, ``mid``, ``last`` or the number of a hidden state, one a map.
        channels: number of channels of each stage's map.
        image_size: height and width the weights were made for, or None where any size is as good.
        normalisation: what is done to pixels first.
    """

    _mean: Tensor
    _std: Tensor

    def __init__(
        self,
        *,
        stages: tuple[str, ...],
        channels: tuple[int, ...],
        image_size: tuple[int, int] | None,
        normalisation: Normalisation,
    ) -> None:
        super().__init__()
        self.stages = stages
        self.channels = channels
        self.image_size = image_size
        self.normalisation = normalisation
        for name in ("mean", "std"):
            values = torch.tensor(getattr(normalisation, name))[:, None, None]
            self.register_buffer(f"_{name}", values, persistent=False)

    def forward(self, frames: Frames) -> StageMaps:
        """Feature maps ``(batch, time, channel, height, width)`` of every stage.

        Args:
            frames: RGB in [0, 1].

        Raises:
            ValueError: not frames, or of a size that the architecture cannot take.
        """
        if frames.ndim != 5 or frames.shape[2] != 3 or not frames.is_floating_point():
            raise ValueError(
                "expected float frames (batch, time, 3, height, width) in [0, 1], "
                f"got {str(frames.dtype).removeprefix('torch.')} {tuple(frames.shape)}"
            )
        return self.maps((frames * self.normalisation.gain - self._mean) / self._std)

    @property
    def device(self) -> torch.device:
        """Where its weights lie, and frames have to."""
        return self._mean.device

    @property
    def frame_by_frame(self) -> bool:
        """Whether a frame's maps are the same whatever frames are beside it."""
        return False

    @abstractmethod
    def maps(self, pixels: Frames) -> StageMaps:
        """Maps of normalised pixels."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Whatever else than the weights decides what the maps are, as JSON can hold it."""

    @abstractmethod
    def architecture(self) -> dict[str, Any]:
        """What :func:`a2m2.nn.build_backbone` needs to make this network again, weights apart, as JSON can hold it."""

    def digest(self) -> str:
        """16 hex digits that name weights and settings, whichever stages are asked for.

        With a stage's name beside it, it is a key for cached maps.
        """
        normalisation = asdict(self.normalisation)
        return tensors_digest(self.state_dict(), {"normalisation": normalisation} | self.settings())

    def stage_identity(self, stage: str) -> str:
        """What one of ``stages`` really is; the same identity of the same digest means the same maps."""
        return stage
