"""Do the tables of an mp4 or mov agree? FFmpeg takes each at its word, and hides frames where they differ.

Sizes, places and times of frames lie apart from the pictures, in tables that repeat each other in part: each
counts the frames, and several say how long the video is. One changed bit breaks the agreement but leaves a
file that plays, with fewer frames where an edit list then seems to cut some off. Demanded is only what every
valid file keeps; durations are compared closely only where an edit list hides frames. Files in fragments keep
their tables elsewhere and are not checked.

Nothing contradicts a bit in the ticks a second (mvhd, mdhd), which makes an edit list cut off the end as an
editor would; in where the edit begins, by less than a frame; in how long a frame stays or when it is shown, as
long as the order holds, for rates may vary. What bits can do so is measured in ``tests/test_video_damage.py``.
"""

from __future__ import annotations

from array import array
from itertools import accumulate, pairwise
from operator import add
from pathlib import Path

from a2m2.video.boxes import Boxes, Column, clock, columns, number, read_track

Columns = dict[bytes, list[Column]]
"""Columns of tables by the name of their box."""

_UNKNOWN_DURATIONS = frozenset({0, (1 << 32) - 1, (1 << 64) - 1})


def check_tables(path: Path, track_id: int) -> bool:
    """Check the tables of a track.

    Plain loops: a decoder that ran before has pushed everything else out of the caches, and of a short clip each call
    of numpy would cost more than what it computes.

    Returns:
        Whether FFmpeg gives all its frames, hidden ones too, times in the order shown: true of one edit.

    Raises:
        ValueError: the tables contradict each other.
    """
    track = read_track(path, track_id)
    if track is None or not number(track[1].get(b"stsz", b""), 8):
        return False
    movie_rate, boxes = track
    timed = {b"stts": columns(boxes, b"stts", "Ii")}
    if b"ctts" in boxes:
        timed[b"ctts"] = columns(boxes, b"ctts", "Ii")
    _check_counts(boxes, timed, path.stat().st_size)
    steps, times = _times(timed)
    _check_key_frames(boxes, times)
    return _check_durations(boxes, movie_rate, steps, times)


def _check_counts(boxes: Boxes, timed: Columns, num_bytes: int) -> None:
    """All tables are about equally many frames, none of which is larger than the file."""
    sizes = boxes[b"stsz"]
    num_frames = number(sizes, 8)
    # Else all frames have this size, or it is stz2, whose sizes have 16 bits at most.
    if not number(sizes, 4):
        largest = max(columns({b"stsz": sizes[4:]}, b"stsz", "I")[0])
        if largest > num_bytes:
            raise ValueError(f"a frame has {largest} bytes in a file of {num_bytes}")
    for name, (counts, _) in timed.items():
        num_timed = sum(counts)
        if num_timed != num_frames:
            raise ValueError(f"{name.decode()} is about {num_timed} frames of {num_frames}")
    num_placed, last_run = _num_placed(boxes)
    # The last chunk of several may claim to be as full as the others.
    if not num_frames <= num_placed < num_frames + max(last_run, 1):
        raise ValueError(f"stsc places {num_placed} frames of {num_frames}")


def _num_placed(boxes: Boxes) -> tuple[int, int]:
    """How many frames the chunks hold, and how many of them the last of several; 0 for a lone chunk."""
    first, per_chunk, _ = columns(boxes, b"stsc", "III")
    num_chunks = number(boxes.get(b"stco", b""), 4)
    starts = [*first, num_chunks + 1]
    if starts[0] != 1 or any(late <= early for early, late in pairwise(starts)):
        raise ValueError(f"stsc counts chunks {starts[:-1][:4]} of {num_chunks}")
    num_placed = sum((late - early) * n for (early, late), n in zip(pairwise(starts), per_chunk, strict=True))
    return num_placed, per_chunk[-1] if num_chunks > 1 else 0


def _times(timed: Columns) -> tuple[Column, Column]:
    """How long the decoder stays at each stored frame, and when the frame is shown, in ticks of the track."""
    steps = _repeated(*timed[b"stts"])
    times = array("q", accumulate(steps, initial=0))
    times.pop()
    if b"ctts" in timed:
        times = array("q", map(add, times, _repeated(*timed[b"ctts"])))
    return steps, times


def _repeated(counts: Column, values: Column) -> Column:
    repeated = array("q")
    for count, value in zip(counts, values, strict=True):
        repeated.extend(array("q", (value,)) * count)
    return repeated


def _check_key_frames(boxes: Boxes, times: Column) -> None:
    """What is stored before a key frame is shown before it; FFmpeg stops at one behind the end of an edit."""
    if b"stss" not in boxes:
        return
    keys = columns(boxes, b"stss", "I")[0]
    if keys and (
        keys[0] < 1 or keys[-1] > len(times) or any(late <= early for early, late in pairwise(keys))
    ):
        raise ValueError(f"stss does not name key frames in order from 1 to {len(times)}")
    latest = array("q", accumulate(times, max))
    if any(key > 1 and times[key - 1] < latest[key - 2] for key in keys):
        raise ValueError("a key frame is shown before a frame that is stored before it")


def _edits(boxes: Boxes) -> tuple[Column, Column]:
    """How long edits last, in ticks of the whole file, and where they begin, in those of the track; -1 is a pause."""
    if boxes[b"elst"][:1] != b"\1":
        durations, starts, _ = columns(boxes, b"elst", "Iii")
        return durations, starts
    high, low, start_high, start_low, _ = columns(boxes, b"elst", "IIiIi")
    durations = array("Q", ((one << 32) + other for one, other in zip(high, low, strict=True)))
    return durations, array(
        "q", ((one << 32) + other for one, other in zip(start_high, start_low, strict=True))
    )


def _check_durations(boxes: Boxes, movie_rate: int, steps: Column, times: Column) -> bool:
    """The durations of frames, media, track and edit agree; returns as `check_tables`."""
    rate, media = clock(boxes, b"mdhd")
    if not 0 < rate < 1 << 31 or not movie_rate:
        raise ValueError(f"there are {rate} ticks a second in mdhd, {movie_rate} in mvhd")
    total, longest = sum(steps), max(steps)
    if len(steps) > 1 and not longest:
        raise ValueError("all frames last 0 ticks")
    if media not in _UNKNOWN_DURATIONS and total > 2 * media + longest:
        raise ValueError(f"its frames last {total} ticks in a track of {media}")
    if b"elst" not in boxes:
        return True
    durations, starts = _edits(boxes)
    shown = [place for place, start in enumerate(starts) if start >= 0]  # the others are pauses
    if len(shown) != 1 or not durations[shown[0]]:
        return False
    duration, start = durations[shown[0]], starts[shown[0]]
    end, first, last = start + round(duration * rate / movie_rate), min(times), max(times)
    if (first < start or last >= end) and last - first > max(total, media) + longest:
        raise ValueError(f"frames are shown over {last - first} ticks in a track of {max(total, media)}")
    if last >= end:
        _, track = clock(boxes, b"tkhd")
        if track not in _UNKNOWN_DURATIONS and min(abs(track - duration), abs(track - sum(durations))) > 2:
            raise ValueError(f"an edit of {duration} ticks hides the end of a track of {track}")
        if media not in _UNKNOWN_DURATIONS and total > media + longest // 2:
            raise ValueError(f"an edit hides the end, and frames last {total} ticks in a track of {media}")
    # Of frames that last differently, the one shown last need not be as short as the one stored last.
    slack = 2 * rate / movie_rate + (longest if longest > min(steps) else 0)
    if first < start and end > last + longest + slack:
        raise ValueError(f"an edit hides the start, and ends at tick {end} of {last + longest}")
    return True
