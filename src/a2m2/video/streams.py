"""Opening a video file and choosing the stream that is the video."""

from __future__ import annotations

from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from a2m2.errors import DecodeError
from a2m2.video import limits
from a2m2.video.boxes import num_packets_claimed
from a2m2.video.damage import FFmpegLog, decoder_options, last_message, reported_excess
from a2m2.video.layout import num_bytes_promised
from a2m2.video.source import COPY_AGAIN, ENCODE_AGAIN

# Playlists are left out on purpose: a text file named .mp4 must not make FFmpeg open other files. Sound
# formats are in, so that a sound file is named as one.
_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,flv,asf,mpeg,mpegts,ogg,wav,mp3,aac,flac"
_NOT_LISTED = "Format not on whitelist"
ANY_METADATA = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
"""Options of ``av.open`` with which titles need not be UTF-8; from version 19 on PyAV takes any by itself."""


def open_video(path: Path) -> tuple[InputContainer, VideoStream]:
    """Open ``path`` and set its video stream to decode on one thread and to report damage.

    Raises:
        DecodeError: cut off, of no known kind, without video, beyond the limits, or of a codec that this FFmpeg lacks.
    """
    _check_claims(path)
    _check_complete(path)
    with FFmpegLog() as messages:
        try:
            container = av.open(
                f"file:{path.absolute()}",  # "file:" keeps FFmpeg from reading a colon as a protocol
                container_options={"format_whitelist": _DEMUXERS, "protocol_whitelist": "file"},
                options={"max_pixels": str(limits.MAX_FRAME_PIXELS)},
                timeout=limits.MAX_SECONDS_WITHOUT_FRAME,
                **ANY_METADATA,
            )
        except av.ExitError as error:
            cause = f"it cannot be opened in {limits.MAX_SECONDS_WITHOUT_FRAME:g} seconds"
            raise DecodeError(path, cause, limits.LIMITED) from error
        except av.FFmpegError as error:
            detail = last_message(messages) or error.strerror
            if detail.startswith(_NOT_LISTED):
                raise DecodeError(
                    path, "it is a list of files or of a kind not read", ENCODE_AGAIN
                ) from error
            raise DecodeError(path, f"FFmpeg finds no video in it ({detail})", COPY_AGAIN) from error
    try:
        stream = _choose_stream(path, container)
        excess = reported_excess(messages) or limits.excess_pixels(stream.width, stream.height)
        excess = excess or limits.excess_frames(stream.frames)
        if excess is not None:
            raise DecodeError(path, excess, limits.LIMITED)
    except DecodeError:
        container.close()
        raise
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    stream.codec_context.options = decoder_options(codec_name(stream))
    return container, stream


def codec_name(stream: VideoStream) -> str:
    """FFmpeg's name of the format, such as ``av1``, whichever decoder reads it."""
    return str(stream.codec_context.codec.canonical_name)


def _check_claims(path: Path) -> None:
    """FFmpeg makes a table of all packets that an mp4 or mov lists as soon as it opens it."""
    try:
        num_packets = num_packets_claimed(path)
    except ValueError as error:
        raise DecodeError(path, str(error), limits.LIMITED) from error
    if num_packets > limits.MAX_PACKETS:
        cause = f"it claims {num_packets:,} packets, more than the limit of {limits.MAX_PACKETS:,}"
        raise DecodeError(path, cause, limits.LIMITED)


def _check_complete(path: Path) -> None:
    size = path.stat().st_size
    try:
        promised = num_bytes_promised(path)
    except ValueError as error:
        raise DecodeError(path, f"it is damaged ({error})", COPY_AGAIN) from error
    if size == 0:
        raise DecodeError(path, "the file is empty", COPY_AGAIN)
    if promised is not None and promised > size:
        raise DecodeError(path, f"the file is cut off, {size} of {promised} bytes are there", COPY_AGAIN)


def _choose_stream(path: Path, container: InputContainer) -> VideoStream:
    """The default video stream, no cover art; of several or none the largest; of equals the first."""
    films = [
        stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic
    ]
    if not films:
        others = ", ".join(sorted({stream.type for stream in container.streams}))
        cause = f"it has no video stream, only {others}" if others else "it has no streams"
        raise DecodeError(path, cause, "give a file with video, or leave it out")
    known = [stream for stream in films if stream.codec_context is not None]
    if not known:
        raise DecodeError(path, "its codec is unknown to this FFmpeg", ENCODE_AGAIN)
    defaults = [stream for stream in known if stream.disposition & Disposition.default]
    return max(defaults or known, key=lambda stream: stream.width * stream.height)
