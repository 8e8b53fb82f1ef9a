"""From uint8 frames to what a backbone takes: shorter side, centre crop, floats. Pure functions."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional


def resize_short(frames: Tensor, size: int) -> Tensor:
    """Scale ``(time, 3, height, width)`` so that the shorter side is ``size``; the aspect stays.

    The longer side becomes ``floor(size * longer / shorter)``. Bilinear with antialiasing, as an image
    library does it: every output pixel is an average over the input pixels it covers. uint8 stays uint8,
    rounded to nearest; float stays float. Frames whose shorter side is ``size`` already come back as they
    are.
    """
    _check_frames(frames)
    _check_size(size)
    height, width = frames.shape[2:]
    shorter = min(height, width)
    if shorter == size:
        return frames
    target = (size * height // shorter, size * width // shorter)
    values = frames if frames.is_floating_point() else frames.float()
    scaled = functional.interpolate(values, size=target, mode="bilinear", antialias=True)
    return scaled if frames.is_floating_point() else scaled.round_().clamp_(0, 255).to(frames.dtype)


def center_crop(frames: Tensor, size: int) -> Tensor:
    """The central ``size x size`` pixels; an odd remainder leaves one row or column more below or right.

    Raises:
        ValueError: the frames are smaller than the crop.
    """
    _check_frames(frames)
    _check_size(size)
    height, width = frames.shape[2:]
    if height < size or width < size:
        raise ValueError(f"expected frames of at least {size}x{size} to crop, got {height}x{width}")
    top, left = (height - size) // 2, (width - size) // 2
    return frames[:, :, top : top + size, left : left + size]


def to_float(frames: UInt8[Tensor, "time 3 height width"]) -> Float[Tensor, "time 3 height width"]:
    """uint8 in 0..255 to float32 in [0, 1]: ``value / 255``."""
    _check_frames(frames)
    if frames.dtype != torch.uint8:
        raise ValueError(f"expected uint8 frames, got {frames.dtype}")
    return frames.float() / 255


def prepare(
    frames: UInt8[Tensor, "time 3 height width"], *, resize: int, crop: int
) -> Float[Tensor, "time 3 crop crop"]:
    """Shorter side to ``resize``, central ``crop x crop``, float32 in [0, 1], contiguous.

    Interpolates in float, so nothing is rounded between the file and the backbone. Bilinear weights are
    non-negative and sum to 1; the clamp only removes the rounding of float32.
    """
    if crop > resize:
        raise ValueError(f"expected crop <= resize, got crop={crop} and resize={resize}")
    # One frame at a time: eight 1080p frames in float32 would take 200 MB on their way to 224 pixels.
    small = [center_crop(resize_short(to_float(frame), resize), crop) for frame in frames.split(1)]
    return torch.cat(small).clamp(0, 1).contiguous()


def _check_frames(frames: Tensor) -> None:
    if frames.ndim != 4 or frames.shape[1] != 3:
        raise ValueError(f"expected frames of shape (time, 3, height, width), got {tuple(frames.shape)}")


def _check_size(size: int) -> None:
    if size < 1:
        raise ValueError(f"expected a size of at least one pixel, got {size}")
