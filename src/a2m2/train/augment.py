"""Random changes of training clips. All frames of a clip are changed alike: motion stays what it was."""

from __future__ import annotations

import torch
from jaxtyping import UInt8
from torch import Generator, Tensor

from a2m2.train_settings import AugmentSettings
from a2m2.video import resize_short


def augment(
    frames: UInt8[Tensor, "time 3 height width"],
    settings: AugmentSettings,
    *,
    crop: int,
    generator: Generator,
) -> UInt8[Tensor, "time 3 crop crop"]:
    """A random crop of a random scale, resized to ``crop × crop``, then mirrored and recoloured as settings say.

    The side of the crop is a share of the short side, drawn from ``settings.crop_scales`` (Wang et al., TSN,
    arXiv 1608.00859). The same number of draws is taken whatever the settings, so that switching one change off leaves
    the others as they were.
    """
    scale, top, left, mirrored, brightness, contrast = torch.rand(6, generator=generator).tolist()
    colours = torch.randperm(3, generator=generator)
    scales = settings.crop_scales
    height, width = frames.shape[-2:]
    side = max(1, round(scales[int(scale * len(scales))] * min(height, width)))
    row, column = int(top * (height - side + 1)), int(left * (width - side + 1))
    frames = resize_short(frames[..., row : row + side, column : column + side], crop)
    if settings.flip and mirrored < 0.5:
        frames = frames.flip(-1)
    if settings.permute_colours:
        frames = frames[:, colours]
    if settings.jitter:
        frames = _recolour(
            frames, settings.jitter * (2 * brightness - 1), settings.jitter * (2 * contrast - 1)
        )
    return frames.contiguous()


def _recolour(frames: Tensor, brightness: float, contrast: float) -> Tensor:
    """Contrast around the clip's mean first, then brightness, each changed by a share."""
    values = frames.float()
    mean = values.mean()
    changed = (mean + (1 + contrast) * (values - mean)) * (1 + brightness)
    return changed.round_().clamp_(0, 255).to(torch.uint8)
