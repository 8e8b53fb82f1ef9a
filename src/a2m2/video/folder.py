"""A folder of numbered pictures read as a video."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

import av
import torch
from av.codec import CodecContext

from a2m2.errors import DecodeError
from a2m2.video import limits
from a2m2.video.damage import FFmpegLog, decoder_options, last_message, reported_damage, reported_excess
from a2m2.video.metadata import only_pixels
from a2m2.video.picture import lay, orientation_of
from a2m2.video.source import COPY_AGAIN, Shown, check_readable
from a2m2.video.timeline import Timeline

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
# The content decides, not the suffix: pictures are often misnamed.
_DECODERS = {b"\xff\xd8\xff": "mjpeg", b"\x89PNG": "png"}
_NUMBERED = re.compile(r"(.*?)(\d+)")


class FrameFolder:
    """Pictures of one folder, in the order of the numbers at the end of their names.

    The numbers may start anywhere and may be padded with zeros or not (``frame2.jpg`` comes before
    ``frame10.jpg``), but none may be missing or occur twice, and all names share what precedes the number: a
    gap or a second sequence would silently shift which frame is which. Other files and hidden ones are
    ignored.

    A folder has no times, so frame ``k`` is shown at ``k / fps``. Pictures are decoded by FFmpeg like the
    frames of a file, which also finds more damage in JPEG than other readers do, and turned upright by the
    orientation in their EXIF; broken EXIF is passed over.

    Attributes:
        path: the folder.
        expected: its timeline.

    Raises:
        DecodeError: here for names that make no sequence, from `frames` for a picture that is damaged.
    """

    def __init__(self, path: Path, *, fps: float) -> None:
        if not fps > 0:
            raise ValueError(f"expected folder_fps > 0, got {fps}")
        check_readable(path)
        self.path = path
        self._fps = fps
        self._pictures = _in_order(path)
        num_frames = len(self._pictures)
        self.expected = Timeline(torch.arange(num_frames, dtype=torch.float64) / fps, num_frames / fps)

    @property
    def codec(self) -> str:
        self._check_file(self._pictures[0])
        with self._pictures[0].open("rb") as file:
            return self._decoder_of(self._pictures[0], file.read(4))

    @property
    def seen(self) -> Timeline:
        return self.expected

    @property
    def is_certain(self) -> bool:
        return True

    def frames(self) -> Iterator[Shown]:
        for _, shown in self.frames_at(range(len(self._pictures))):
            yield shown

    def frames_at(self, wanted: Collection[int]) -> Iterator[tuple[int, Shown]]:
        first: tuple[str, int, int] | None = None
        for position in sorted(set(wanted)):
            picture = self._pictures[position]
            frame = self._decode(picture)
            size = frame.width, frame.height
            width, height = reversed(size) if orientation_of(frame).transposed else size
            first = first or (picture.name, width, height)
            if (width, height) != first[1:]:
                cause = f"{picture.name} is {width}x{height}, {first[0]} is {first[1]}x{first[2]}"
                raise DecodeError(self.path, cause, "make all pictures the same size")
            yield position, Shown(position / self._fps, frame)

    def close(self) -> None:
        """Nothing stays open between pictures."""

    def _decode(self, picture: Path) -> av.VideoFrame:
        self._check_file(picture)
        try:
            data = picture.read_bytes()
        except OSError as error:
            raise DecodeError(self.path, f"{picture.name} cannot be read ({error})", COPY_AGAIN) from error
        name = self._decoder_of(picture, data)
        data, orientation = only_pixels(name, data)
        decoder = CodecContext.create(name, "r")
        decoder.thread_count = 1
        decoder.options = decoder_options(name)
        with FFmpegLog() as messages:
            try:
                frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
            except av.FFmpegError as error:
                self._check_size(picture, reported_excess(messages))
                detail = last_message(messages) or error.strerror
                raise DecodeError(self.path, f"{picture.name} is damaged ({detail})", COPY_AGAIN) from error
        self._check_size(picture, reported_excess(messages))
        for frame in frames:
            self._check_size(picture, limits.excess_pixels(frame.width, frame.height))
        damage = reported_damage(messages, sources=(name,))
        if damage is not None or len(frames) != 1 or frames[0].is_corrupt:
            detail = damage or f"{len(frames)} pictures in it"
            raise DecodeError(self.path, f"{picture.name} is damaged ({detail})", COPY_AGAIN)
        lay(frames[0], orientation)
        return frames[0]

    def _check_size(self, picture: Path, excess: str | None) -> None:
        if excess is not None:
            raise DecodeError(self.path, f"{picture.name}: {excess}", limits.LIMITED)

    def _check_file(self, picture: Path) -> None:
        """Opening a pipe would wait for its other end for ever; what is missing is for `open` to tell."""
        if picture.exists() and not picture.is_file():
            raise DecodeError(self.path, f"{picture.name} cannot be read (it is no file)", COPY_AGAIN)
        size = picture.stat().st_size if picture.exists() else 0
        if size > limits.MAX_PICTURE_BYTES:
            excess = f"it has {size:,} bytes, more than the limit of {limits.MAX_PICTURE_BYTES:,}"
            self._check_size(picture, excess)

    def _decoder_of(self, picture: Path, data: bytes) -> str:
        for start, name in _DECODERS.items():
            if data.startswith(start):
                return name
        raise DecodeError(self.path, f"{picture.name} is neither JPEG nor PNG", COPY_AGAIN)


def _in_order(folder: Path) -> list[Path]:
    """Pictures of ``folder`` by number; the numbers are consecutive."""
    pictures = [
        picture
        for picture in folder.iterdir()
        if picture.suffix.lower() in _SUFFIXES and not picture.name.startswith(".")
    ]
    if not pictures:
        raise DecodeError(folder, "the folder holds no jpg or png pictures", "check the path")
    by_number: dict[int, Path] = {}
    prefixes = set()
    for picture in sorted(pictures):
        match = _NUMBERED.fullmatch(picture.stem)
        if match is None:
            raise DecodeError(folder, f"{picture.name} has no number at its end", "rename it or move it away")
        prefixes.add(match[1])
        number = int(match[2])
        if len(prefixes) > 1:
            names = " and ".join(f"{prefix!r}" for prefix in sorted(prefixes))
            raise DecodeError(folder, f"it mixes pictures named {names}", "keep one sequence in a folder")
        if number in by_number:
            cause = f"{by_number[number].name} and {picture.name} have the same number"
            raise DecodeError(folder, cause, "remove one of them")
        by_number[number] = picture
    for number in range(min(by_number), max(by_number)):
        if number not in by_number:
            cause = f"picture number {number} is missing between {min(by_number)} and {max(by_number)}"
            raise DecodeError(folder, cause, "copy the folder again, or renumber its pictures")
    return [by_number[number] for number in sorted(by_number)]
