"""What a reader needs of a video, be it a file or a folder of pictures."""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import av

from a2m2.errors import DecodeError
from a2m2.video.timeline import Timeline

COPY_AGAIN = "copy or download it again, or leave it out"
ENCODE_AGAIN = "encode it again, for example with: ffmpeg -i IN -c:v libx264 OUT.mp4"


class Shown(NamedTuple):
    """A decoded frame and when it is shown, in seconds from the first."""

    seconds: float
    frame: av.VideoFrame


class Source(Protocol):
    """Frames of one video, from the first to the last, as often as asked."""

    path: Path
    expected: Timeline
    """The timeline as stored; equals `seen` unless the file stores pictures that are never shown."""

    @property
    def codec(self) -> str:
        """FFmpeg's name of the format, such as ``h264``, whichever decoder reads it."""
        ...

    @property
    def seen(self) -> Timeline:
        """The timeline of the frames that the last complete pass of `frames` gave."""
        ...

    def frames(self) -> Iterator[Shown]:
        """All frames in presentation order; raises DecodeError where the video is damaged."""
        ...

    @property
    def is_certain(self) -> bool:
        """Whether `expected` is sure to be what decoding shows, and frames can be had without those before them."""
        ...

    def frames_at(self, wanted: Collection[int]) -> Iterator[tuple[int, Shown]]:
        """Only the frames at these places, in order, with their places; decodes no more than they need.

        Raises:
            DecodeError: what had to be decoded is damaged.
            ValueError: the source is not certain.
        """
        ...

    def close(self) -> None:
        """Free the file; nothing can be read afterwards."""
        ...


def check_readable(path: Path) -> None:
    """Raise DecodeError unless the file or folder exists and may be read."""
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            next(path.iterdir(), None)
        elif not stat.S_ISREG(kind):  # opening a pipe would wait for its other end for ever
            raise DecodeError(path, "it is neither a file nor a folder", "check the path")
        else:
            with path.open("rb", buffering=0):
                pass
    except (FileNotFoundError, NotADirectoryError):
        raise DecodeError(path, "no such file", "check the path") from None
    except PermissionError:
        raise DecodeError(path, "no permission to read it", "change its permissions") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        raise DecodeError(path, f"it cannot be opened ({error})", "check the path and the disk") from error
