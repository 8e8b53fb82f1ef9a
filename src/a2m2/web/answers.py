"""What came of a clip that was asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from a2m2.progress import Progress
from a2m2.recognize import Explanation, Recognizer
from a2m2.recognize.tabular import Answer
from a2m2.web.layout import plan_layout
from a2m2.web.recordings import RecordingAnswer, recording_detail, recording_summary
from a2m2.web.refusals import Refusal

Side = Literal["query", "support"]


@dataclass(frozen=True)
class ClipAnswer:
    """One answered clip.

    Attributes:
        key: names it in addresses.
        calibrated: whether probabilities and "unknown" were calibrated on the enrolled clips.
        explanation: the answer and its reasons.
    """

    key: str
    calibrated: bool
    explanation: Explanation

    @property
    def name(self) -> str:
        """What its owner calls the clip."""
        return self.explanation.recognition.clip

    def thumbnail(self, side: Side, index: int) -> bytes:
        """One frame of a strip as JPEG.

        Raises:
            Refusal: there is no such frame.
        """
        evidence = self.explanation.evidence
        names = (evidence.query if side == "query" else evidence.support).thumbnails
        if not 0 <= index < len(names):
            raise Refusal("there is no such picture", status=404)
        return self.explanation.thumbnails[names[index]]


WebAnswer = ClipAnswer | RecordingAnswer


def answer_clip(recognizer: Recognizer, path: Path, *, key: str, name: str, progress: Progress) -> ClipAnswer:
    """Recognise one clip, with reasons.

    Raises:
        DecodeError: it cannot be decoded.
    """
    progress("recognising", 0, 1)
    explanation = recognizer.explain(path, name=name)
    return ClipAnswer(key, recognizer.report_.calibrated, explanation)


def answer_summary(answer: WebAnswer) -> dict[str, Any]:
    """The answer for the page's list."""
    if isinstance(answer, RecordingAnswer):
        return recording_summary(answer)
    recognition = answer.explanation.recognition
    return {
        "kind": "clip",
        "key": answer.key,
        "name": recognition.clip,
        "label": str(recognition.label),
        "refused": recognition.refused,
        "calibrated": answer.calibrated,
        "ranked": [
            {"label": str(entry.label), "probability": entry.probability, "score": entry.score}
            for entry in recognition.ranked
        ],
    }


def answer_detail(answer: WebAnswer) -> dict[str, Any]:
    """The answer with its timeline, or with the plan and where its pictures are."""
    if isinstance(answer, RecordingAnswer):
        return recording_detail(answer)
    layout = plan_layout(answer.explanation.evidence)
    for side in ("query", "support"):
        frames = range(len(layout[side]["frame_seconds"]))
        layout[side]["pictures"] = [f"api/answers/{answer.key}/{side}/{index}" for index in frames]
    return {**answer_summary(answer), "plan": layout}


def as_rows(answers: Sequence[WebAnswer]) -> list[Answer]:
    """The answered clips as :mod:`a2m2.recognize.tabular` writes them."""
    clips = [answer for answer in answers if isinstance(answer, ClipAnswer)]
    return [(answer.name, answer.explanation.recognition) for answer in clips]
