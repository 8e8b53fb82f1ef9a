"""Enrolled actions in live pictures, told when they start and end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from a2m2.recognize.enrolled import Enrolled
from a2m2.spotting.events import Event, EventTracker, Sighting
from a2m2.spotting.judging import judge
from a2m2.spotting.plan import WindowPlan
from a2m2.spotting.scoring import known_scores, score_pairs, see_with
from a2m2.spotting.stream import seen_windows
from a2m2.video.stream import StreamedFrame

_REMEMBERED = 2000
"""Windows of the past that new ones are compared with: some minutes."""


def watch(
    enrolled: Enrolled, plan: WindowPlan, frames: Iterable[StreamedFrame], *, threshold: float | None = None
) -> Iterator[Event]:
    """Events as soon as they can be told: a start when the first window that shows an action is over.

    Windows are judged as in a recording, against those seen so far.

    Args:
        enrolled: the recogniser's knowledge.
        plan: the windows.
        frames: as they come.
        threshold: score from which a window counts, instead of the judgement.
    """
    known = known_scores(enrolled, num_threads=1)
    labels = enrolled.labels.numpy()
    past: deque[np.ndarray] = deque(maxlen=_REMEMBERED)
    tracker = EventTracker()
    for window in seen_windows(frames, plan, see_with(enrolled)):
        pairs = score_pairs(enrolled, plan, [window])
        past.append(pairs[0])
        judged = judge(
            pairs,
            labels,
            calibrated=enrolled.confidence.threshold,
            known=known,
            threshold=threshold,
            background=np.stack(past),
        )
        start, end = plan.seconds(window.window.start), plan.seconds(window.window.end)
        sighting = None
        if judged.counts[0]:
            best = int(judged.ranks[0].argmax())
            chance = float(enrolled.probabilities(judged.scores)[0, best])
            sighting = Sighting(enrolled.classes[best], start, end, float(judged.ranks[0, best]), chance)
        yield from tracker.update(start, sighting)
    yield from tracker.finish()
