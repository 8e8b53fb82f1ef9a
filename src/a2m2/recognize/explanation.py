"""Why a clip was recognised: the closest enrolled clip, and the plan that aligns the two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from a2m2.checks import write_text_atomic
from a2m2.eval.evidence import best_target, plan_rows
from a2m2.eval.results import results_folder
from a2m2.eval.thumbnails import jpeg_thumbnails
from a2m2.recognition_records import RECORD, Recognition, RecognitionRecord
from a2m2.recognize.enrolled import Enrolled
from a2m2.recognize.supports import SupportClip
from a2m2.records import EvidenceRecord, FilmStrip
from a2m2.structures import Clip, Descriptors, Match


@dataclass(frozen=True)
class Explanation:
    """An answer with its reasons.

    Attributes:
        recognition: the answer, and all classes ranked.
        evidence: the clip against the closest clip of the best class: both film strips with their times in seconds,
            the plan and the cosines. ``query.class_name`` is empty: nobody knows it.
        thumbnails: JPEG files by the names that the film strips give them.
    """

    recognition: Recognition
    evidence: EvidenceRecord
    thumbnails: dict[str, bytes] = field(repr=False)


def write_explanations(folder: str | Path, enrolled: Enrolled, explanations: Sequence[Explanation]) -> None:
    """Write a folder that ``a2m2 report`` draws, whole or not at all; an earlier one is replaced.

    Raises:
        OutputError: ``folder`` holds something else, or cannot be written.
    """
    record = RecognitionRecord(
        classes=tuple(map(str, enrolled.classes)),
        supports=len(enrolled.supports),
        calibrated=enrolled.confidence.calibrated,
        answers=tuple(explanation.recognition for explanation in explanations),
    )
    with results_folder(Path(folder), marker=RECORD) as work:
        evidence = work / "evidence"
        evidence.mkdir()
        for number, explanation in enumerate(explanations):
            for name, picture in explanation.thumbnails.items():
                (evidence / name).write_bytes(picture)
            write_text_atomic(evidence / f"{number:05d}.json", explanation.evidence.to_json())
        write_text_atomic(work / RECORD, record.to_json())


def explain(
    enrolled: Enrolled,
    clip: Clip,
    queries: Descriptors,
    match: Match,
    recognition: Recognition,
    *,
    number: int,
) -> Explanation:
    """The reasons behind a recognition.

    Args:
        enrolled: who answered.
        clip: the frames that were looked at.
        queries: the clip's descriptors, a batch of one.
        match: its scores.
        recognition: the answer.
        number: tells thumbnails of several clips apart.
    """
    assert match.evidence is not None  # the A² matcher always gives its plan
    best = recognition.ranked[0]
    column = best_target(match, 0, enrolled.classes.index(best.label))
    support = enrolled.supports[column]
    query_files = _file_names(f"query{number:03d}", len(clip.frames))
    support_files = _file_names(f"support{column:03d}", len(support.thumbnails))
    evidence = EvidenceRecord(
        method=enrolled.encoder.settings.method,
        episode=number,
        query=_strip(
            recognition.clip,
            "",
            query_files,
            tuple(clip.pts_seconds.tolist()),
            clip.duration_seconds,
            queries,
        ),
        support=_support_strip(support, support_files, enrolled.descriptors[torch.tensor([column])]),
        plan=plan_rows(match.evidence.plan[0, column]),
        similarity=plan_rows(match.evidence.similarity[0, column]),
        score=best.score,
        predicted=str(recognition.label),
        extra={"probability": best.probability},
    )
    pictures = dict(zip(query_files, jpeg_thumbnails(clip), strict=True))
    pictures |= dict(zip(support_files, support.thumbnails, strict=True))
    return Explanation(recognition, evidence, pictures)


def _file_names(prefix: str, number: int) -> tuple[str, ...]:
    return tuple(f"{prefix}_{index:03d}.jpg" for index in range(number))


def _support_strip(support: SupportClip, files: tuple[str, ...], descriptors: Descriptors) -> FilmStrip:
    return _strip(
        support.name,
        str(support.label),
        files,
        support.frame_seconds,
        support.duration_seconds,
        descriptors,
    )


def _strip(
    name: str,
    class_name: str,
    files: tuple[str, ...],
    frame_seconds: tuple[float, ...],
    duration_seconds: float,
    descriptors: Descriptors,
) -> FilmStrip:
    """A film strip; ``descriptors`` holds that clip alone."""
    return FilmStrip(
        video=name,
        class_name=class_name,
        thumbnails=files,
        frame_seconds=tuple(round(seconds, 6) for seconds in frame_seconds),
        duration_seconds=round(duration_seconds, 6),
        spans=tuple((round(start, 6), round(end, 6)) for start, end in descriptors.spans[0].tolist()),
        scale=tuple(descriptors.scale.tolist()),
    )
