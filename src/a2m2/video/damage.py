"""How FFmpeg tells that something is broken, and which of it we believe.

FFmpeg has four channels: error codes (exceptions in PyAV), marks on packets and frames, missing frames, and
its log. Decoders of HEVC and GIF conceal some damage and tell only the log, so the log is listened to as
well.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import av
import av.logging

from a2m2.video import limits

Message = tuple[int, str, str]  # level, who says it, text

# Complaints about bookkeeping, common in web video that was cut without being encoded again; pictures are
# right.
_HARMLESS = (
    "mmco:",
    "number of reference frames",
    "co located POCs unavailable",
    "SEI type",  # supplemental information, not pictures
)

_lock = threading.Lock()
_num_listeners = 0
_level_before: int | None = None
_skip_before = True


def decoder_options(codec: str) -> dict[str, str]:
    """Options that make the decoder of ``codec`` (FFmpeg's name of the format) report what it finds.

    Two are not as strict as they could be. H.264 stays at FFmpeg's default: it marks every concealed picture
    as it is, while ``explode`` turns the harmless complaints above into failures and found no damage in
    addition. HEVC is read without checksums: FFmpeg finds the MD5 of good pictures by x265 wrong.
    """
    options = {"max_pixels": str(limits.MAX_FRAME_PIXELS)}
    if codec == "hevc":
        options["err_detect"] = "bitstream+buffer+explode"
    elif codec != "h264":
        options["err_detect"] = "crccheck+bitstream+buffer+explode"
    return options


class Listening:
    """As long as it lasts, FFmpeg logs errors, and all of them; until `stop`, or until nothing refers to it.

    PyAV's log level is one for the process. It is raised while anyone listens and put back by the last one, so
    concurrent readers do not deafen each other. To raise it for every packet would cost ten times what it costs to
    look at the packet's messages, so a video listens from its opening to its closing.
    """

    __slots__ = ("_is_over",)

    def __init__(self) -> None:
        self._is_over = False
        _start_listening()

    def stop(self) -> None:
        """Put the level back if nobody else listens; a second time does nothing."""
        if not self._is_over:
            self._is_over = True
            _stop_listening()

    __del__ = stop


def messages_here() -> av.logging.Capture:
    """``with messages_here() as messages``: collect what FFmpeg logs in this thread while there is a `Listening`.

    Nothing that is collected reaches the terminal. FFmpeg must not run threads of its own meanwhile: decoders are
    opened with one thread. Not to be held across a ``yield``: PyAV hands messages to whoever began last.
    """
    return av.logging.Capture(local=True)


class FFmpegLog:
    """``with FFmpegLog() as messages``: listen and collect, for something that is done once."""

    __slots__ = ("_capture", "_listening")

    def __enter__(self) -> list[Message]:
        self._listening = Listening()
        self._capture = messages_here()
        messages: list[Message] = self._capture.__enter__()
        return messages

    def __exit__(self, *error: object) -> None:
        self._capture.__exit__(*error)
        self._listening.stop()


def reported_damage(messages: Iterable[Message], *, sources: Iterable[str]) -> str | None:
    """The first message of error level by one of ``sources`` that tells of damage, or None."""
    for level, source, text in messages:
        if level <= av.logging.ERROR and source in sources and not text.startswith(_HARMLESS):
            return _tidy(text)
    return None


def reported_excess(messages: Iterable[Message]) -> str | None:
    """What FFmpeg logged about frames that are too large, whoever said it, or None."""
    return limits.reported_excess(text for _, _, text in messages)


def last_message(messages: Sequence[Message]) -> str | None:
    """The error FFmpeg logged last, which usually names the reason of a failure; None without any."""
    errors = [text for level, _, text in messages if level <= av.logging.ERROR]
    return _tidy(errors[-1]) if errors else None


def _tidy(text: str) -> str:
    return text.strip().rstrip(".")


def _start_listening() -> None:
    global _num_listeners, _level_before, _skip_before
    with _lock:
        if _num_listeners == 0:
            _level_before = av.logging.get_level()
            _skip_before = av.logging.get_skip_repeated()
            if _level_before is None or _level_before < av.logging.ERROR:
                av.logging.set_level(av.logging.ERROR)
            # Else a second broken file with the same complaint as the first would seem whole.
            av.logging.set_skip_repeated(False)
        _num_listeners += 1


def _stop_listening() -> None:
    global _num_listeners
    with _lock:
        _num_listeners -= 1
        if _num_listeners == 0:
            av.logging.set_level(_level_before)
            av.logging.set_skip_repeated(_skip_before)
