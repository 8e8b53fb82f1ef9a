"""Scores of windows by a recogniser's own matcher."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float

from a2m2.eval.threads import map_in_threads
from a2m2.recognize.encoders import Seen
from a2m2.recognize.enrolled import Enrolled
from a2m2.recognize.leave_one_out import known_and_unknown
from a2m2.spotting.plan import WindowPlan
from a2m2.spotting.stream import SeenWindow
from a2m2.structures import Descriptors
from a2m2.video import prepare
from a2m2.video.stream import StreamedFrame

_BATCH = 16


@dataclass(frozen=True, eq=False)
class ScoredWindows:
    """Windows and their scores.

    Attributes:
        starts, ends: in seconds.
        pairs: score of every window for every enrolled clip; a class's score is the mean over its clips.
    """

    starts: Float[np.ndarray, "window"]
    ends: Float[np.ndarray, "window"]
    pairs: Float[np.ndarray, "window support"]


def see_with(enrolled: Enrolled) -> Callable[[StreamedFrame], Seen]:
    """What a recogniser keeps of one frame."""
    video = enrolled.encoder.video

    def see(frame: StreamedFrame) -> Seen:
        pixels = prepare(frame.picture()[None], resize=video.resize, crop=video.crop)
        return enrolled.encoder.see(pixels)

    return see


@torch.inference_mode()
def describe_windows(enrolled: Enrolled, plan: WindowPlan, windows: Sequence[SeenWindow]) -> Descriptors:
    """Descriptors of windows, those of the clips that would be cut out there."""
    parts = zip(*(_stacked(window.frames) for window in windows), strict=True)
    ticks = torch.tensor([window.window.samples for window in windows], dtype=torch.float64)
    starts = torch.tensor([window.window.start for window in windows], dtype=torch.float64)
    ends = torch.tensor([window.window.end for window in windows], dtype=torch.float64)
    return enrolled.encoder.describe_seen(
        tuple(torch.stack(part) for part in parts),
        (ticks - starts[:, None]) / plan.ticks_per_second,
        (ends - starts) / plan.ticks_per_second,
    )


def score_pairs(
    enrolled: Enrolled, plan: WindowPlan, windows: Sequence[SeenWindow]
) -> Float[np.ndarray, "window support"]:
    """Score of every window for every enrolled clip."""
    return enrolled.support_scores(describe_windows(enrolled, plan, windows))


def score_windows(
    enrolled: Enrolled, plan: WindowPlan, windows: Iterable[SeenWindow], *, num_threads: int
) -> Iterator[ScoredWindows]:
    """Scores of windows, a batch at a time and in order; frames are read while earlier batches are scored."""

    def score(batch: Sequence[SeenWindow]) -> ScoredWindows:
        return ScoredWindows(
            np.array([plan.seconds(window.window.start) for window in batch]),
            np.array([plan.seconds(window.window.end) for window in batch]),
            score_pairs(enrolled, plan, batch),
        )

    return map_in_threads(score, _batched(windows), num_threads=num_threads)


def joined(parts: Sequence[ScoredWindows], num_supports: int) -> ScoredWindows:
    """All batches as one."""
    none = np.zeros(0)
    return ScoredWindows(
        np.concatenate([none, *(part.starts for part in parts)]),
        np.concatenate([none, *(part.ends for part in parts)]),
        np.concatenate([np.zeros((0, num_supports)), *(part.pairs for part in parts)]),
    )


def known_scores(enrolled: Enrolled, *, num_threads: int) -> Float[np.ndarray, "known"]:
    """Best score of every enrolled clip that can be left out."""
    known, _ = known_and_unknown(enrolled.left_out_scores(num_threads=num_threads), enrolled.labels.numpy())
    return known


def _stacked(frames: Sequence[Seen]) -> tuple[torch.Tensor, ...]:
    return tuple(torch.cat(part) for part in zip(*frames, strict=True))


def _batched(windows: Iterable[SeenWindow]) -> Iterator[list[SeenWindow]]:
    iterator = iter(windows)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
