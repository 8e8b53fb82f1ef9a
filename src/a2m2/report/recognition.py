"""Section: what a recogniser answered for some clips, and the closest enrolled clip of each answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from a2m2.recognition_records import (
    AGAIN,
    RECORD,
    Recognition,
    RecognitionRecord,
    read_recognition,
)
from a2m2.report.inputs import Evidence, read_evidences
from a2m2.report.pictures import Picture, draw_picture
from a2m2.report.reading import check_finite, check_shares, labels_of, reading
from a2m2.report.wording import counted, percent

NUM_RANKED = 5
_UNCALIBRATED = "too few clips are enrolled to calibrate probabilities and “unknown”; both rest on defaults."


@dataclass(frozen=True)
class Recognitions:
    """One folder of explained answers, read and checked.

    Attributes:
        anchor: name for links inside the page, unique in it.
        label: name of its folder, unique among those of the page.
        record: the answers.
        evidence: the reasons for each.
    """

    anchor: str
    label: str
    record: RecognitionRecord
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Answer:
    """One clip as the page shows it: what it was taken for, the likeliest classes in words, the alignment."""

    clip: str
    answer: str
    refused: bool
    ranked: tuple[tuple[str, str, str], ...]
    picture: Picture


@dataclass(frozen=True)
class Answers:
    """All answers of a folder."""

    sentence: str
    notes: tuple[str, ...]
    answers: tuple[Answer, ...]


def read_recognitions(folders: Sequence[Path]) -> list[Recognitions]:
    """Read the folders in the order given.

    Raises:
        RecordError: a folder that is incomplete or damaged.
    """
    labelled = zip(folders, labels_of(folders), strict=True)
    return [_read_one(folder, f"answers{i}", label) for i, (folder, label) in enumerate(labelled, 1)]


def recognition(recognitions: Recognitions) -> Answers:
    """The section of one folder."""
    record = recognitions.record
    notes = () if record.calibrated else (_UNCALIBRATED,)
    return Answers(
        sentence=(
            f"{counted(len(record.answers), 'clip')}, recognised from {counted(record.supports, 'enrolled clip')} of "
            f"{counted(len(record.classes), 'class', 'classes')}: {', '.join(record.classes)}."
        ),
        notes=notes,
        answers=tuple(
            _answer(answer, evidence)
            for answer, evidence in zip(record.answers, recognitions.evidence, strict=True)
        ),
    )


def _answer(answer: Recognition, evidence: Evidence) -> Answer:
    return Answer(
        clip=answer.clip,
        answer=str(answer.label),
        refused=answer.refused,
        ranked=tuple(
            (str(entry.label), f"{percent(entry.probability)} %", f"{entry.score:.2f}")
            for entry in answer.ranked[:NUM_RANKED]
        ),
        picture=draw_picture(evidence),
    )


def _read_one(folder: Path, anchor: str, label: str) -> Recognitions:
    with reading(folder / RECORD, AGAIN):
        record = TypeAdapter(RecognitionRecord).validate_python(asdict(read_recognition(folder)))
        evidence = tuple(read_evidences(folder, AGAIN))
        if len(evidence) != len(record.answers) or not evidence:
            raise ValueError(f"{len(record.answers)} answers with {len(evidence)} reasons, expected one each")
        for answer in record.answers:
            if not answer.ranked:
                raise ValueError(f"{answer.clip} has no ranked class")
            check_shares(answer.clip, *(entry.probability for entry in answer.ranked))
            check_finite(answer.clip, *(entry.score for entry in answer.ranked))
    return Recognitions(anchor, label, record, evidence)
