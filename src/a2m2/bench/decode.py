"""What the video reader makes of a folder of files, and of damaged copies of them, and how fast it is.

Example::

    python -m a2m2.bench.decode --json decode.json
    python -m a2m2.bench.decode ~/clips
    python -m a2m2.bench.decode ~/clips --damaged 200 --json decode.json

Without a folder the rates of reading a few frames of clips made here are measured (`a2m2.bench.decode_rates`).
With one every file is probed and eight frames of it are read; the time is set beside a bare PyAV loop that decodes the
same stream to the same tensor and checks nothing. Then copies of the good files are cut, have bits
flipped or bytes zeroed, and are read in a process of their own under a time limit. A copy must end in a
DecodeError or in frames; a crash, a hang or any other exception is a failure and makes the exit status 1.
"""

from __future__ import annotations

import multiprocessing
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

import av
import torch
from av.video.reformatter import VideoReformatter

from a2m2.bench.decode_rates import rate_table
from a2m2.bench.figures import command, write_figures
from a2m2.bench.options import add_seed, measurement_parser
from a2m2.errors import DecodeError
from a2m2.structures import Clip
from a2m2.video import VideoInfo, probe, read_clip

NUM_FRAMES = 8
_REPEATS = 7

Outcome = Literal["error", "same frames", "other pixels", "other frames", "untyped", "crash", "hang"]
FAILURES: tuple[Outcome, ...] = ("untyped", "crash", "hang")


@dataclass(frozen=True)
class FileReport:
    """What became of one file: its facts and times when it could be read, else the error."""

    name: str
    info: VideoInfo | None
    error: str
    read_seconds: float
    bare_seconds: float


def report_file(path: Path) -> FileReport:
    """Probe and read one file, and time both ways of reading it."""
    try:
        info, clip = probe(path), read_clip(path, num_frames=NUM_FRAMES)
    except DecodeError as error:
        return FileReport(path.name, None, f"{error.cause}; {error.cure}", 0.0, 0.0)
    index = clip.frame_index.tolist()
    calls: list[Callable[[], object]] = [lambda: read_clip(path, num_frames=NUM_FRAMES)]
    if path.is_file():
        calls.append(lambda: _bare_loop(path, index))
    read_seconds, bare_seconds = [*_fastest(calls), 0.0][:2]
    return FileReport(path.name, info, "", read_seconds, bare_seconds)


def _bare_loop(path: Path, index: Sequence[int]) -> torch.Tensor:
    """The least that gives the same frames, with PyAV alone: no counting, no checks, no rotation."""
    reformatter = VideoReformatter()
    pictures = {}
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        for position, frame in enumerate(container.decode(stream)):
            if position in index:
                rgb = reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
                pictures[position] = torch.from_numpy(rgb).permute(2, 0, 1)
    return torch.stack([pictures[k] for k in index]).contiguous()


def _fastest(calls: Sequence[Callable[[], object]]) -> list[float]:
    """Shortest time of each call, the calls taking turns so that a busy machine treats them alike."""
    seconds = [float("inf")] * len(calls)
    for _ in range(_REPEATS):
        for position, call in enumerate(calls):
            start = time.perf_counter()
            call()
            seconds[position] = min(seconds[position], time.perf_counter() - start)
    return seconds


def damaged(data: bytes, dice: random.Random) -> tuple[str, bytes]:
    """One way of damage and the damaged copy: cut off, 1 to 10 bits flipped, or a run of bytes zeroed."""
    kind = dice.choice(["cut", "flipped", "flipped", "zeroed"])
    if kind == "cut":
        return kind, data[: dice.randrange(len(data))]
    changed = bytearray(data)
    if kind == "flipped":
        for _ in range(dice.choice([1, 3, 10])):
            changed[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    else:
        start = dice.randrange(len(data))
        end = min(start + dice.choice([16, 256, 4096]), len(data))
        changed[start:end] = bytes(end - start)
    return kind, bytes(changed)


class Reader:
    """Reads videos in another process, so that a crash or a hang there is seen and survived here.

    ``serve`` is what the process runs: it sends anything once it is ready, and then for every path it receives
    a `Clip`, or whether the error was one of ours and its text.
    """

    def __init__(self, *, limit_seconds: float, serve: Callable[[Connection], None] | None = None) -> None:
        self.limit_seconds = limit_seconds
        self._serve = serve or serve_clips
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=self._serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._ours.recv()  # importing takes seconds and is not part of anyone's time limit

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._ours.close()

    def outcome(self, path: Path, expected: Clip) -> tuple[Outcome, str]:
        """What reading ``path`` ends in, compared with the clip of the whole file, and the error's text."""
        self._ours.send(path)
        try:
            result = self._ours.recv() if self._ours.poll(self.limit_seconds) else None
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            self._start()
            return "crash", f"exit code {code}"
        if result is None:
            self.close()
            self._start()
            return "hang", f"longer than {self.limit_seconds} s"
        if isinstance(result, Clip):
            return _compare(result, expected), ""
        is_typed, text = result
        return ("error" if is_typed else "untyped"), text


def serve_clips(connection: Connection) -> None:
    """Read the clips asked for until the process is killed."""
    torch.set_num_threads(1)
    connection.send("ready")
    while True:
        path = connection.recv()
        try:
            connection.send(read_clip(path, num_frames=NUM_FRAMES))
        except DecodeError as error:
            connection.send((True, str(error)))
        except BaseException:  # whatever it is, it is what this program looks for
            connection.send((False, traceback.format_exc()))


def _compare(clip: Clip, expected: Clip) -> Outcome:
    if not torch.equal(clip.frame_index, expected.frame_index) or clip.frames.shape != expected.frames.shape:
        return "other frames"
    return "same frames" if torch.equal(clip.frames, expected.frames) else "other pixels"


def damage_all(
    paths: Sequence[Path], *, num_copies: int, seed: int, limit_seconds: float
) -> tuple[Counter[tuple[str, Outcome]], list[str]]:
    """Damage ``num_copies`` copies of ``paths`` in turn; outcomes by kind of damage, and every failure."""
    outcomes: Counter[tuple[str, Outcome]] = Counter()
    failures = []
    dice = random.Random(seed)
    clips = [read_clip(path, num_frames=NUM_FRAMES) for path in paths]
    reader = Reader(limit_seconds=limit_seconds)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(num_copies):
            path, clip = paths[number % len(paths)], clips[number % len(paths)]
            kind, data = damaged(path.read_bytes(), dice)
            copy = Path(folder) / f"copy{path.suffix}"
            copy.write_bytes(data)
            outcome, text = reader.outcome(copy, clip)
            outcomes[kind, outcome] += 1
            if outcome in FAILURES:
                failures.append(f"copy {number} of {path.name}, {kind}: {outcome}: {text}")
    reader.close()
    return outcomes, failures


def _print_files(reports: Sequence[FileReport]) -> None:
    width = max(len(report.name) for report in reports)
    print(f"{'file':<{width}}  frames  seconds  size       codec  reading    bare loop  ratio")
    for report in reports:
        info = report.info
        if info is None:
            print(f"{report.name:<{width}}  {report.error}")
            continue
        notes = f"{f'  rotated {info.rotation}°' if info.rotation else ''}"
        notes += "  variable rate" if info.is_variable_rate else ""
        times = f"{report.read_seconds * 1e3:7.1f} ms"
        if report.bare_seconds:
            ratio = report.read_seconds / report.bare_seconds
            times += f" {report.bare_seconds * 1e3:7.1f} ms  {ratio:5.2f}"
        size = f"{info.width}x{info.height}"
        print(
            f"{report.name:<{width}}  {info.num_frames:6}  {info.duration_seconds:7.3f}  {size:<9}  "
            f"{info.codec:<5} {times}{notes}"
        )


def _print_outcomes(outcomes: Counter[tuple[str, Outcome]]) -> None:
    columns: list[Outcome] = ["error", "same frames", "other pixels", "other frames", *FAILURES]
    print("damage     " + "  ".join(f"{column:>12}" for column in columns))
    for kind in ("cut", "flipped", "zeroed"):
        print(f"{kind:<11}" + "  ".join(f"{outcomes[kind, column]:12}" for column in columns))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = measurement_parser("decode", __doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="folder of video files and frame folders")
    parser.add_argument("--rounds", type=int, default=21, help="how often the rates are measured")
    parser.add_argument("--damaged", type=int, default=0, help="number of damaged copies to read")
    add_seed(parser, "the damage")
    parser.add_argument(
        "--limit", type=float, default=30.0, help="seconds after which reading counts as hung"
    )
    options = parser.parse_args(arguments)
    if options.folder is None:
        torch.set_num_threads(1)
        table = rate_table(num_rounds=options.rounds, command=command("decode", arguments))
        print(table.text())
        write_figures(options.json, [table])
        return
    paths = sorted(path for path in options.folder.iterdir() if not path.name.startswith("."))
    if not paths:
        parser.error(f"{options.folder} is empty")
    print(f"PyAV {av.__version__}")
    reports = [report_file(path) for path in paths]
    _print_files(reports)
    good = [path for path, report in zip(paths, reports, strict=True) if report.info and path.is_file()]
    outcomes: Counter[tuple[str, Outcome]] = Counter()
    failures: list[str] = []
    if options.damaged and good:
        outcomes, failures = damage_all(
            good, num_copies=options.damaged, seed=options.seed, limit_seconds=options.limit
        )
        print()
        _print_outcomes(outcomes)
    write_figures(
        options.json,
        [],
        files=[asdict(report) for report in reports],
        damaged={f"{kind}, {outcome}": count for (kind, outcome), count in sorted(outcomes.items())},
    )
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
