"""A fake copy of a published benchmark: a tiny clip for every line of its lists, some of them broken.

    python -m a2m2.bench.fake_benchmark splits/ucf101 fake/ucf101 --broken 5
    a2m2 reproduce ucf101 --videos fake/ucf101 --lists splits/ucf101 --backbone small-cnn --allow-missing

Shows that a reproduction goes from lists to figures, and how long its steps take, without the real videos. A square
moves in a direction and at a speed that belong to the class; its colour, its start and its background belong to the
clip, so no two clips are the same. Broken clips are cut off, spread evenly over the lists. A clip that is there is not
written again.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from a2m2.bench.options import program_parser
from a2m2.data.lists import ListedVideo, VideoList, read_lists
from a2m2.errors import DataError
from a2m2.progress import show_progress
from a2m2.video import write_clip

NUM_FRAMES = 8
SIDE = 32
_SQUARE = 8
_CUT = 0.75
"""Share of a broken clip that is kept."""


def moving_square(class_name: str, clip: str) -> UInt8[np.ndarray, "time 3 height width"]:
    """The frames of a clip: the same for the same two names."""
    motion, look = _generator(class_name), _generator(f"{class_name}/{clip}")
    angle, speed = motion.uniform(0, 2 * math.pi), motion.uniform(1.0, 3.0)
    step = speed * np.array([math.sin(angle), math.cos(angle)])
    start = look.uniform(0, SIDE, size=2)
    frames = np.empty((NUM_FRAMES, 3, SIDE, SIDE), np.uint8)
    frames[:] = look.integers(0, 100, size=(3, 1, 1))
    colour = look.integers(156, 256, size=(3, 1, 1))
    for index in range(NUM_FRAMES):
        top, left = np.floor(start + index * step).astype(int)
        rows, columns = (np.arange(first, first + _SQUARE) % SIDE for first in (top, left))
        frames[index][:, rows[:, None], columns] = colour
    return frames


def write_benchmark(
    listed: VideoList,
    out: Path,
    *,
    num_broken: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Path, ...]:
    """Write ``out/CLASS/ID.mp4`` for every line; returns the broken ones.

    Raises:
        DataError: more clips are to be broken than there are.
        OutputError: a clip cannot be written.
    """
    videos = {_place(out, video): video for video in listed.videos}
    if num_broken > len(videos):
        raise DataError(f"expected at most {len(videos)} broken clips, got {num_broken}; ask for fewer")
    places = list(videos)
    broken = tuple(places[len(places) * index // num_broken] for index in range(num_broken))
    for done, (path, video) in enumerate(videos.items(), 1):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_clip(path, moving_square(video.class_name, video.source))
            if path in broken:
                content = path.read_bytes()
                path.write_bytes(content[: int(_CUT * len(content))])
        progress(done, len(videos))
    return broken


def _place(out: Path, video: ListedVideo) -> Path:
    return out / video.class_name / f"{video.source}.mp4"


def _generator(name: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = program_parser("fake_benchmark", __doc__)
    parser.add_argument("lists", type=Path, help="folder of lists, or one list")
    parser.add_argument("out", type=Path, help="folder to write CLASS/ID.mp4 into")
    parser.add_argument("--broken", type=int, default=0, help="number of clips to cut off")
    options = parser.parse_args(arguments)
    begin = time.perf_counter()
    with show_progress() as progress:
        listed = read_lists([options.lists])
        broken = write_benchmark(
            listed,
            options.out,
            num_broken=options.broken,
            progress=lambda done, total: progress("writing clips", done, total),
        )
    print(f"{options.out}: {len(listed.videos):,} lines, {time.perf_counter() - begin:.0f} s")
    for path in broken:
        print(f"broken: {path}")


if __name__ == "__main__":
    main()
