"""Where decoding can begin: groups of packets that need no picture before them.

Frames in the middle of a video are had without decoding all before them where a group begins at a picture that
stands alone and everything stored after it is also shown after it. Containers mark key frames, but H.264 files
mark ones, too, over which later pictures look back; so its pictures are asked themselves.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

import av

_SLICE, _IDR_SLICE = 1, 5  # types of H.264 units that hold pictures, see ITU-T H.264 table 7-1


def stands_alone(packet: av.Packet, codec: str, extradata: bytes | None) -> bool:
    """Whether a decoder can begin at this packet, and nothing after it looks back over it."""
    if not packet.is_keyframe or codec != "h264":
        return bool(packet.is_keyframe)
    data = bytes(packet)
    # avcC, as in mp4 and mkv, says how many bytes hold the length of a unit; else start codes part them.
    is_avcc = extradata is not None and len(extradata) > 4 and extradata[0] == 1
    starts = _after_lengths(data, (extradata[4] & 3) + 1) if is_avcc and extradata else _after_codes(data)
    kinds = (data[start] & 31 for start in starts)
    return next((kind for kind in kinds if _SLICE <= kind <= _IDR_SLICE), _SLICE) == _IDR_SLICE


def group_starts(ticks: Sequence[int], alone: Iterable[int]) -> list[int]:
    """Of the packets that stand alone, those that part the video: all before are shown before, all after, after.

    Args:
        ticks: when each packet is shown, in the order stored.
        alone: places of the packets that stand alone, in order.
    """
    earliest_after = [0] * len(ticks)
    earliest = None
    for place in reversed(range(len(ticks))):
        earliest = ticks[place] if earliest is None else min(earliest, ticks[place])
        earliest_after[place] = earliest
    starts, latest, done = [], None, 0
    for place in alone:
        for tick in ticks[done:place]:
            latest = tick if latest is None else max(latest, tick)
        done = place
        if earliest_after[place] == ticks[place] and (latest is None or latest < ticks[place]):
            starts.append(place)
    return starts


def needed_groups(starts: Sequence[int], wanted: Iterable[int]) -> dict[int, int]:
    """First frame of each group that holds wanted frames, and the last of those.

    A group holds the frames from its start to the next one in either order, of storage or of presentation.
    """
    last: dict[int, int] = {}
    for frame in sorted(wanted):
        last[starts[bisect_right(starts, frame) - 1]] = frame
    return last


def _after_lengths(data: bytes, size: int) -> Iterator[int]:
    at = 0
    while at + size < len(data):
        yield at + size
        at += size + int.from_bytes(data[at : at + size], "big")


def _after_codes(data: bytes) -> Iterator[int]:
    at = data.find(b"\0\0\1")
    while 0 <= at < len(data) - 3:
        yield at + 3
        at = data.find(b"\0\0\1", at + 3)
