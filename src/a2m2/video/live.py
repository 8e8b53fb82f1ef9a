"""Live pictures: a camera, a stream from the network, or a file that plays at its own speed.

A thread decodes; frames that nobody takes in time are dropped and counted, so that what is seen is never old.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av

from a2m2.errors import DataError, DecodeError
from a2m2.video.picture import RgbConverter
from a2m2.video.stream import StreamedFrame, VideoStream
from a2m2.video.streams import ANY_METADATA

_WAITING = 8
"""Frames that may wait to be taken."""
_DEFAULT_RATE = 25.0
"""Frames a second where a camera does not say."""
_OPEN_SECONDS = 10.0
_CAMERAS = {
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}"),
    "win32": ("dshow", "video={}"),
}


class LiveStream:
    """Frames as they come.

    Args:
        address: number of a camera, a URL, or a video file.
        wait: let frames wait for whoever takes them instead of dropping any, and play a file as fast as it is taken.

    Attributes:
        frames_per_second: as the source says; 25 where it does not.
        num_dropped: frames that nobody took in time.
        damage: why the source ended; None when it ended by itself, or goes on.

    Raises:
        DataError: a camera or a URL that cannot be opened.
        DecodeError: a file that holds no video.
    """

    def __init__(self, address: str, *, wait: bool = False) -> None:
        self.num_dropped = 0
        self.damage: DecodeError | None = None
        self._wait = wait
        self._address = address
        self._stop = threading.Event()
        self._queue: queue.Queue[StreamedFrame | None] = queue.Queue(_WAITING)
        self._file: VideoStream | None = None
        if address.isdecimal() or "://" in address:
            self._container = _open(address)
            rate = self._container.streams.video[0].average_rate
            self.frames_per_second = float(rate) if rate else _DEFAULT_RATE
        else:
            self._file = VideoStream(address)
            self.frames_per_second = self._file.frames_per_second
        self._thread = threading.Thread(target=self._read, daemon=True)

    def frames(self) -> Iterator[StreamedFrame]:
        """Frames with their times counted from the first, until the source ends or :meth:`close` is called."""
        self._thread.start()
        while (frame := self._queue.get()) is not None:
            yield frame

    def close(self) -> None:
        """Stop reading and free the source."""
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.1)  # the thread may be waiting for room
            except queue.Empty:
                continue
        if self._file is not None:
            self._file.close()
        else:
            self._container.close()

    def _read(self) -> None:
        source = self._file_frames() if self._file is not None else self._live_frames()
        try:
            for frame in source:
                self._hand_over(frame)
                if self._stop.is_set():
                    break
        except DecodeError as error:
            self.damage = error
        except av.FFmpegError as error:
            self.damage = DecodeError(
                self._address, f"the source ended ({error.strerror})", "check it and start again"
            )
        finally:
            self._queue.put(None)  # whatever happened: somebody waits for the next frame

    def _hand_over(self, frame: StreamedFrame) -> None:
        try:
            self._queue.put(frame, block=self._wait)
        except queue.Full:
            self.num_dropped += 1

    def _file_frames(self) -> Iterator[StreamedFrame]:
        assert self._file is not None
        start = time.monotonic()
        for frame in self._file.frames():
            if not self._wait:
                self._stop.wait(max(0.0, start + frame.seconds - time.monotonic()))
            yield frame

    def _live_frames(self) -> Iterator[StreamedFrame]:
        """Timed by their arrival: what cameras write into frames differs from one to the next."""
        convert = RgbConverter()
        first = None
        for frame in self._container.decode(video=0):
            now = time.monotonic()
            first = now if first is None else first
            yield StreamedFrame(now - first, frame, Path(self._address), convert)


def _open(address: str) -> av.container.InputContainer:
    kind, pattern = None, "{}"
    if address.isdecimal():
        kind, pattern = _CAMERAS.get(sys.platform, ("v4l2", "/dev/video{}"))
    place = pattern.format(address)
    what = place if kind is None else f"camera {address}"
    cure = "check the address" if kind is None else "plug it in, or give another number, a URL or a file"
    try:
        container = av.open(place, format=kind, timeout=_OPEN_SECONDS, **ANY_METADATA)
    except (av.FFmpegError, ValueError) as error:
        reason = error.strerror if isinstance(error, av.FFmpegError) else str(error)
        raise DataError(f"cannot open {what} ({reason}); {cure}") from None
    if not container.streams.video:
        container.close()
        raise DataError(f"{what} has no pictures; {cure}")
    return container
