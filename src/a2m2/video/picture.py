"""From a decoded frame to pixels: RGB, and turned the way the file says it is to be seen."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace
from typing import Any, cast

import av
import torch
from av.filter import Graph
from av.sidedata.sidedata import SideDataContainer, Type
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


UPRIGHT = Orientation()
# FFmpeg gets one or two kinds of side data a year; to remove one that does not exist is harmless.
_KINDS_AHEAD = 8


def lay(frame: av.VideoFrame, orientation: Orientation) -> None:
    """Let the frame lie so, unless it has a display matrix."""
    if orientation is not UPRIGHT:
        frame.opaque = replace(orientation)  # PyAV drops an object with the first of the frames that share it


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """What the display matrix of a frame asks for; without one how it was laid (`lay`), or upright.

    The matrix ``(a b u; c d v; x y w)`` sends the stored point ``(x, y)`` to ``(a x + c y, b x + d y)``, y
    down. Lengths are ignored: they hold the shape of pixels, which is not corrected.

    Raises:
        ValueError: the matrix turns by an angle that is no multiple of 90 degrees.
    """
    side_data = _known_side_data(frame).get("DISPLAYMATRIX")
    if side_data is None:
        return frame.opaque if isinstance(frame.opaque, Orientation) else UPRIGHT
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(side_data))
    along_x, along_y = math.hypot(a, b), math.hypot(c, d)
    if not along_x or not along_y:
        return UPRIGHT
    unit = [a / along_x, b / along_x, c / along_y, d / along_y]
    a, b, c, d = (round(value) for value in unit)
    is_right_angle = all(abs(exact - value) < 1e-2 for exact, value in zip((a, b, c, d), unit, strict=True))
    rotation = -round(math.degrees(math.atan2(unit[1], unit[0]))) % 360
    if not is_right_angle or abs(a * d - b * c) != 1:
        raise ValueError(f"expected a rotation by a multiple of 90 degrees, got {rotation}")
    if a:
        return Orientation(flip_rows=d < 0, flip_columns=a < 0, rotation=rotation)
    return Orientation(transposed=True, flip_rows=b < 0, flip_columns=c < 0, rotation=rotation)


def _known_side_data(frame: av.VideoFrame) -> SideDataContainer:
    """Side data of a frame without the kinds at which PyAV raises instead of giving any.

    Before version 19 those were all that it has no name for. FFmpeg takes them away: their numbers are above the last
    one known.
    """
    try:
        return cast(SideDataContainer, frame.side_data)
    except ValueError:
        graph = Graph()
        graph.threads = 1
        last = graph.add(
            "buffer",
            video_size=f"{frame.width}x{frame.height}",
            pix_fmt=frame.format.name,
            time_base="1",
            colorspace=str(int(frame.colorspace)),
            range=str(int(frame.color_range)),
        )
        first_unknown = max(int(kind.value) for kind in list[Any](Type)) + 1
        for kind in range(first_unknown, first_unknown + _KINDS_AHEAD):
            delete = graph.add("sidedata", f"mode=delete:type={kind}")
            last.link_to(delete)
            last = delete
        last.link_to(graph.add("buffersink"))
        graph.configure()
        graph.vpush(frame)
        known: Any = graph.vpull()  # PyAV's stubs name its type otherwise in 18 than in 19
        return cast(SideDataContainer, known.side_data)


class RgbConverter:
    """Converts frames to uint8 RGB; keeps one scaler, because making one costs a hundred times its use."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> UInt8[Tensor, "3 height width"]:
        """Pixels of a frame, upright; not in one piece of memory, to be copied to where they are wanted.

        Colour space and range are those the frame is tagged with; untagged means BT.601, limited range,
        FFmpeg's reading. Alpha is dropped; pixels that are not square stay as they are stored.
        """
        rgb = self._reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
        return orientation_of(frame).apply(torch.from_numpy(rgb).permute(2, 0, 1))
