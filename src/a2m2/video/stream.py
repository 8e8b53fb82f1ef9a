"""A video as a stream: decoded once from the first frame to the last, whatever its length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
from jaxtyping import UInt8
from torch import Tensor

from a2m2.video.picture import RgbConverter
from a2m2.video.reader import DEFAULT_FOLDER_FPS, open_source, to_picture


class StreamedFrame(NamedTuple):
    """A decoded frame that becomes pixels when it is asked for them.

    Attributes:
        seconds: when it is shown, counted from the first frame.
        frame: as the decoder gave it.
        source: the file, for errors.
        convert: makes pixels of it.
    """

    seconds: float
    frame: av.VideoFrame
    source: Path
    convert: RgbConverter

    def picture(self) -> UInt8[Tensor, "3 height width"]:
        """Pixels, upright.

        Raises:
            DecodeError: they cannot be converted.
        """
        return to_picture(self.source, self.convert, self.frame).contiguous()


class VideoStream:
    """All frames of a video in turn, of which those that are asked for become RGB.

    Args:
        path: video file or frame folder.
        folder_fps: frames a second of a frame folder.

    Attributes:
        duration_seconds: length as the file tells it, up to where it is damaged if that shows at once.
        frames_per_second: mean rate, likewise.

    Raises:
        DecodeError: the file holds no video, or cannot be opened.
    """

    def __init__(self, path: str | Path, *, folder_fps: float = DEFAULT_FOLDER_FPS) -> None:
        self.path = Path(path)
        self._source = open_source(self.path, folder_fps, until_damage=True)
        expected = self._source.expected
        self.duration_seconds = expected.duration_seconds
        times = expected.pts_seconds
        lasting = float(times[-1] - times[0])
        # The last frame may stay for any time: the rate is that of the others.
        self.frames_per_second = (len(times) - 1) / lasting if lasting else folder_fps

    def frames(self) -> Iterator[StreamedFrame]:
        """The frames in presentation order.

        Raises:
            DecodeError: where the video is damaged, after the frames before it were given.
        """
        convert = RgbConverter()
        for shown in self._source.frames():
            yield StreamedFrame(shown.seconds, shown.frame, self.path, convert)

    def close(self) -> None:
        """Free the file."""
        self._source.close()
