"""Writing a clip as a video file: the same frames give the same bytes, and never half a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8
from torch import Tensor

from a2m2.checks import atomic_path, write_failure

Codec = Literal["libx264", "mpeg4", "libvpx-vp9", "gif"]
Rotation = Literal[0, 90, 180, 270]

# Suffix -> (muxer, codec when none is named).
_CONTAINERS: dict[str, tuple[str, Codec]] = {
    ".mp4": ("mp4", "libx264"),
    ".mov": ("mov", "libx264"),
    ".mkv": ("matroska", "libx264"),
    ".avi": ("avi", "mpeg4"),
    ".webm": ("webm", "libvpx-vp9"),
    ".gif": ("gif", "gif"),
}
_CONSTANT_RATE_ONLY = frozenset({".avi"})
_PIXEL_FORMATS: dict[Codec, str] = {
    "libx264": "yuv420p",
    "mpeg4": "yuv420p",
    "libvpx-vp9": "yuv420p",
    "gif": "rgb8",
}
# Ticks a second for clips with times of their own; every muxer here can hold them or rounds them to
# milliseconds.
_VARIABLE_TIME_BASE = Fraction(1, 90_000)


def write_clip(
    path: str | Path,
    frames: UInt8[Tensor, "time 3 height width"] | UInt8[np.ndarray, "time 3 height width"],
    *,
    fps: float | Fraction = 16.0,
    codec: Codec | None = None,
    crf: int = 18,
    preset: str = "superfast",
    num_b_frames: int = 0,
    keyframe_interval: int | None = None,
    pts_seconds: Sequence[float] | None = None,
    rotation: Rotation = 0,
) -> None:
    """Write ``frames`` to ``path`` as one video stream; the suffix chooses the container.

    Encoding runs on one thread and leaves out names, dates and random identifiers, so the same frames and
    arguments give the same bytes with the same FFmpeg libraries. The file is written under a temporary name
    in the same folder and then renamed: on failure or Ctrl-C an earlier file stays and nothing half-written
    is left.

    Args:
        path: ``.mp4``, ``.mov``, ``.mkv`` (H.264 unless told otherwise), ``.avi`` (MPEG-4), ``.webm`` (VP9)
            or ``.gif``. Missing folders are made.
        frames: uint8 ``(time, 3, height, width)`` RGB, at least one frame. All codecs but ``gif`` store
            chroma at half size (yuv420p) and need even height and width; nothing is padded.
        fps: frames a second; with ``pts_seconds`` only the nominal rate.
        codec: encoder; None for the natural one of the suffix.
        crf: quality of H.264 and VP9, 0 best to 51 worst; the quantiser (2 to 31) of MPEG-4; unused for gif.
        preset: speed of libx264.
        num_b_frames: consecutive B-frames that H.264 and MPEG-4 may use.
        keyframe_interval: frames from one key frame to the next, at most; None for the encoder's own (x264: 250).
        pts_seconds: time of every frame, strictly increasing from 0, for a variable frame rate. Stored in
            ticks of 1/90000 s, except milliseconds in mkv and webm and 1/100 s in gif. Not for avi.
        rotation: degrees counter-clockwise by which a player must turn the stored pictures (mp4, mov, mkv).

    Raises:
        ValueError: frames, size, times, suffix or codec that cannot be written.
        OutputError: the place cannot be written to, the disk is full, or the encoder failed.
    """
    path = Path(path)
    array = _as_array(frames)
    muxer, natural_codec = _container_of(path)
    codec = codec or natural_codec
    _check_size(array, codec)
    if keyframe_interval is not None and keyframe_interval < 1:
        raise ValueError(f"expected keyframe_interval >= 1, got {keyframe_interval}")
    time_base, ticks = _ticks(path, len(array), fps, pts_seconds)
    options = _encoder_options(codec, crf=crf, preset=preset, num_b_frames=num_b_frames)

    with atomic_path(path) as temporary:
        try:
            # bitexact: without it mkv files carry a random identifier and all files the version of the muxer.
            muxer_options = {"fflags": "+bitexact"}
            with av.open(
                f"file:{temporary.absolute()}", "w", format=muxer, options=muxer_options
            ) as container:
                stream = container.add_stream(codec, rate=_rational_rate(fps), options=options)
                stream.height, stream.width = array.shape[2:]
                stream.pix_fmt = _PIXEL_FORMATS[codec]
                stream.codec_context.thread_count = 1
                stream.codec_context.time_base = time_base
                stream.codec_context.max_b_frames = num_b_frames
                if keyframe_interval is not None:
                    stream.codec_context.gop_size = keyframe_interval
                if rotation:
                    stream.set_display_rotation(rotation)
                for frame in _video_frames(array, stream.pix_fmt, ticks, time_base):
                    container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
        except av.FFmpegError as error:
            raise write_failure(path, error) from error


def _as_array(frames: Tensor | np.ndarray) -> UInt8[np.ndarray, "time 3 height width"]:
    array = frames.detach().cpu().numpy() if isinstance(frames, Tensor) else frames
    if array.ndim != 4 or array.shape[1] != 3 or array.dtype != np.uint8 or 0 in array.shape:
        raise ValueError(
            f"expected frames as uint8 (time, 3, height, width) with time > 0, got {array.dtype}{array.shape}"
        )
    return array


def _container_of(path: Path) -> tuple[str, Codec]:
    try:
        return _CONTAINERS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(_CONTAINERS)
        raise ValueError(f"expected a file name that ends in one of {known}, got {path.name!r}") from None


def _check_size(array: np.ndarray, codec: Codec) -> None:
    height, width = array.shape[2:]
    if _PIXEL_FORMATS[codec] == "yuv420p" and (height % 2 or width % 2):
        raise ValueError(f"expected even height and width for {codec}, got {height}x{width}; crop one pixel")


def _ticks(
    path: Path, num_frames: int, fps: float | Fraction, pts_seconds: Sequence[float] | None
) -> tuple[Fraction, list[int]]:
    """Time base, and the time of every frame counted in it."""
    if not fps > 0:
        raise ValueError(f"expected fps > 0, got {fps}")
    if pts_seconds is None:
        return 1 / _rational_rate(fps), list(range(num_frames))
    if path.suffix.lower() in _CONSTANT_RATE_ONLY:
        raise ValueError(
            f"expected a container with times for {path.name!r}, got avi, whose frame rate is constant"
        )
    ticks = [round(seconds / _VARIABLE_TIME_BASE) for seconds in pts_seconds]
    increasing = all(late > early for early, late in pairwise(ticks))
    if len(ticks) != num_frames or ticks[0] != 0 or not increasing:
        raise ValueError(
            f"expected {num_frames} strictly increasing pts_seconds from 0, got {list(pts_seconds)[:8]}"
        )
    return _VARIABLE_TIME_BASE, ticks


def _rational_rate(fps: float | Fraction) -> Fraction:
    # 29.97 is meant as 30000/1001; 1001 is the largest denominator of a standard rate.
    return Fraction(fps).limit_denominator(1001)


def _encoder_options(codec: Codec, *, crf: int, preset: str, num_b_frames: int) -> dict[str, str]:
    match codec:
        case "libx264":
            return {"crf": str(crf), "preset": preset, "bf": str(num_b_frames), "threads": "1"}
        case "mpeg4":
            quantiser = str(min(max(crf, 2), 31))
            return {"qmin": quantiser, "qmax": quantiser, "threads": "1"}
        case "libvpx-vp9":
            return {"crf": str(crf), "b": "0", "deadline": "realtime", "cpu-used": "8", "threads": "1"}
        case "gif":
            return {}


def _video_frames(
    array: UInt8[np.ndarray, "time 3 height width"], pixel_format: str, ticks: list[int], time_base: Fraction
) -> Iterator[av.VideoFrame]:
    reformatter = VideoReformatter()  # one for all frames: building a scaler costs far more than using it
    for picture, tick in zip(array, ticks, strict=True):
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture.transpose(1, 2, 0)), format="rgb24")
        frame = reformatter.reformat(rgb, format=pixel_format, threads=1)
        frame.pts, frame.time_base = tick, time_base
        yield frame
