"""Enrolled actions: supports, the encoder they were described by, and what was learnt from leaving each out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from a2m2.eval.maps import Progress
from a2m2.eval.pair_table import pair_scores
from a2m2.matching import A2Matcher
from a2m2.recognition_records import UNKNOWN, Label, Recognition, ScoredClass
from a2m2.recognize.confidence import Confidence, calibrate, probabilities
from a2m2.recognize.encoders import ClipEncoder
from a2m2.recognize.leave_one_out import (
    accuracy,
    can_be_left_out,
    known_and_unknown,
    leave_one_out,
    left_out_scores,
)
from a2m2.recognize.report import LeaveOneOut
from a2m2.recognize.supports import SupportClip
from a2m2.structures import Clip, Descriptors, Match

FEWEST_TO_CHOOSE = 3
"""Clips a class from which on settings are chosen by leaving one out."""


@dataclass(frozen=True, eq=False)
class Enrolled:
    """A recogniser's whole knowledge.

    Attributes:
        encoder: describes clips.
        matcher: compares descriptors.
        order_prior: of the matcher.
        supports: the enrolled clips.
        descriptors: of these, in the same order.
        confidence: how scores become probabilities and refusals.
        report: what leaving each clip out has shown.
    """

    encoder: ClipEncoder
    matcher: A2Matcher
    order_prior: float
    supports: tuple[SupportClip, ...]
    descriptors: Descriptors
    confidence: Confidence
    report: LeaveOneOut

    @cached_property
    def classes(self) -> tuple[Label, ...]:
        """The enrolled classes, sorted."""
        return classes_of(self.supports)

    @cached_property
    def labels(self) -> Int[Tensor, "support"]:
        """Position in ``classes`` of each support's class."""
        return torch.from_numpy(_label_indices(self.supports, self.classes))

    @torch.inference_mode()
    def match(self, clips: Sequence[Clip]) -> tuple[Descriptors, Match]:
        """Descriptors of sampled clips, and their scores for every class."""
        queries = self.encoder.describe(clips)
        match = self.matcher(self.descriptors, self.labels, queries, num_classes=len(self.classes))
        return queries, match

    def probabilities(self, scores: Float[np.ndarray, "clip class"]) -> Float[np.ndarray, "clip class"]:
        """Probability of every class for clips with these scores."""
        return probabilities(scores, self.confidence.sharpness)

    def recognition(
        self, name: str, scores: Float[np.ndarray, "class"], *, reject_unknown: bool
    ) -> Recognition:
        """The answer for one clip."""
        chances = self.probabilities(scores[None])[0]
        ranked = tuple(
            ScoredClass(self.classes[position], float(scores[position]), float(chances[position]))
            for position in np.argsort(-scores, kind="stable")
        )
        refused = reject_unknown and ranked[0].score < self.confidence.threshold
        return Recognition(name, UNKNOWN if refused else ranked[0].label, ranked)


@dataclass(frozen=True, eq=False)
class _Trial:
    """One setting and how it did."""

    encoder: ClipEncoder
    descriptors: Descriptors
    order_prior: float
    scores: Float[np.ndarray, "clip class"]
    accuracy: float | None


def enrol(
    encoders: Iterable[tuple[ClipEncoder, Descriptors]],
    supports: Sequence[SupportClip],
    *,
    choose: bool,
    num_threads: int = 2,
    progress: Progress | None = None,
) -> Enrolled:
    """Choose settings, calibrate and report, all by leaving out each support once.

    Args:
        encoders: those that may be chosen, the standing one first, each with the descriptors of the supports.
        supports: the enrolled clips.
        choose: whether to choose at all; the standing settings otherwise, and with fewer than 3 clips in a class.
        num_threads: threads of the matching.
        progress: told about long steps.
    """
    classes = classes_of(supports)
    labels = _label_indices(supports, classes)
    contents = [support.digest for support in supports]
    choosing = choose and len(classes) > 1 and bool(np.bincount(labels).min() >= FEWEST_TO_CHOOSE)
    progress = _quiet if progress is None else progress
    trials = _trials(encoders, labels, contents, num_threads=num_threads, progress=progress)
    tried = list(trials if choosing else islice(trials, 1))
    # The first of the best: the standing settings, unless others are strictly better.
    best = max(tried, key=lambda trial: trial.accuracy or 0.0)
    tested = can_be_left_out(best.scores)
    known, unknown = known_and_unknown(best.scores, labels)
    matcher = best.encoder.matcher(best.order_prior)
    temperature = float(matcher.temperature().detach())
    confidence = calibrate(
        best.scores[tested],
        labels[tested],
        known,
        unknown,
        default=best.encoder.default_confidence.at(temperature),
    )
    report = leave_one_out(
        best.scores,
        labels,
        names=[support.name for support in supports],
        contents=contents,
        classes=classes,
        confidence=confidence,
        setting=_in_words(best),
        settings_tried=len(tried),
    )
    return Enrolled(
        encoder=best.encoder,
        matcher=matcher,
        order_prior=best.order_prior,
        supports=tuple(supports),
        descriptors=best.descriptors,
        confidence=confidence,
        report=report,
    )


def classes_of(supports: Sequence[SupportClip]) -> tuple[Label, ...]:
    """The classes of supports, sorted."""
    return tuple(sorted({support.label for support in supports}))


def _label_indices(supports: Sequence[SupportClip], classes: Sequence[Label]) -> Int[np.ndarray, "support"]:
    position = {label: index for index, label in enumerate(classes)}
    return np.array([position[support.label] for support in supports], dtype=np.int64)


def _trials(
    encoders: Iterable[tuple[ClipEncoder, Descriptors]],
    labels: Int[np.ndarray, "support"],
    contents: Sequence[str],
    *,
    num_threads: int,
    progress: Progress,
) -> Iterator[_Trial]:
    """Every setting in turn, the standing one first; computed when it is asked for."""
    settings = (
        (encoder, described, prior) for encoder, described in encoders for prior in encoder.order_priors
    )
    for number, (encoder, descriptors, order_prior) in enumerate(settings, 1):
        table = pair_scores(
            encoder.matcher(order_prior),
            descriptors,
            num_threads=num_threads,
            progress=partial(progress, f"setting {number}"),
        )
        scores = left_out_scores(table, labels, contents, num_classes=int(labels.max()) + 1)
        yield _Trial(encoder, descriptors, order_prior, scores, accuracy(scores, labels))


def _in_words(trial: _Trial) -> str:
    stages = " and ".join(map(str, trial.encoder.settings.m2.stages))
    prior = f"order prior {trial.order_prior:g}" if trial.order_prior else "no order prior"
    return f"stage {stages}, {prior}"


def _quiet(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
