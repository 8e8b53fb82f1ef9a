"""Reading videos: a few frames by policy, by index or by time, all frames in turn, or what a video is.

Every read decodes the whole video once, so that a frame is known by counting and damage anywhere is found;
only frames asked for become RGB. Nothing is ever substituted: a video that cannot be read completely is a
`DecodeError` that names the file, the cause and the cure. Reading with ``check="needed"`` gives the same frames and
decodes only what they build on, where the stored times and key frames tell what that is (H.264, VP9 and AV1 without
edits, and frame folders; else everything). Damage that it does not meet stays unnoticed: for videos read before.

Read are mp4, mov, mkv, webm, avi and gif files in any codec FFmpeg knows, and folders of numbered jpg or png
pictures. Frame ``k`` is the ``k``-th frame a player shows, from 0; times are counted from the first one. Bits
that were changed so that they still make a valid stream, or tables that agree (`a2m2.video.tables`), cannot be
noticed by any reader.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

import av
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Generator, Tensor

from a2m2.errors import DecodeError
from a2m2.structures import Clip
from a2m2.video import limits
from a2m2.video.container import VideoFile
from a2m2.video.folder import FrameFolder
from a2m2.video.picture import RgbConverter, orientation_of
from a2m2.video.policies import Policy, sample_index
from a2m2.video.source import ENCODE_AGAIN, Shown, Source
from a2m2.video.timeline import Timeline

# A folder of pictures has no times; 25 frames a second is what most data sets were extracted at (our choice).
DEFAULT_FOLDER_FPS = 25.0

# Pixels of decoded frames that wait for their conversion: those of sixteen frames of 640x480; at least one waits.
_MOST_WAITING_PIXELS = 16 * 640 * 480

Check = Literal["all", "needed"]
"""How much of a video is decoded for a few frames of it: everything, or no more than these frames need."""


@dataclass(frozen=True)
class VideoInfo:
    """What a video is, found by decoding all of it.

    Attributes:
        num_frames: frames that can be shown, counted, not taken from a header.
        duration_seconds: from the first frame to the end of the last.
        average_fps: ``num_frames / duration_seconds``.
        width, height: in pixels, as seen, rotation applied.
        rotation: degrees counter-clockwise by which the stored pixels were turned: 0, 90, 180 or 270.
        codec: FFmpeg's name of the format, such as ``h264``.
        is_variable_rate: whether frames stay for different times, beyond rounding.
    """

    num_frames: int
    duration_seconds: float
    average_fps: float
    width: int
    height: int
    rotation: int
    codec: str
    is_variable_rate: bool


class TimedFrame(NamedTuple):
    """One frame: its place in the video, its time in seconds, and its uint8 ``(3, height, width)`` pixels."""

    frame_index: int
    seconds: float
    picture: UInt8[Tensor, "3 height width"]


def read_clip(
    path: str | Path,
    *,
    num_frames: int,
    policy: Policy = "segment_center",
    generator: Generator | None = None,
    folder_fps: float = DEFAULT_FOLDER_FPS,
    check: Check = "all",
) -> Clip:
    """``num_frames`` frames chosen by a policy of :mod:`a2m2.video.policies`; short videos repeat frames.

    Args:
        path: video file or frame folder.
        num_frames: how many, at least 1.
        policy: ``segment_center``, ``segment_random`` (needs ``generator``) or ``uniform``.
        generator: source of randomness; the same number of draws is taken from it whatever the video.
        folder_fps: frames a second of a frame folder.
        check: ``needed`` reads the frames asked for faster and finds no damage elsewhere.

    Raises:
        DecodeError: the video is missing, damaged, incomplete, or none.
    """
    state = None if generator is None else generator.get_state()

    def choose(timeline: Timeline) -> Tensor:
        if generator is not None and state is not None:
            generator.set_state(state)  # asked again only when fewer frames were shown than stored
        return sample_index(timeline.num_frames, num_frames, policy=policy, generator=generator)

    return _read(path, choose, folder_fps, check)


def read_frames(
    path: str | Path,
    index: Sequence[int] | Int[Tensor, "time"],
    *,
    folder_fps: float = DEFAULT_FOLDER_FPS,
    check: Check = "all",
) -> Clip:
    """Exactly the frames at ``index``, in that order, repetitions included; ``check`` as for `read_clip`.

    Raises:
        DecodeError: as `read_clip`.
        ValueError: no index, or one outside the video.
    """
    wanted = torch.as_tensor(index, dtype=torch.int64).reshape(-1)
    if not len(wanted):
        raise ValueError("expected at least one frame index, got none")

    def choose(timeline: Timeline) -> Tensor:
        outside = wanted[(wanted < 0) | (wanted >= timeline.num_frames)]
        if len(outside):
            raise ValueError(f"expected frame indices in 0..{timeline.num_frames - 1}, got {int(outside[0])}")
        return wanted

    return _read(path, choose, folder_fps, check)


def read_frames_at(
    path: str | Path,
    seconds: Sequence[float] | Float[Tensor, "time"],
    *,
    folder_fps: float = DEFAULT_FOLDER_FPS,
    check: Check = "all",
) -> Clip:
    """The frames on screen at ``seconds``: for each the last one that starts no later.

    Times are counted from the first frame and compared to a microsecond; ``check`` as for `read_clip`.

    Raises:
        DecodeError: as `read_clip`.
        ValueError: no time, or one outside ``0 .. duration``.
    """
    if not len(seconds):
        raise ValueError("expected at least one time in seconds, got none")
    return _read(path, lambda timeline: timeline.index_at(seconds), folder_fps, check)


def iter_frames(
    path: str | Path, *, stride: int = 1, folder_fps: float = DEFAULT_FOLDER_FPS
) -> Iterator[TimedFrame]:
    """Every ``stride``-th frame of a video of any length in turn, one in memory at a time.

    Damage raises when the reading gets there, after the frames before it were given; `probe` tells
    beforehand.
    """
    if stride < 1:
        raise ValueError(f"expected stride >= 1, got {stride}")
    return _iter_frames(Path(path), stride, folder_fps)


def probe(path: str | Path, *, folder_fps: float = DEFAULT_FOLDER_FPS) -> VideoInfo:
    """What a video is. Decodes it completely, so this is also the check that it can be read.

    Raises:
        DecodeError: as `read_clip`.
    """
    path = Path(path)
    with closing(open_source(path, folder_fps)) as source:
        frames = source.frames()
        first = next(frames).frame  # a video without frames is a DecodeError by now
        _, height, width = to_picture(path, RgbConverter(), first).shape
        for _ in frames:
            pass
        timeline = source.seen
        return VideoInfo(
            num_frames=timeline.num_frames,
            duration_seconds=timeline.duration_seconds,
            average_fps=timeline.num_frames / timeline.duration_seconds if timeline.duration_seconds else 0.0,
            width=width,
            height=height,
            rotation=orientation_of(first).rotation,
            codec=source.codec,
            is_variable_rate=timeline.is_variable_rate,
        )


def read_many(
    paths: Iterable[str | Path],
    *,
    num_frames: int,
    policy: Policy = "segment_center",
    seed: int | None = None,
    num_workers: int = 2,
    folder_fps: float = DEFAULT_FOLDER_FPS,
    check: Check = "all",
) -> Iterator[tuple[Path, Clip | DecodeError]]:
    """`read_clip` of many videos on ``num_workers`` threads, in the order given.

    A video that cannot be read gives its `DecodeError` in place of a clip, and the others go on. With a
    ``seed`` the ``i``-th video gets a generator of its own made of the seed and ``i``, so the result does not
    depend on the number of threads. At most ``2 * num_workers`` clips wait to be taken.

    Raises:
        ValueError: arguments that `read_clip` refuses.
    """
    if num_workers < 1:
        raise ValueError(f"expected num_workers >= 1, got {num_workers}")

    def read_one(position: int, path: Path) -> Clip | DecodeError:
        generator = None if seed is None else _generator(seed, position)
        try:
            return read_clip(
                path,
                num_frames=num_frames,
                policy=policy,
                generator=generator,
                folder_fps=folder_fps,
                check=check,
            )
        except DecodeError as error:
            return error

    return _in_order(read_one, (Path(path) for path in paths), num_workers)


def _in_order(
    read_one: Callable[[int, Path], Clip | DecodeError], paths: Iterator[Path], num_workers: int
) -> Iterator[tuple[Path, Clip | DecodeError]]:
    waiting: deque[tuple[Path, Future[Clip | DecodeError]]] = deque()
    numbered = enumerate(paths)
    with ThreadPoolExecutor(num_workers, thread_name_prefix="a2m2-decode") as pool:
        try:
            while True:
                for position, path in islice(numbered, 2 * num_workers - len(waiting)):
                    waiting.append((path, pool.submit(read_one, position, path)))
                if not waiting:
                    return
                path, result = waiting.popleft()
                yield path, result.result()
        finally:
            for _, result in waiting:  # the caller stopped early: what has not begun is not read
                result.cancel()


def _generator(seed: int, position: int) -> Generator:
    """A generator for one video of a list; every pair of seed and position has a stream of its own."""
    state = np.random.SeedSequence([seed, position]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


def open_source(path: Path, folder_fps: float, *, until_damage: bool = False) -> Source:
    """The file or the folder of frames at ``path``; ``until_damage`` as for `VideoFile`.

    Raises:
        DecodeError: as `read_clip`.
    """
    return FrameFolder(path, fps=folder_fps) if path.is_dir() else VideoFile(path, until_damage=until_damage)


def _read(
    path: str | Path, choose: Callable[[Timeline], Int[Tensor, "time"]], folder_fps: float, check: Check
) -> Clip:
    """Frames at the indices that ``choose`` gives for the timeline of the video.

    The timeline comes from the packets first, so that one pass of decoding is enough. Where decoding shows
    another one (some formats store pictures that are never shown) the choice is made again from that.
    """
    with closing(open_source(Path(path), folder_fps)) as source:
        timeline = source.expected
        index = choose(timeline)
        if check == "needed" and source.is_certain:
            wanted = set(index.tolist())
            frames = _pictures(source, index, source.frames_at(wanted))
        else:
            frames = _pictures(source, index, enumerate(source.frames()))
            if not source.seen.same_as(timeline):
                timeline = source.seen
                index = choose(timeline)
                frames = _pictures(source, index, enumerate(source.frames()))
    return Clip(
        frames=frames,
        pts_seconds=timeline.pts_seconds[index],
        frame_index=index,
        duration_seconds=timeline.duration_seconds,
    )


def _pictures(
    source: Source, index: Int[Tensor, "time"], numbered: Iterable[tuple[int, Shown]]
) -> UInt8[Tensor, "time 3 height width"]:
    """Go through all that is ``numbered`` and convert the frames at ``index``; any not shown stay empty.

    Several frames are converted at a time: between packets the decoder has pushed what that needs out of the caches.
    """
    places: dict[int, list[int]] = {}
    for place, position in enumerate(index.tolist()):
        places.setdefault(position, []).append(place)
    convert = RgbConverter()
    frames = torch.empty((len(index), 3, 0, 0), dtype=torch.uint8)
    waiting: list[tuple[int, av.VideoFrame]] = []
    for position, shown in numbered:
        if position in places:
            waiting.append((position, shown.frame))
            if len(waiting) * shown.frame.width * shown.frame.height >= _MOST_WAITING_PIXELS:
                frames = _converted(source.path, convert, waiting, places, frames)
                waiting.clear()
    return _converted(source.path, convert, waiting, places, frames)


def _converted(
    path: Path,
    convert: RgbConverter,
    waiting: Sequence[tuple[int, av.VideoFrame]],
    places: Mapping[int, Sequence[int]],
    frames: UInt8[Tensor, "time 3 height width"],
) -> UInt8[Tensor, "time 3 height width"]:
    """``frames`` with those that are ``waiting`` at their places; made when the first of them tells the size."""
    for position, frame in waiting:
        picture = to_picture(path, convert, frame)
        if not frames.numel():
            excess = limits.excess_bytes(len(frames), *picture.shape[1:])
            if excess is not None:
                raise DecodeError(path, excess, "ask for fewer frames, or make its pictures smaller")
            frames = torch.empty((len(frames), *picture.shape), dtype=torch.uint8)
        for place in places[position]:
            frames[place] = picture
    return frames


def _iter_frames(path: Path, stride: int, folder_fps: float) -> Iterator[TimedFrame]:
    convert = RgbConverter()
    with closing(open_source(path, folder_fps)) as source:
        for position, shown in enumerate(source.frames()):
            if position % stride == 0:
                picture = to_picture(path, convert, shown.frame).contiguous()
                yield TimedFrame(position, shown.seconds, picture)


def to_picture(path: Path, convert: RgbConverter, frame: av.VideoFrame) -> UInt8[Tensor, "3 height width"]:
    """Pixels of a frame of the video at ``path``, upright; not in one piece of memory, see `RgbConverter`.

    Raises:
        DecodeError: its colours or its rotation are none that can be converted.
    """
    try:
        return convert(frame)
    except av.FFmpegError as error:
        cause = f"its colours cannot be converted to RGB ({error.strerror})"
        raise DecodeError(path, cause, ENCODE_AGAIN) from error
    except ValueError as error:
        raise DecodeError(path, f"it cannot be turned upright ({error})", ENCODE_AGAIN) from error
