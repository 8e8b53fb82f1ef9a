"""From a decoded frame to pixels: RGB, and turned the way the file says it is to be seen."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import av
import torch
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8
from torch import Tensor


@dataclass(frozen=True)
class Orientation:
    """How stored pixels are moved before they are seen; all eight ways a rectangle can lie.

    Attributes:
        transposed: rows become columns first.
        flip_rows, flip_columns: then the order of rows, of columns is reversed.
        rotation: degrees counter-clockwise of the turn in it, 0, 90, 180 or 270.
    """

    transposed: bool = False
    flip_rows: bool = False
    flip_columns: bool = False
    rotation: int = 0

    def apply(self, picture: Tensor) -> Tensor:
        """Turn ``(..., height, width)``."""
        if self.transposed:
            picture = picture.transpose(-1, -2)
        flipped = [axis for axis, flip in ((-2, self.flip_rows), (-1, self.flip_columns)) if flip]
        return picture.flip(flipped) if flipped else picture


_UPRIGHT = Orientation()


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """What the display matrix of a frame asks for; upright without one.

    The matrix ``(a b u; c d v; x y w)`` sends the stored point ``(x, y)`` to ``(a x + c y, b x + d y)``, y
    down. Lengths are ignored: they hold the shape of pixels, which is not corrected.

    Raises:
        ValueError: the matrix turns by an angle that is no multiple of 90 degrees.
    """
    side_data = frame.side_data.get("DISPLAYMATRIX")
    if side_data is None:
        return _UPRIGHT
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(side_data))
    along_x, along_y = math.hypot(a, b), math.hypot(c, d)
    if not along_x or not along_y:
        return _UPRIGHT
    unit = [a / along_x, b / along_x, c / along_y, d / along_y]
    a, b, c, d = (round(value) for value in unit)
    is_right_angle = all(abs(exact - value) < 1e-2 for exact, value in zip((a, b, c, d), unit, strict=True))
    rotation = -round(math.degrees(math.atan2(unit[1], unit[0]))) % 360
    if not is_right_angle or abs(a * d - b * c) != 1:
        raise ValueError(f"expected a rotation by a multiple of 90 degrees, got {rotation}")
    if a:
        return Orientation(flip_rows=d < 0, flip_columns=a < 0, rotation=rotation)
    return Orientation(transposed=True, flip_rows=b < 0, flip_columns=c < 0, rotation=rotation)


class RgbConverter:
    """Converts frames to uint8 RGB; keeps one scaler, because making one costs a hundred times its use."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> UInt8[Tensor, "3 height width"]:
        """Pixels of a frame, upright.

        Colour space and range are those the frame is tagged with; untagged means BT.601, limited range,
        FFmpeg's reading. Alpha is dropped; pixels that are not square stay as they are stored.
        """
        rgb = self._reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
        picture = torch.from_numpy(rgb).permute(2, 0, 1)
        return orientation_of(frame).apply(picture).contiguous()
