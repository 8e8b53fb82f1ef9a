"""Put the sections together: one HTML page that holds everything it shows.

Studies come first and evaluations next, each with its sections; trainings follow in one section of their own. A
section is a function from what was read to a value (None leaves it out) and a template of the same name that prints
the value. To add one, write the two files and name them in :data:`STUDY_SECTIONS` or :data:`SECTIONS`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import a2m2
from a2m2.checks import write_text_atomic
from a2m2.recognition_records import is_recognition
from a2m2.report.accuracy import accuracy
from a2m2.report.alignment import alignment
from a2m2.report.by_class import by_class
from a2m2.report.confusion import confusion
from a2m2.report.differences import differences
from a2m2.report.inputs import Results, read_results
from a2m2.report.overview import overview, protocol
from a2m2.report.pictures import pictures
from a2m2.report.recognition import Recognitions, read_recognitions, recognition
from a2m2.report.reproduce import reproduce
from a2m2.report.side_by_side import side_by_side
from a2m2.report.study_curves import accuracy_curves
from a2m2.report.study_differences import study_differences, study_growths
from a2m2.report.study_inputs import Study, read_studies
from a2m2.report.study_maps import study_maps
from a2m2.report.study_overview import study_overview
from a2m2.report.study_tables import study_accuracy, study_alignment
from a2m2.report.timings import timings
from a2m2.report.training import describe_trainings
from a2m2.report.training_inputs import Training, read_trainings
from a2m2.report.wording import counted, keep_units, listed
from a2m2.study_records import is_study
from a2m2.train_records import STAGES, is_training

TEMPLATES = Path(__file__).parent
_ANSWERS = "What was recognised, and why"


Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Section(Generic[Subject]):
    """One part of the report about a run or a study.

    Attributes:
        name: of the template (without ``.html``) and of the link.
        title: heading; empty for none.
        build: its subject to a value for the template, None when there is nothing to show.
    """

    name: str
    title: str
    build: Callable[[Subject], object | None]


STUDY_SECTIONS = (
    Section("study_overview", "", study_overview),
    Section("study_curves", "Accuracy along the axes", accuracy_curves),
    Section("study_maps", "Accuracy at a glance", study_maps),
    Section("study_accuracy", "Accuracy in figures", study_accuracy),
    Section("study_growths", "How the lead changes", study_growths),
    Section("study_differences", "Differences", study_differences),
    Section("study_alignment", "Alignment truth", study_alignment),
)
ANSWER_SECTIONS = (Section("recognition", "", recognition),)
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
class Page(Generic[Subject]):
    """A run or a study, what it is called, and those of its sections that have something to show.

    Attributes:
        anchor: name for links.
        name: for people.
        protocol: follows the name; empty for none.
        sections: with their values.
    """

    anchor: str
    name: str
    protocol: str
    sections: tuple[tuple[Section[Subject], object], ...]


def build_report(folders: Sequence[Path], output: Path | None = None) -> Path:
    """Write one self-contained HTML page about evaluations, trainings, studies, explained answers, or several of these.

    The page is made from records alone and asks nothing of the network; the same records give the same bytes.

    Args:
        folders: results folders as ``a2m2 evaluate`` writes them: ``run.json``, ``summary.json`` and
            ``episodes.jsonl``, with ``evidence/`` and ``timings.json`` where there are any; and training folders as
            ``a2m2 pretrain`` and ``a2m2 train`` write them, finished or not: ``train.json`` and ``metrics.jsonl``;
            folders of studies as ``a2m2 ablate`` writes them: ``study.json``; and folders of explained answers as
            ``a2m2 recognize --explain`` writes them: ``recognition.json`` with ``evidence/``.
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
    studied = [folder for folder in folders if is_study(folder)]
    trained = [folder for folder in folders if folder not in studied and is_training(folder)]
    answered = [folder for folder in folders if folder not in studied + trained and is_recognition(folder)]
    evaluated = [folder for folder in folders if folder not in studied + trained + answered]
    studies = read_studies(studied)
    answers = read_recognitions(answered)
    results = read_results(evaluated) if evaluated or not folders else []
    trainings = read_trainings(trained)
    pages = [
        *(_study_page(study, alone=not several) for study in studies),
        *(_answers_page(some) for some in answers),
        *(_run_page(result, alone=not several) for result in results),
    ]
    template = _environment().get_template("page.html")
    return template.render(
        title=_title(studies, answers, results, trainings),
        several=several,
        pages=pages,
        tables=side_by_side(results),
        training=describe_trainings(trainings),
        style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
        version=a2m2.__version__,
    )


def _title(
    studies: Sequence[Study],
    answers: Sequence[Recognitions],
    results: Sequence[Results],
    trainings: Sequence[Training],
) -> str:
    """What the page is about: the one thing it shows, or how many of each kind."""
    kinds = (
        (studies, "study", "studies"),
        (answers, "set of answers", "sets of answers"),
        (results, "evaluation", None),
        (trainings, "training", None),
    )
    counts = [counted(len(members), noun, plural) for members, noun, plural in kinds if members]
    if sum(len(members) for members, _, _ in kinds) > 1:
        return listed(counts) + (" side by side" if len(counts) == 1 else "")
    if answers:
        return _ANSWERS
    if studies:
        return studies[0].record.title
    if results:
        return f"{results[0].run.dataset}, {protocol(results[0].run)}"
    return f"{trainings[0].record.dataset}, training: {STAGES[trainings[0].record.stage]}"


def _study_page(study: Study, *, alone: bool) -> Page[Study]:
    name = study.record.title if alone else f"{study.label}: {study.record.title}"
    return Page(study.anchor, name, "", _built(STUDY_SECTIONS, study))


def _answers_page(answers: Recognitions) -> Page[Recognitions]:
    return Page(answers.anchor, f"{_ANSWERS} ({answers.label})", "", _built(ANSWER_SECTIONS, answers))


def _run_page(results: Results, *, alone: bool) -> Page[Results]:
    name = results.run.dataset if alone else results.label
    return Page(results.anchor, name, protocol(results.run), _built(SECTIONS, results))


def _built(
    sections: Sequence[Section[Subject]], subject: Subject
) -> tuple[tuple[Section[Subject], object], ...]:
    built = [(section, section.build(subject)) for section in sections]
    return tuple((section, view) for section, view in built if view is not None)


@functools.cache
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
