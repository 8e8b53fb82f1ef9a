"""How much of the machine a video may ask for, whatever it claims.

A header of a few bytes can claim any number of pixels or frames. What a file claims is compared with these limits
before anything of that size is made, and what is decoded once more. Together they bound what reading a clip takes:
about 16 pictures for the decoder, 4 for the conversion, the clip itself, and 300 bytes a packet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_FRAME_PIXELS = 1 << 26
"""Pixels of a frame, 8192x8192; twice those of 8K."""
MAX_CLIP_BYTES = 4 << 30
"""Bytes of the frames kept for one clip, three a pixel."""
MAX_FRAMES = 1 << 22
"""Frames of a video, 39 hours at 30 a second."""
MAX_PACKETS = 4 * MAX_FRAMES
"""Packets that an mp4 or mov may list, all of its tracks together."""
MAX_HEADER_BYTES = 256 << 20
"""Bytes of the tables of an mp4 or mov, or of one fragment's."""
MAX_HEADERS = 1 << 20
"""Boxes side by side in an mp4 or mov."""
MAX_PICTURE_BYTES = 256 << 20
"""Bytes of a picture in a frame folder."""
MAX_SECONDS_WITHOUT_FRAME = 60.0
"""Seconds of work in which at least one frame must come out, or the file must be opened.

Looked at between packets, and while FFmpeg opens and reads; one call of a decoder cannot be interrupted.
"""

LIMITED = "it is damaged or not made to be watched; leave it out"
"""The cure for a video beyond the limits."""

# What FFmpeg logs when a header goes beyond its own limit or the one set by the option max_pixels.
_TOO_LARGE = re.compile(r"Picture size (\d+)x(\d+) (?:is invalid|exceeds)")


def excess_pixels(width: int, height: int) -> str | None:
    """What is wrong with frames of this size, or None."""
    if width * height <= MAX_FRAME_PIXELS:
        return None
    return f"it claims frames of {width}x{height} pixels, more than the limit of {MAX_FRAME_PIXELS:,} pixels"


def reported_excess(texts: Iterable[str]) -> str | None:
    """What is wrong with the size of frames as FFmpeg's log tells it, or None."""
    for text in texts:
        match = _TOO_LARGE.match(text)
        if match is not None and int(match[1]) and int(match[2]):
            return excess_pixels(int(match[1]), int(match[2]))
    return None


def excess_frames(num_frames: int) -> str | None:
    """What is wrong with a video of so many frames, or None."""
    if num_frames <= MAX_FRAMES:
        return None
    return f"it claims {num_frames:,} frames, more than the limit of {MAX_FRAMES:,}"


def excess_bytes(num_frames: int, height: int, width: int) -> str | None:
    """What is wrong with a clip of so many RGB frames, or None."""
    num_bytes = 3 * num_frames * height * width
    if num_bytes <= MAX_CLIP_BYTES:
        return None
    what = f"{num_frames:,} frames of {width}x{height} pixels"
    return f"{what} take {num_bytes:,} bytes, more than the limit of {MAX_CLIP_BYTES:,} for a clip"
