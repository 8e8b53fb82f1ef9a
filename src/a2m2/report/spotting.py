"""A picture of what was found in a recording: segments above the scores along it."""

from __future__ import annotations

from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from a2m2.checks import atomic_path
from a2m2.spotting_records import SpottingRecord

_COLOURS = ("#3366a8", "#c2662d", "#3a8f5c", "#9a4fa3", "#b0413e", "#6b7280", "#a88a2b", "#2b8f9a")


def write_timeline(path: Path, record: SpottingRecord) -> None:
    """Draw the timeline, whole or not at all; the suffix chooses SVG or PNG. The same record gives the same picture.

    Raises:
        OutputError: it cannot be written.
    """
    figure = draw_timeline(record)
    kind = path.suffix.lower().removeprefix(".")
    metadata = {"Date": None} if kind == "svg" else None
    # Without a salt of its own, matplotlib names the parts of an SVG at random.
    with rc_context({"svg.hashsalt": "a2m2"}), atomic_path(path) as temporary:
        figure.savefig(temporary, format=kind, metadata=metadata, dpi=130)


def draw_timeline(record: SpottingRecord) -> Figure:
    """A row a class with its segments, and below the best score of each class at every moment."""
    rows = len(record.classes)
    figure = Figure(figsize=(11, 2.6 + 0.32 * rows), layout="constrained")
    segments, scores = figure.subplots(2, 1, sharex=True, height_ratios=(0.6 + 0.32 * rows, 1.6))
    _draw_segments(segments, record)
    _draw_scores(scores, record)
    if record.read_seconds < record.duration_seconds:
        for axes in (segments, scores):
            axes.axvspan(record.read_seconds, record.duration_seconds, color="#dddddd", zorder=0)
        middle = (record.read_seconds + record.duration_seconds) / 2
        segments.text(middle, (rows - 1) / 2, "not read", ha="center", va="center", color="#555555")
    return figure


def _draw_segments(axes: Axes, record: SpottingRecord) -> None:
    for segment in record.segments:
        row = record.classes.index(segment.label)
        length = segment.end_seconds - segment.start_seconds
        axes.barh(row, length, left=segment.start_seconds, height=0.7, color=_colour(row))
    axes.set_yticks(range(len(record.classes)), [str(label).replace("$", r"\$") for label in record.classes])
    axes.set_ylim(len(record.classes) - 0.5, -0.5)
    axes.set_xlim(0, record.duration_seconds)
    axes.set_title(record.video.replace("$", r"\$"), loc="left", fontsize=10)


def _draw_scores(axes: Axes, record: SpottingRecord) -> None:
    for row, column in enumerate(record.curve.scores):
        values = [float("nan") if score is None else score for score in column]
        axes.plot(record.curve.seconds, values, color=_colour(row), linewidth=1)
    axes.axhline(record.threshold, color="#555555", linewidth=0.8, linestyle="--")
    axes.set_ylabel("score")
    axes.set_xlabel("seconds")


def _colour(row: int) -> str:
    return _COLOURS[row % len(_COLOURS)]
