"""How fast a few frames of many clips are read, beside the least that PyAV needs for them.

The bare loop opens a file, decodes on one thread up to the last frame needed, converts those needed with one scaler and
stacks them; it counts nothing, checks nothing and knows the places of the frames beforehand. The seeking loop
jumps to the key frame before each frame needed and decodes from there; it has to be told the frame rate. All ways take
turns in every round, every other round in the opposite order, and a rate is the median of the bare loop's time over the
way's own: of each clip and round on one thread, of each round on several.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import av
import numpy as np
import torch
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8
from torch import Tensor

from a2m2.bench.figures import Cell, FigureTable
from a2m2.structures import Clip
from a2m2.video import Check, read_clip, read_many, write_clip

NUM_FRAMES = 8
HEIGHT, WIDTH, FPS = 256, 340, 25
_COLUMNS = (
    "clips",
    "threads",
    "way",
    "clips/s",
    "CPU ms a clip",
    "of the bare loop's rate (CPU)",
    "95 % interval",
    "(wall)",
)

Way = Callable[[Sequence[Path]], object]


@dataclass(frozen=True)
class Kind:
    """Clips of one kind: how long they are, and how many frames a key frame serves."""

    num_clips: int
    num_frames: int
    keyframe_interval: int

    @property
    def name(self) -> str:
        return f"{self.num_frames} frames, key frame every {self.keyframe_interval}"


SHORT = (Kind(6, 100, 12), Kind(6, 100, 250))
LONG = Kind(1, 1500, 50)


def moving_texture(num_frames: int, *, seed: int) -> UInt8[np.ndarray, "time 3 height width"]:
    """A camera that pans over a random texture, and a block that crosses the picture, with sensor noise."""
    dice = np.random.default_rng(seed)
    coarse = torch.from_numpy(dice.random((1, 3, HEIGHT // 4, WIDTH // 4), dtype=np.float32))
    scene = torch.nn.functional.interpolate(coarse, scale_factor=8, mode="bilinear")[0].numpy() * 220
    frames = np.empty((num_frames, 3, HEIGHT, WIDTH), np.uint8)
    for k in range(num_frames):
        top = int(HEIGHT * (0.5 + 0.45 * math.sin(k / 17)))
        left = int(WIDTH * (0.5 + 0.45 * math.cos(k / 23)))
        picture = scene[:, top : top + HEIGHT, left : left + WIDTH].copy()
        across = 3 * k % (WIDTH - 40)
        picture[:, HEIGHT // 3 : HEIGHT // 3 + 40, across : across + 40] = 230
        picture += dice.normal(0, 3, (HEIGHT, WIDTH)).astype(np.float32)
        frames[k] = picture.clip(0, 255)
    return frames


def write_kind(folder: Path, kind: Kind) -> list[Path]:
    """Write the clips of a kind as H.264 in mp4."""
    paths = []
    for number in range(kind.num_clips):
        path = folder / f"{kind.num_frames}-{kind.keyframe_interval}-{number}.mp4"
        frames = moving_texture(kind.num_frames, seed=number)
        write_clip(path, frames, fps=FPS, keyframe_interval=kind.keyframe_interval, crf=23, preset="veryfast")
        paths.append(path)
    return paths


def bare_loop(path: Path, index: Sequence[int]) -> UInt8[Tensor, "time 3 height width"]:
    """The frames at ``index`` with PyAV alone, from the first frame to the last of these."""
    wanted, last = set(index), max(index)
    reformatter = VideoReformatter()
    pictures = {}
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        for position, frame in enumerate(container.decode(stream)):
            if position in wanted:
                pictures[position] = _rgb(reformatter, frame)
            if position == last:
                break
    return torch.stack([pictures[k] for k in index]).contiguous()


def seeking_loop(path: Path, index: Sequence[int]) -> UInt8[Tensor, "time 3 height width"]:
    """The frames at ``index`` of a video of constant rate with PyAV alone, each from the key frame before it."""
    reformatter = VideoReformatter()
    pictures = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        time_base = stream.time_base or 0
        for k in index:
            tick = round(k / (FPS * time_base))
            container.seek(tick, stream=stream)
            frame = next(frame for frame in container.decode(stream) if (frame.pts or 0) >= tick)
            pictures.append(_rgb(reformatter, frame))
    return torch.stack(pictures).contiguous()


def _rgb(reformatter: VideoReformatter, frame: av.VideoFrame) -> Tensor:
    rgb = reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
    return torch.from_numpy(rgb).permute(2, 0, 1)


def _by_loop(loop: Callable[[Path, Sequence[int]], Tensor], index: Sequence[int], num_threads: int) -> Way:
    def one(path: Path) -> Tensor:
        return loop(path, index)

    def read(paths: Sequence[Path]) -> list[Tensor]:
        if num_threads == 1:
            return [one(path) for path in paths]
        with ThreadPoolExecutor(num_threads) as pool:
            return list(pool.map(one, paths))

    return read


def _read_all(paths: Sequence[Path], *, num_threads: int, check: Check) -> list[Clip]:
    if num_threads == 1:
        return [read_clip(path, num_frames=NUM_FRAMES, check=check) for path in paths]
    pairs = read_many(paths, num_frames=NUM_FRAMES, num_workers=num_threads, check=check)
    return [clip for _, clip in pairs if isinstance(clip, Clip)]


def _time(ways: Sequence[Way], paths: Sequence[Path]) -> list[tuple[float, float]]:
    """Wall seconds and CPU seconds of each way, once each."""
    seconds = []
    for way in ways:
        wall, cpu = time.perf_counter(), time.process_time()
        way(paths)
        seconds.append((time.perf_counter() - wall, time.process_time() - cpu))
    return seconds


def median_interval(values: Sequence[float], *, coverage: float = 0.95) -> tuple[float, float]:
    """The narrowest pair of the ``values``, as far from either end, between which their median lies so surely.

    It holds for values of any distribution: of N draws the number below the median is binomial. Fewer than six values
    reach no 0.95; they give all their range.
    """
    ordered, chances = sorted(values), len(values)
    outside, skipped = 2 / 2**chances, 0
    while skipped < (chances - 1) // 2:
        more = outside + 2 * math.comb(chances, skipped + 1) / 2**chances
        if more > 1 - coverage:
            break
        outside, skipped = more, skipped + 1
    return ordered[skipped], ordered[-1 - skipped]


def measure(
    paths: Sequence[Path], kind: Kind, *, num_threads: int, num_rounds: int
) -> list[tuple[Cell, ...]]:
    """Rows of the table for clips of one kind.

    On one thread the ways take turns clip by clip, so that a machine that is busy now and idle then treats them alike.
    """
    index = read_clip(paths[0], num_frames=NUM_FRAMES).frame_index.tolist()
    ways: dict[str, Way] = {
        "bare loop": _by_loop(bare_loop, index, num_threads),
        "read_clip": partial(_read_all, num_threads=num_threads, check="all"),
        'read_clip, check="needed"': partial(_read_all, num_threads=num_threads, check="needed"),
    }
    if kind.num_frames > kind.keyframe_interval:
        ways["bare loop that seeks"] = _by_loop(seeking_loop, index, num_threads)
    _check_same(paths[0], index)
    in_order = list(ways.values())
    parts = [[path] for path in paths] if num_threads == 1 else [paths]
    times = [
        _time(in_order, part) if number % 2 == 0 else _time(in_order[::-1], part)[::-1]
        for number in range(num_rounds)
        for part in parts
    ]
    rows: list[tuple[Cell, ...]] = []
    for place, name in enumerate(ways):
        wall, cpu = (median(taken[place][clock] for taken in times) for clock in (0, 1))
        by_wall, by_cpu = ([taken[0][clock] / taken[place][clock] for taken in times] for clock in (0, 1))
        low, high = median_interval(by_cpu)
        ratios = median(by_cpu), f"{low:.3f} to {high:.3f}", median(by_wall)
        num_clips = len(parts[0])
        rows.append((kind.name, num_threads, name, num_clips / wall, cpu / num_clips * 1e3, *ratios))
    return rows


def _check_same(path: Path, index: Sequence[int]) -> None:
    """All ways give the same pixels, else their times say nothing."""
    expected = bare_loop(path, index)
    for frames in (
        seeking_loop(path, index),
        read_clip(path, num_frames=NUM_FRAMES).frames,
        read_clip(path, num_frames=NUM_FRAMES, check="needed").frames,
    ):
        if not torch.equal(frames, expected):
            raise RuntimeError(f"two ways of reading {path.name} give other pixels")


def rate_table(*, num_rounds: int, kinds: Sequence[Kind] = (*SHORT, LONG), command: str = "") -> FigureTable:
    """Write clips of each kind to a temporary folder and measure all ways of reading them."""
    rows: list[tuple[Cell, ...]] = []
    sizes = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            paths = write_kind(Path(folder), kind)
            num_bytes = sum(path.stat().st_size for path in paths) / len(paths)
            sizes.append(f"{num_bytes * 8 * FPS / kind.num_frames / 1e6:.2f}")
            for num_threads in (1, 2) if len(paths) > 1 else (1,):
                rows += measure(paths, kind, num_threads=num_threads, num_rounds=num_rounds)
    note = (
        f"N = {num_rounds} rounds over {', '.join(str(kind.num_clips) for kind in kinds)} clips of each kind, "
        f"{WIDTH}x{HEIGHT}, H.264 at {', '.join(sizes)} Mbit/s, {NUM_FRAMES} frames a clip; medians, "
        "of every clip and round on one thread, of every round on two. "
        "The bare loop decodes up to the last frame needed, checks nothing and counts nothing."
    )
    title = f"Reading {NUM_FRAMES} frames of a clip"
    return FigureTable(title, _COLUMNS, tuple(rows), note=note, command=command)
