"""Section of a study: what was varied and under which protocol, the large figures, what a reader must know."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from a2m2.report.overview import Headline
from a2m2.report.study_differences import growth_verdict, verdicts_text
from a2m2.report.study_inputs import Study
from a2m2.report.study_places import place_text
from a2m2.report.study_text import protocols
from a2m2.report.wording import count, counted, digits_for, listed, percent
from a2m2.study_records import StudyRecord


@dataclass(frozen=True)
class StudyOverview:
    """The opening of a study.

    Attributes:
        sentence: what was done.
        covers: what the intervals mean.
        headlines: large figures.
        notes: what a reader must know.
        facts: axes and their levels, repeats, reference.
        methods: name and description.
        grid: as it was read, as YAML.
    """

    sentence: str
    headlines: tuple[Headline, ...]
    notes: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    methods: tuple[tuple[str, str], ...]
    grid: str


def study_overview(study: Study) -> StudyOverview:
    """Opening of one study."""
    record = study.record
    return StudyOverview(
        sentence=_sentence(record),
        headlines=tuple(_headlines(record)),
        notes=record.notes,
        facts=tuple(_facts(record)),
        methods=tuple(record.methods.items()),
        grid=yaml.safe_dump(record.grid, sort_keys=False, allow_unicode=True, width=100),
    )


def _sentence(record: StudyRecord) -> str:
    varied = [axis for axis in record.varied if len(record.axes[axis]) > 1]
    along = f", varied along {listed(varied)}" if varied else ""
    repeats = f", each repeated {count(len(record.repeats))} times" if len(record.repeats) > 1 else ""
    return (
        f"{counted(len(record.methods), 'method')} at {counted(_places(record), 'place')} of a grid{along}{repeats}. "
        f"Each figure: {protocols(record)}."
    )


def _places(record: StudyRecord) -> int:
    return len({tuple(sorted(figure.labels.items())) for figure in record.figures})


def _headlines(record: StudyRecord) -> list[Headline]:
    best = max(record.figures, key=lambda figure: figure.accuracy)
    digits = digits_for(best.interval95)
    place = place_text(record, best.labels)
    where = f" at {place}" if place else ""
    headlines = [
        Headline(
            "Best accuracy",
            f"{percent(best.accuracy, digits)} %",
            f"± {percent(best.interval95, digits)}, {best.method}{where}",
        )
    ]
    growths = [one for one in record.differences if one.kind == "growth"]
    if growths:
        others = [one for one in growths if growth_verdict(one) != "grows"]
        headlines.append(
            Headline(
                f"Leads of {record.reference} that grow",
                f"{len(growths) - len(others)} of {len(growths)}",
                verdicts_text(others),
            )
        )
    cells = {cell for figure in record.figures for cell in figure.cells}
    headlines.append(
        Headline("Evaluations", count(len(cells)), f"of {counted(len(record.methods), 'method')} each")
    )
    return headlines


def _facts(record: StudyRecord) -> list[tuple[str, str]]:
    facts = [(axis, ", ".join(record.axes[axis])) for axis in record.varied]
    if record.repeat:
        facts.append((f"Repeats ({record.repeat})", ", ".join(record.repeats)))
    return [*facts, ("Compared with", record.reference)]
