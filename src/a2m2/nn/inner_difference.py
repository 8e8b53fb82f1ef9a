"""Temporal differences inside a pretrained ResNet (our choice).

Before the last stage x_t becomes x_t + P(x_t − x_{t−1}) with a 1 × 1 convolution P that starts at zero: the network
starts as it was, and a following convolution sees what it would see of both maps side by side.
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from a2m2.errors import WeightsError
from a2m2.nn.calibration import temporal_difference


class InnerDifference(nn.Module):
    """A stage that also sees how its input changed since the frame before.

    Args:
        stage: the stage.
        channels: of its input.

    Attributes:
        num_frames: frames of a clip; maps come with the frames of all clips side by side, so whoever calls the
            network sets it first.
    """

    def __init__(self, stage: nn.Module, channels: int) -> None:
        super().__init__()
        self.stage = stage
        self.project = nn.Conv2d(channels, channels, 1, bias=False)
        nn.init.zeros_(self.project.weight)
        self.num_frames = 1

    def forward(
        self, maps: Float[Tensor, "frame channel height width"]
    ) -> Float[Tensor, "frame out_channel out_height out_width"]:
        change = temporal_difference(maps.unflatten(0, (-1, self.num_frames))).flatten(0, 1)
        return self.stage(maps + self.project(change))


def join_difference(model: Any, source: str) -> None:
    """Put an :class:`InnerDifference` around the last stage of a ResNet.

    Raises:
        WeightsError: another architecture.
    """
    if model.config.model_type != "resnet":
        raise WeightsError(
            f"difference inside the backbone is for small-cnn and resnet, {source} is a "
            f"{model.config.model_type}; use m2.calibration=difference, which comes after the reduction"
        )
    stages = model.encoder.stages
    stages[-1] = InnerDifference(stages[-1], model.config.hidden_sizes[-2])


def inner_difference(model: nn.Module) -> InnerDifference | None:
    """The difference inside ``model``, if it has one."""
    return next((module for module in model.modules() if isinstance(module, InnerDifference)), None)
