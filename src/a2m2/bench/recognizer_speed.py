"""How long enrolling and recognising take, decoding included, on generated clips of 3 s at 640×360.

    python -m a2m2.bench.recognizer_speed

Enrolling is timed as a command in a new process with an empty cache; start-up as importing and loading in a new
process; recognising in a process that has started, each clip once. Times are those of the machine it runs on.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from a2m2.bench.figures import FigureTable, command, write_figures
from a2m2.bench.options import measurement_parser
from a2m2.recognize import Recognizer
from a2m2.recognize.clips import sample_clip
from a2m2.synth import SynthConfig, draw_classes, make_clip
from a2m2.video import write_clip

WIDTH, HEIGHT, FPS, SECONDS = 640, 360, 25.0, 3.0
_START_UP = """
import sys, time
start = time.perf_counter()
from a2m2.recognize import Recognizer
imported = time.perf_counter()
Recognizer.load(sys.argv[1])
print(imported - start, time.perf_counter() - imported)
"""


def write_clips(folder: Path, *, way: int, clips: int) -> list[Path]:
    """Clips of as many classes as asked, in class folders."""
    config = SynthConfig(
        stratum="sequences", style="varied", seed=9, size=HEIGHT, num_frames=round(FPS * SECONDS), fps=FPS
    )
    written = []
    side = (WIDTH - HEIGHT) // 2
    for definition in draw_classes("sequences", config.seed)[:way]:
        (folder / definition.name).mkdir(parents=True)
        for index in range(clips):
            frames = make_clip(config, definition, index).frames()
            wide = np.pad(frames, ((0, 0), (0, 0), (0, 0), (side, side)), mode="reflect")
            written.append(folder / definition.name / f"{index:02d}.mp4")
            write_clip(written[-1], wide, fps=FPS, crf=23)
    return written


def measure(folder: Path, *, way: int, shot: int, queries: int, arguments: Sequence[str]) -> dict[str, float]:
    """All times in seconds.

    Args:
        folder: empty; clips and the recogniser are written into it.
        way, shot: classes, and clips of each that are enrolled.
        queries: clips of each class that are recognised.
        arguments: more ones for ``a2m2 enrol``.
    """
    write_clips(folder / "enrolled", way=way, clips=shot)
    asked = [
        path for path in write_clips(folder / "all", way=way, clips=shot + queries) if int(path.stem) >= shot
    ]
    actions = folder / "actions.a2m2"
    command = [sys.executable, "-m", "a2m2", "enrol", str(folder / "enrolled"), "--out", str(actions)]
    start = time.perf_counter()
    subprocess.run(
        [*command, "--cache", str(folder / "cache"), *arguments], check=True, stdout=subprocess.DEVNULL
    )
    enrolling = time.perf_counter() - start
    started = subprocess.run(
        [sys.executable, "-c", _START_UP, str(actions)], check=True, capture_output=True, text=True
    )
    importing, loading = map(float, started.stdout.split())
    recognizer = Recognizer.load(actions)
    video = recognizer.enrolled_.encoder.video
    whole, decoding = [], []
    for clip in asked:
        start = time.perf_counter()
        list(recognizer.recognize([clip]))
        whole.append(time.perf_counter() - start)
        start = time.perf_counter()
        sample_clip(clip, video)
        decoding.append(time.perf_counter() - start)
    return {
        "enrol": enrolling,
        "import": importing,
        "load": loading,
        "first clip": whole[0],
        "recognise, median": float(np.median(whole)),
        "recognise, slowest": max(whole),
        "decoding, median": float(np.median(decoding)),
        "share of decoding": float(np.median(decoding) / np.median(whole)),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = measurement_parser("recognizer_speed", __doc__)
    parser.add_argument("--way", type=int, default=5)
    parser.add_argument("--shot", type=int, default=3)
    parser.add_argument("--queries", type=int, default=4, help="clips of each class to recognise")
    parser.add_argument("enrol", nargs="*", help="arguments for a2m2 enrol, after --")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        times = measure(
            Path(folder), way=options.way, shot=options.shot, queries=options.queries, arguments=options.enrol
        )
    table = FigureTable(
        title=f"Enrolling {options.way} classes of {options.shot} clips and recognising",
        columns=("step", "s"),
        rows=tuple(times.items()),
        note=f"Clips of {WIDTH}×{HEIGHT}, {SECONDS:g} s. The last row is a share.",
        command=command("recognizer_speed"),
    )
    print(table.text())
    write_figures(options.json, [table])


if __name__ == "__main__":
    main()
