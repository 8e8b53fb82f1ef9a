"""The figures of a study as text: Markdown, LaTeX and CSV, one row a method and place, one column a level."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass

from a2m2.report.wording import counted, percent, signed
from a2m2.study_records import Labels, StudyDifference, StudyFigure, StudyRecord

COVERS = (
    "± is the 95 % interval over episodes of one fixed set of videos, repeats averaged; brackets hold the range of the "
    "repeats. Neither covers other videos."
)
"""What the intervals of a study mean; stands beside every table."""


_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"},
    **{"±": "$\\pm$", "−": "$-$", "<": "$<$", ">": "$>$", "λ": "$\\lambda$", "…": "\\dots{}"},
}
"""Signs that LaTeX would read otherwise, or lacks."""


@dataclass(frozen=True)
class Table:
    """Cells of text; ``best`` marks those that a column is won by."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    best: frozenset[tuple[int, int]] = frozenset()


def accuracy_table(study: StudyRecord) -> Table:
    """Accuracy in per cent of every method, levels of the first axis side by side; the best of a column is marked."""
    return _pivot(study, lambda figure: figure.accuracy, _accuracy)


def alignment_table(study: StudyRecord) -> Table | None:
    """Alignment truth in per cent with that of a uniform plan; None where none is known."""
    if all(figure.alignment is None for figure in study.figures):
        return None
    return _pivot(study, lambda figure: figure.alignment, _alignment)


def difference_table(study: StudyRecord, kind: str) -> Table | None:
    """Differences of one kind in percentage points; None when there are none."""
    chosen = [one for one in study.differences if one.kind == kind]
    if not chosen:
        return None
    axes = [axis for axis in study.axes if any(axis in one.labels for one in chosen)]
    head = (*axes, "difference", "points", "p, Holm")
    rows = [
        (*(one.labels.get(axis, "") for axis in axes), _title(one), points_text(one), p_text(one.p_holm))
        for one in chosen
    ]
    return Table(head, tuple(rows))


def markdown(table: Table) -> str:
    """A pipe table; the best of a column in bold."""
    lines = [f"| {' | '.join(map(_without_pipes, table.head))} |", f"|{'---|' * len(table.head)}"]
    for number, row in enumerate(table.rows):
        cells = [f"**{text}**" if (number, column) in table.best else text for column, text in enumerate(row)]
        lines.append(f"| {' | '.join(map(_without_pipes, cells))} |")
    return "\n".join(lines)


def latex(table: Table) -> str:
    """A ``tabular`` for booktabs; the best of a column in bold."""
    lines = [f"\\begin{{tabular}}{{{'l' * len(table.head)}}}", "\\toprule"]
    lines += [" & ".join(map(_escaped, table.head)) + " \\\\", "\\midrule"]
    for number, row in enumerate(table.rows):
        cells = [
            f"\\textbf{{{_escaped(text)}}}" if (number, column) in table.best else _escaped(text)
            for column, text in enumerate(row)
        ]
        lines.append(" & ".join(cells) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"])


def as_csv(study: StudyRecord) -> str:
    """Every figure in a row of its own, shares as they are: for other programs."""
    axes = study.varied
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    own = ("accuracy", "interval95", "repeats95", "episodes", "way", "shot", "query", "alignment", "uniform")
    writer.writerow([*axes, "method", *own])
    for figure in study.figures:
        values = [getattr(figure, name) for name in own]
        cells = [f"{value:.6f}" if isinstance(value, float) else value for value in values]
        writer.writerow([*(figure.labels[axis] for axis in axes), figure.method, *cells])
    return file.getvalue()


def protocols(study: StudyRecord) -> str:
    """``5-way 1-shot, 1 query a class, 10,000 episodes``; several, where they differ, apart by semicolons."""
    sizes = {(one.way, one.shot, one.query, one.episodes) for one in study.figures}
    return "; ".join(
        f"{way}-way {shot}-shot, {counted(query, 'query', 'queries')} a class, {counted(episodes, 'episode')}"
        for way, shot, query, episodes in sorted(sizes)
    )


def document(study: StudyRecord) -> str:
    """All tables of a study in Markdown, with what was run and what the intervals cover."""
    repeats = len(study.repeats)
    over = f", mean over {repeats} repeats ({study.repeat})" if repeats > 1 else ""
    parts = [f"**{study.title}**: {protocols(study)}{over}. {COVERS}", markdown(accuracy_table(study))]
    titles = {
        "growth": "How the lead of `{}` changes along an axis, from its first level to its last (other clips, not "
        "paired; √ of the sum of squared intervals):",
        "method": "`{}` minus the others on the same episodes:",
        "level": "Levels of an axis on the same episodes:",
    }
    for kind, text in titles.items():
        table = difference_table(study, kind)
        if table is not None:
            parts += [text.format(study.reference), markdown(table)]
    truth = alignment_table(study)
    if truth is not None:
        parts += ["Alignment truth: share of the mass between two non-idle frames on the same sub-action:"]
        parts += [markdown(truth)]
    parts += [f"Note: {note}" for note in study.notes]
    return "\n\n".join(parts)


def _pivot(
    study: StudyRecord,
    value: Callable[[StudyFigure], float | None],
    text: Callable[[StudyFigure], str],
) -> Table:
    axes = study.varied
    across, down = axes[:1], axes[1:]
    columns = list(study.axes[across[0]]) if across else [""]
    rows: dict[tuple[str, ...], dict[str, StudyFigure]] = {}
    for figure in study.figures:
        key = (*(figure.labels[axis] for axis in down), figure.method)
        rows.setdefault(key, {})[figure.labels[across[0]] if across else ""] = figure
    names = [f"{across[0]} {label}" if across else "%" for label in columns]
    cells = [(*key, *(text(row[c]) if c in row else "" for c in columns)) for key, row in rows.items()]
    best = set()
    for place, column in enumerate(columns):
        known = {number: value(row[column]) for number, row in enumerate(rows.values()) if column in row}
        ranked = {number: score for number, score in known.items() if score is not None}
        if len(ranked) > 1:
            top = max(ranked.values())
            best |= {(number, len(down) + 1 + place) for number, score in ranked.items() if score == top}
    return Table((*down, "method", *names), tuple(cells), frozenset(best))


def _accuracy(figure: StudyFigure) -> str:
    text = f"{percent(figure.accuracy)} ± {percent(figure.interval95)}"
    if len(figure.repeats) < 2:
        return text
    return f"{text} [{percent(min(figure.repeats))} … {percent(max(figure.repeats))}]"


def _alignment(figure: StudyFigure) -> str:
    if figure.alignment is None or figure.alignment95 is None:
        return ""
    beside = f" (uniform {percent(figure.uniform)})" if figure.uniform is not None else ""
    return f"{percent(figure.alignment)} ± {percent(figure.alignment95)}{beside}"


def points_text(one: StudyDifference) -> str:
    """``+2.9 ± 0.8 [+2.1 … +3.4]`` in percentage points."""
    text = f"{signed(one.difference)} ± {percent(one.interval95)}"
    if len(one.repeats) > 1:
        text += f" [{signed(min(one.repeats))} … {signed(max(one.repeats))}]"
    return text


def p_text(p: float) -> str:
    """``0.013``, or ``< 0.001``."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _title(one: StudyDifference) -> str:
    along = f"along {one.axis}: " if one.kind == "growth" else ""
    return f"{along}{one.a} minus {one.b}"


def _without_pipes(text: str) -> str:
    """Text for a cell of a pipe table."""
    return text.replace("|", "\\|")


def _escaped(text: str) -> str:
    """Text for LaTeX, with mathematics where the sign needs it."""
    return "".join(_LATEX.get(sign, sign) for sign in text)


def labels_text(labels: Labels) -> str:
    """``timing 1, order 0``."""
    return ", ".join(f"{axis} {label}" for axis, label in labels.items())
