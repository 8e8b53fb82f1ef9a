"""Enrolled actions: supports, the encoder they were described by, and what was learnt from leaving each out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from a2m2.eval.maps import Progress
from a2m2.eval.pair_table import pair_scores
from a2m2.matching import A2Matcher
from a2m2.matching.cohort import baselines, relative
from a2m2.recognition_records import UNKNOWN, Label, Recognition, ScoredClass
from a2m2.recognize.confidence import Confidence, calibrate, expected_sharpness, probabilities
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

    def match(self, clips: Sequence[Clip]) -> tuple[Descriptors, Match]:
        """Descriptors of sampled clips, and their scores for every class."""
        queries = self.encoder.describe(clips)
        return queries, self.match_described(queries)

    @torch.inference_mode()
    def match_described(self, queries: Descriptors) -> Match:
        """Scores of described clips for every class; relative ones where the encoder has a cohort."""
        match = self.matcher(self.descriptors, self.labels, queries, num_classes=len(self.classes))
        if self.encoder.cohort is None:
            return match
        labels = self.labels.numpy()
        classes = np.array([self._baselines[labels == label].mean() for label in range(len(self.classes))])
        scores = relative(match.logits.double().numpy(), self._baselines_of(queries), classes)
        return replace(match, logits=torch.from_numpy(scores))

    @torch.inference_mode()
    def support_scores(self, queries: Descriptors) -> Float[np.ndarray, "query support"]:
        """Scores of described clips for every support; a class's score is the mean over its supports."""
        # A class a clip: the matchers of recognisers are means of pairs.
        alone = torch.arange(len(self.supports))
        match = self.matcher(self.descriptors, alone, queries, num_classes=len(alone))
        scores: Float[np.ndarray, "query support"] = match.logits.double().numpy()
        if self.encoder.cohort is None:
            return scores
        return relative(scores, self._baselines_of(queries), self._baselines)

    def left_out_scores(self, *, num_threads: int) -> Float[np.ndarray, "support class"]:
        """Scores of every support, left out, for every class."""
        return _left_out(
            self.encoder,
            self.matcher,
            self.descriptors,
            self.labels.numpy(),
            [support.digest for support in self.supports],
            num_threads=num_threads,
        )

    @cached_property
    def _baselines(self) -> Float[np.ndarray, "support"]:
        return self._baselines_of(self.descriptors)

    def _baselines_of(self, clips: Descriptors) -> Float[np.ndarray, "clip"]:
        assert self.encoder.cohort is not None
        return baselines(self.matcher, self.encoder.cohort, clips)

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
    default = best.encoder.default_confidence.at(temperature)
    expected = expected_sharpness(default, labels)
    confidence = calibrate(
        best.scores[tested], labels[tested], known, unknown, default=default, expected=expected
    )
    report = leave_one_out(
        best.scores,
        labels,
        names=[support.name for support in supports],
        contents=contents,
        classes=classes,
        confidence=confidence,
        expected=expected,
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
        scores = _left_out(
            encoder,
            encoder.matcher(order_prior),
            descriptors,
            labels,
            contents,
            num_threads=num_threads,
            progress=partial(progress, f"setting {number}"),
        )
        yield _Trial(encoder, descriptors, order_prior, scores, accuracy(scores, labels))


def _left_out(
    encoder: ClipEncoder,
    matcher: A2Matcher,
    descriptors: Descriptors,
    labels: Int[np.ndarray, "support"],
    contents: Sequence[str],
    *,
    num_threads: int,
    progress: Callable[[int, int], None] | None = None,
) -> Float[np.ndarray, "support class"]:
    table = pair_scores(matcher, descriptors, num_threads=num_threads, progress=progress)
    if encoder.cohort is not None:
        each = baselines(matcher, encoder.cohort, descriptors)
        table = relative(table, each, each)
    return left_out_scores(table, labels, contents, num_classes=int(labels.max()) + 1)


def _in_words(trial: _Trial) -> str:
    stages = " and ".join(map(str, trial.encoder.settings.m2.stages))
    prior = f"order prior {trial.order_prior:g}" if trial.order_prior else "no order prior"
    return f"stage {stages}, {prior}"


def _quiet(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
