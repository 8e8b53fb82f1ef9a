"""Put the sections together: one HTML page that holds everything it shows.

Evaluations come first, each with its sections; trainings follow in one section of their own. A section of an
evaluation is a function from its results to a value (None leaves it out) and a template of the same name that
prints the value. To add one, write the two files and name them in :data:`SECTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import a2m2
from a2m2.checks import write_text_atomic
from a2m2.report.accuracy import accuracy
from a2m2.report.alignment import alignment
from a2m2.report.by_class import by_class
from a2m2.report.confusion import confusion
from a2m2.report.differences import differences
from a2m2.report.inputs import Results, read_results
from a2m2.report.overview import overview, protocol
from a2m2.report.pictures import pictures
from a2m2.report.reproduce import reproduce
from a2m2.report.side_by_side import side_by_side
from a2m2.report.timings import timings
from a2m2.report.training import describe_trainings
from a2m2.report.training_inputs import Training, read_trainings
from a2m2.report.wording import counted, keep_units, listed
from a2m2.train_records import STAGES, is_training

TEMPLATES = Path(__file__).parent


@dataclass(frozen=True)
class Section:
    """One part of a run's report.

    Attributes:
        name: of the template (without ``.html``) and of the link.
        title: heading; empty for none.
        build: value of a run's results for the template, None when the run has nothing to show.
    """

    name: str
    title: str
    build: Callable[[Results], object | None]


SECTIONS = (
    Section("overview", "", overview),
    Section("accuracy", "Accuracy", accuracy),
    Section("differences", "Paired differences", differences),
    Section("pictures", "Alignment in pictures", pictures),
    Section("alignment", "Alignment against the truth", alignment),
    Section("by_class", "Accuracy by class", by_class),
    Section("confusion", "Confusions", confusion),
    Section("reproduce", "Reproduce", reproduce),
    Section("timings", "Timings", timings),
)


@dataclass(frozen=True)
class RunPage:
    """A run, what it is called, and those of its sections that have something to show."""

    results: Results
    name: str
    protocol: str
    sections: tuple[tuple[Section, object], ...]


def build_report(folders: Sequence[Path], output: Path | None = None) -> Path:
    """Write one self-contained HTML page about evaluations, trainings, or both.

    The page is made from records alone and asks nothing of the network; the same records give the same bytes.

    Args:
        folders: results folders as ``a2m2 evaluate`` writes them: ``run.json``, ``summary.json`` and
            ``episodes.jsonl``, with ``evidence/`` and ``timings.json`` where there are any; and training folders as
            ``a2m2 pretrain`` and ``a2m2 train`` write them, finished or not: ``train.json`` and ``metrics.jsonl``.
        output: file to write, whole or not at all; ``report.html`` in the first folder when None.

    Returns:
        The file written.

    Raises:
        RecordError: a folder that is incomplete or damaged; the file and the cure are named.
        OutputError: the page cannot be written.
    """
    page = render([Path(folder) for folder in folders])
    path = Path(folders[0]) / "report.html" if output is None else Path(output)
    write_text_atomic(path, page)
    return path


def render(folders: Sequence[Path]) -> str:
    """The page as text."""
    several = len(folders) > 1
    trained = [folder for folder in folders if is_training(folder)]
    evaluated = [folder for folder in folders if folder not in trained]
    results = read_results(evaluated) if evaluated or not trained else []
    runs = [_run_page(result, alone=not several) for result in results]
    trainings = read_trainings(trained)
    template = _environment().get_template("page.html")
    return template.render(
        title=_title(runs, trainings),
        several=several,
        runs=runs,
        tables=side_by_side([run.results for run in runs]),
        training=describe_trainings(trainings),
        style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
        version=a2m2.__version__,
    )


def _title(runs: Sequence[RunPage], trainings: Sequence[Training]) -> str:
    """What the page is about: the one thing it shows, or how many of each kind."""
    counts = [
        counted(len(members), noun)
        for members, noun in ((runs, "evaluation"), (trainings, "training"))
        if members
    ]
    if len(runs) + len(trainings) > 1:
        return listed(counts) + (" side by side" if len(counts) == 1 else "")
    if runs:
        return f"{runs[0].name}, {runs[0].protocol}"
    return f"{trainings[0].record.dataset}, training: {STAGES[trainings[0].record.stage]}"


def _run_page(results: Results, *, alone: bool) -> RunPage:
    built = [(section, section.build(results)) for section in SECTIONS]
    return RunPage(
        results=results,
        name=results.run.dataset if alone else results.label,
        protocol=protocol(results.run),
        sections=tuple((section, view) for section, view in built if view is not None),
    )


def _environment() -> Environment:
    """Templates that escape every value and refuse a name that does not exist."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["units"] = keep_units
    return environment
