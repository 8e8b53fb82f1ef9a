"""What leaving every enrolled clip out once has shown, in plain words."""

from __future__ import annotations

from a2m2.recognize.report import LeaveOneOut

_FEW = 5
"""Confusions and suspicious clips that are named."""


def report_lines(report: LeaveOneOut) -> list[str]:
    """The report in plain words."""
    lines = [*_accuracy_lines(report)]
    for confusion in report.confusions[:_FEW]:
        noun = "clip" if confusion.count == 1 else "clips"
        lines.append(
            f"confused: {confusion.count} {noun} of {confusion.label} taken for {confusion.taken_for}"
        )
    lines += _more(len(report.confusions), "pairs of classes that are confused")
    for clip in report.suspicious[:_FEW]:
        lines.append(f"look at {clip.name}: labelled {clip.label}, but closer to {clip.nearest}")
    lines += _more(len(report.suspicious), "clips that are closer to another class")
    for group in report.copies:
        lines.append(f"the same video more than once: {', '.join(group)}; it counts as one when left out")
    return [*lines, *_confidence_lines(report)]


def _accuracy_lines(report: LeaveOneOut) -> list[str]:
    if len(report.classes) == 1:
        return [
            "one class only: nothing to confuse it with, so its accuracy says nothing; enrol a second one"
        ]
    if report.accuracy is None:
        return [
            "nothing could be tested: with one clip a class none can be left out; give two or more of each"
        ]
    lines = [
        f"recognised {100 * report.accuracy:.0f} % of {report.num_tested} clips; "
        f"guessing would be {100 / len(report.classes):.0f} %"
    ]
    if report.settings_tried > 1:
        lines.append(
            f"chosen among {report.settings_tried} settings: {report.setting}; "
            "the best of several looks a little better than it is"
        )
    return lines


def _confidence_lines(report: LeaveOneOut) -> list[str]:
    if not report.calibrated:
        return [
            'threshold for "unknown" and probabilities: shipped defaults, there are too few clips to calibrate them; '
            "take both with a grain of salt"
        ]
    lines = ['threshold for "unknown" and probabilities: calibrated on these clips']
    if report.calibration_error is not None:
        lines.append(f"expected calibration error of the probabilities: {report.calibration_error:.2f}")
    if report.unknown_auroc is not None:
        lines.append(f"known against unknown actions, area under the ROC curve: {report.unknown_auroc:.2f}")
    return lines


def _more(number: int, what: str) -> list[str]:
    return [f"and {number - _FEW} more {what}"] if number > _FEW else []
