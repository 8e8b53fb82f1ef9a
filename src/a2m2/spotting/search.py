"""Finding enrolled actions in a recording of any length: one pass of decoding, memory bounded by the longest window."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from a2m2.errors import ConfigError, DecodeError
from a2m2.eval.maps import Progress
from a2m2.recognition_records import Label
from a2m2.recognize.enrolled import Enrolled
from a2m2.spotting.curve import score_curve
from a2m2.spotting.judging import judge
from a2m2.spotting.plan import SPEEDS, STRIDE, WindowPlan, plan_windows, window_seconds
from a2m2.spotting.scoring import ScoredWindows, joined, known_scores, score_windows, see_with
from a2m2.spotting.segments import find_segments, merge
from a2m2.spotting.stream import seen_windows
from a2m2.spotting_records import Ending, SpottingRecord
from a2m2.video.stream import StreamedFrame, VideoStream


@dataclass(frozen=True)
class SpotSettings:
    """How a recording is searched.

    Attributes:
        speeds: how fast actions may be, relative to the enrolled clips.
        stride: from one window to the next, as a share of the window.
        threshold: score from which a window counts; :func:`a2m2.spotting.judging.judge` decides when None.
        merge_seconds: segments of one class that are at most so far apart become one; None keeps them apart.
        num_threads: batches of windows scored at the same time; results do not depend on it.

    Raises:
        ConfigError: a gap below 0, or a threshold that is no finite number.
    """

    speeds: tuple[float, ...] = SPEEDS
    stride: float = STRIDE
    threshold: float | None = None
    merge_seconds: float | None = None
    num_threads: int = 2

    def __post_init__(self) -> None:
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise ConfigError(
                f"expected a finite score as threshold, got {self.threshold:g}; give for example the score of a "
                "segment that is right"
            )
        if self.merge_seconds is not None and not self.merge_seconds >= 0:
            raise ConfigError(f"expected a gap of 0 s or more to merge over, got {self.merge_seconds:g} s")


def spot(
    enrolled: Enrolled,
    path: str | Path,
    *,
    settings: SpotSettings | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> SpottingRecord:
    """The stretches of a recording that show an enrolled action.

    Damage in the middle and Ctrl-C end the reading; what was found until then is the answer, and its ``ending``
    says so.

    Args:
        enrolled: the recogniser's knowledge, ``recognizer.enrolled_``.
        path: video file or folder of frames.
        settings: how to search; the defaults when None.
        name: what to call the recording; its file name when None.
        progress: told how many seconds were read.

    Raises:
        DecodeError: there is no video, or it cannot be opened.
        ConfigError: speeds, or a stride, that cannot be used.
    """
    settings = SpotSettings() if settings is None else settings
    with closing(VideoStream(path)) as stream:
        plan = plan_for(
            enrolled,
            settings,
            frames_per_second=stream.frames_per_second,
            duration_seconds=stream.duration_seconds,
        )
        reading = _Reading(stream, progress)
        parts: list[ScoredWindows] = []
        windows = seen_windows(reading.frames(), plan, see_with(enrolled), duration_seconds=reading.end)
        try:
            for part in score_windows(enrolled, plan, windows, num_threads=settings.num_threads):
                parts.append(part)  # one by one: an interrupt leaves those before it
        except KeyboardInterrupt:
            reading.ending = "interrupt"
    found = joined(parts, len(enrolled.supports))
    judgement = judge(
        found.pairs,
        enrolled.labels.numpy(),
        calibrated=enrolled.confidence.threshold,
        known=known_scores(enrolled, num_threads=settings.num_threads),
        threshold=settings.threshold,
    )
    segments = find_segments(
        found.starts,
        found.ends,
        judgement,
        enrolled.probabilities(judgement.scores),
        classes=enrolled.classes,
    )
    if settings.merge_seconds is not None:
        segments = merge(segments, gap_seconds=settings.merge_seconds)
    return SpottingRecord(
        video=Path(path).name if name is None else name,
        duration_seconds=stream.duration_seconds,
        read_seconds=reading.seconds,
        ending=reading.ending,
        damage="" if reading.damage is None else f"{reading.damage.cause}; {reading.damage.cure}",
        classes=enrolled.classes,
        threshold=enrolled.confidence.threshold if settings.threshold is None else settings.threshold,
        num_windows=len(found.starts),
        segments=segments,
        curve=score_curve(
            (found.starts + found.ends) / 2, judgement.scores, duration_seconds=stream.duration_seconds
        ),
    )


def plan_for(
    enrolled: Enrolled,
    settings: SpotSettings,
    *,
    frames_per_second: float,
    duration_seconds: float | None = None,
) -> WindowPlan:
    """The windows of a recording, or of live pictures, whose duration nobody knows.

    Raises:
        ConfigError: speeds, or a stride, that cannot be used.
    """
    return plan_windows(
        window_seconds(_durations(enrolled), speeds=settings.speeds),
        stride=settings.stride,
        frames_per_second=frames_per_second,
        video=enrolled.encoder.video,
        duration_seconds=duration_seconds,
    )


def _durations(enrolled: Enrolled) -> dict[Label, Sequence[float]]:
    """How long the enrolled clips of each class are, in seconds."""
    return {
        label: [support.duration_seconds for support in enrolled.supports if support.label == label]
        for label in enrolled.classes
    }


class _Reading:
    """How far a recording was read, and why no further."""

    def __init__(self, stream: VideoStream, progress: Progress | None) -> None:
        self._stream, self._progress = stream, progress
        self.seconds = 0.0
        self.ending: Ending = "end"
        self.damage: DecodeError | None = None

    def frames(self) -> Iterator[StreamedFrame]:
        """The frames up to the end or the damage."""
        whole = max(1, round(self._stream.duration_seconds))
        try:
            for frame in self._stream.frames():
                self.seconds = frame.seconds
                if self._progress is not None and self.seconds < whole:
                    self._progress("seconds read", int(self.seconds), whole)
                yield frame
        except DecodeError as error:
            self.ending, self.damage = "damage", error
        else:
            self.seconds = self._stream.duration_seconds
        if self._progress is not None:
            self._progress("seconds read", whole, whole)

    def end(self) -> float:
        """When the recording ends, as far as it could be read."""
        return self.seconds
