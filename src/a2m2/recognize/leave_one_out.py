"""Every enrolled clip recognised from the others: the only test that someone with a few clips can make.

Everything here is looked up in one table of pair scores. A fitted reduction has seen the clip that is left out,
without its label; scores, probabilities and threshold are the left-out ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from a2m2.eval.calibration import area_under_roc, expected_calibration_error
from a2m2.recognition_records import Label
from a2m2.recognize.confidence import Confidence, fit_sharpness, probabilities
from a2m2.recognize.report import ClassReport, Confusion, LeaveOneOut, SuspiciousClip


def left_out_scores(
    table: Float[np.ndarray, "clip clip"],
    labels: Int[np.ndarray, "clip"],
    contents: Sequence[str],
    *,
    num_classes: int,
) -> Float[np.ndarray, "clip class"]:
    """Score of every clip for every class, as mean over the class's other clips.

    Args:
        table: score of each pair of clips.
        labels: class of each clip.
        contents: digest of each clip; copies of the clip left out are left out with it.
        num_classes: number of classes.

    Returns:
        NaN where a class has no other clip.
    """
    digests = np.asarray(contents)
    usable = digests[:, None] != digests[None, :]
    scores = np.full((len(table), num_classes), np.nan)
    for label in range(num_classes):
        members = usable & (labels == label)
        count = members.sum(1)
        total = np.where(members, table, 0.0).sum(1)
        scores[count > 0, label] = total[count > 0] / count[count > 0]
    return scores


def can_be_left_out(scores: Float[np.ndarray, "clip class"]) -> Bool[np.ndarray, "clip"]:
    """Whether a clip can be left out: every class, its own among them, still has a clip."""
    return ~np.isnan(scores).any(1)


def known_and_unknown(
    scores: Float[np.ndarray, "clip class"], labels: Int[np.ndarray, "clip"]
) -> tuple[Float[np.ndarray, "known"], Float[np.ndarray, "unknown"]]:
    """Best scores of clips whose class is enrolled, and of the same clips as if it were not.

    The second leaves the clip's whole class out, so it needs two classes; without a second one it is empty.
    """
    known = scores[can_be_left_out(scores)].max(1)
    others = np.where(np.arange(scores.shape[1]) == labels[:, None], -np.inf, scores)
    complete = ~np.isnan(others).any(1)
    unknown = others[complete].max(1)
    return known, unknown[np.isfinite(unknown)]


def accuracy(scores: Float[np.ndarray, "clip class"], labels: Int[np.ndarray, "clip"]) -> float | None:
    """Share of the clips that can be left out whose best class is their own; None when none can."""
    tested = can_be_left_out(scores)
    return float((scores[tested].argmax(1) == labels[tested]).mean()) if tested.any() else None


def calibration_error(
    scores: Float[np.ndarray, "clip class"], labels: Int[np.ndarray, "clip"], *, expected: float
) -> float | None:
    """Expected calibration error of left-out clips, each with a sharpness that the others have set.

    ``expected`` is the sharpness before any clip is seen. None where fewer than two clips can be left out, or where
    there is one class.
    """
    tested = np.flatnonzero(can_be_left_out(scores))
    if len(tested) < 2 or scores.shape[1] < 2:
        return None
    sure, right = [], []
    for clip in tested:
        others = tested[tested != clip]
        sharpness = fit_sharpness(scores[others], labels[others], expected=expected)
        chances = probabilities(scores[clip : clip + 1], sharpness)[0]
        sure.append(chances.max())
        right.append(chances.argmax() == labels[clip])
    return expected_calibration_error(sure, right)


def leave_one_out(
    scores: Float[np.ndarray, "clip class"],
    labels: Int[np.ndarray, "clip"],
    *,
    names: Sequence[str],
    contents: Sequence[str],
    classes: Sequence[Label],
    confidence: Confidence,
    expected: float,
    setting: str,
    settings_tried: int,
) -> LeaveOneOut:
    """The report on a set of enrolled clips.

    Args:
        scores: from :func:`left_out_scores`.
        labels: class of each clip.
        names: of the clips.
        contents: digest of each clip.
        classes: names of the classes.
        confidence: what was calibrated, or the defaults.
        expected: sharpness, see :func:`a2m2.recognize.confidence.expected_sharpness`.
        setting: what was chosen, in words.
        settings_tried: how many were compared to choose it.
    """
    tested = can_be_left_out(scores)
    answers = np.where(tested, np.where(np.isnan(scores), -np.inf, scores).argmax(1), -1)
    mistakes = np.flatnonzero(tested & (answers != labels))
    counts = Counter((int(labels[clip]), int(answers[clip])) for clip in mistakes)
    known, unknown = known_and_unknown(scores, labels)
    lead = {int(clip): float(scores[clip, answers[clip]] - scores[clip, labels[clip]]) for clip in mistakes}
    return LeaveOneOut(
        classes=tuple(
            ClassReport(
                label=name,
                num_clips=int((labels == label).sum()),
                num_tested=int((tested & (labels == label)).sum()),
                num_correct=int((tested & (labels == label) & (answers == label)).sum()),
            )
            for label, name in enumerate(classes)
        ),
        confusions=tuple(
            Confusion(classes[true], classes[answer], count)
            for (true, answer), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        ),
        suspicious=tuple(
            SuspiciousClip(names[clip], classes[labels[clip]], classes[answers[clip]], lead[clip])
            for clip in sorted(lead, key=lambda clip: -lead[clip])
        ),
        copies=_copies(names, contents),
        calibration_error=calibration_error(scores, labels, expected=expected),
        unknown_auroc=area_under_roc(known, unknown) if len(known) and len(unknown) else None,
        calibrated=confidence.calibrated,
        setting=setting,
        settings_tried=settings_tried,
    )


def _copies(names: Sequence[str], contents: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Groups of clips of the same content."""
    groups: dict[str, list[str]] = {}
    for name, content in zip(names, contents, strict=True):
        groups.setdefault(content, []).append(name)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)
