"""How fast a recording of 640×360 is searched, and in how much memory."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

from a2m2.bench.figures import FigureTable, command
from a2m2.recognize import Recognizer
from a2m2.spotting import spot
from a2m2.synth import SynthConfig, draw_classes
from a2m2.synth.recording import draw_recording, trimmed_clip
from a2m2.video import write_clip
from a2m2.video.stream import VideoStream

WIDTH, HEIGHT, RATE = 640, 360, 25
_RENDERED_SECONDS = 20.0
_CLASSES, _CLIPS = 5, 3


def measure_speed(*, weights: str | None, backbone: str | None, seconds: float) -> FigureTable:
    """Times real time, share of decoding, highest memory of the process that searched.

    Twenty seconds are painted and repeated to the length asked for.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        video = render_recording(folder, seconds=seconds)
        actions = folder / "actions.a2m2"
        _enrol(folder, weights, backbone).save(actions)
        decoding = _decoding_seconds(video)
        # In a process of its own, so that rendering does not count.
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:
            length, windows, searching, peak = pool.apply(_search, (str(actions), str(video)))
    return FigureTable(
        title="Searching a recording",
        columns=(
            "video",
            "windows",
            "searched in s",
            "x real time",
            "share of decoding %",
            "highest memory MiB",
        ),
        rows=(
            (
                f"{WIDTH}×{HEIGHT}, {length:.0f} s",
                windows,
                f"{searching:.1f}",
                f"{length / searching:.1f}",
                f"{100 * decoding / searching:.0f}",
                f"{peak:.0f}",
            ),
        ),
        command=command("spotting"),
    )


def render_recording(folder: Path, *, seconds: float) -> Path:
    """A recording of 640×360 and 25 frames a second."""
    config = SynthConfig(size=HEIGHT, fps=RATE)
    classes = [one for one in draw_classes("sets", config.seed) if one.split == "val"][:_CLASSES]
    recording = draw_recording(config, classes, seconds=_RENDERED_SECONDS, number=0)
    short = folder / "short.mp4"
    write_clip(short, np.concatenate([_widened(take) for take in recording.frames()]), fps=RATE, crf=23)
    long = folder / "long.mp4"
    _repeat(short, long, max(1, round(seconds * RATE / recording.num_frames)))
    return long


def _enrol(folder: Path, weights: str | None, backbone: str | None) -> Recognizer:
    config = SynthConfig(size=HEIGHT, fps=RATE)
    paths, labels = [], []
    for definition in [one for one in draw_classes("sets", config.seed) if one.split == "val"][:_CLASSES]:
        for index in range(_CLIPS):
            paths.append(folder / definition.name / f"{index}.mp4")
            labels.append(definition.name)
            write_clip(paths[-1], _widened(trimmed_clip(config, definition, index).frames(config)), fps=RATE)
    recognizer = Recognizer(weights=weights, backbone=backbone, cache=folder / "cache")
    return recognizer.fit([str(path) for path in paths], labels)


def _widened(frames: UInt8[np.ndarray, "frame 3 side side"]) -> UInt8[np.ndarray, "frame 3 side width"]:
    """Square frames with mirrored margins."""
    margin = (WIDTH - HEIGHT) // 2
    return np.pad(frames, ((0, 0), (0, 0), (0, 0), (margin, margin)), mode="reflect")


def _repeat(short: Path, long: Path, times: int) -> None:
    """The packets of a video again and again, without encoding."""
    with av.open(str(long), "w") as out:
        stream = None
        for turn in range(times):
            with av.open(str(short)) as source:
                video = source.streams.video[0]
                if stream is None:
                    stream = out.add_stream_from_template(video)
                length = round(video.frames * Fraction(1, RATE) / video.time_base)
                for packet in source.demux(video):
                    if packet.dts is None:
                        continue
                    packet.stream = stream
                    packet.pts += turn * length
                    packet.dts += turn * length
                    out.mux(packet)


def _decoding_seconds(video: Path) -> float:
    start = time.perf_counter()
    with closing(VideoStream(video)) as stream:
        for _ in stream.frames():
            pass
    return time.perf_counter() - start


def _search(actions: str, video: str) -> tuple[float, int, float, float]:
    """Seconds of video, windows, seconds that the search took, and highest resident memory in MiB."""
    recognizer = Recognizer.load(actions)
    start = time.perf_counter()
    record = spot(recognizer.enrolled_, video)
    elapsed = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return record.duration_seconds, record.num_windows, elapsed, peak / unit
