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
from a2m2.web.refusals import Refusal

Side = Literal["query", "support"]


@dataclass(frozen=True)
class WebAnswer:
    """One answered clip.

    Attributes:
        key: names it in addresses.
        calibrated: whether probabilities and "unknown" were calibrated on the enrolled clips.
        explanation: the answer and its reasons.
    """

    key: str
    calibrated: bool
    explanation: Explanation

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


def answer_clip(recognizer: Recognizer, path: Path, *, key: str, name: str, progress: Progress) -> WebAnswer:
    """Recognise one clip, with reasons.

    Raises:
        DecodeError: it cannot be decoded.
    """
    progress("recognising", 0, 1)
    explanation = recognizer.explain(path, name=name)
    return WebAnswer(key, recognizer.report_.calibrated, explanation)


def answer_summary(answer: WebAnswer) -> dict[str, Any]:
    """The answer for the page's list."""
    recognition = answer.explanation.recognition
    return {
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
    """The answer with the plan and where its pictures are."""
    layout = plan_layout(answer.explanation.evidence)
    for side in ("query", "support"):
        frames = range(len(layout[side]["frame_seconds"]))
        layout[side]["pictures"] = [f"api/answers/{answer.key}/{side}/{index}" for index in frames]
    return {**answer_summary(answer), "plan": layout}


def as_rows(answers: Sequence[WebAnswer]) -> list[Answer]:
    """The answers as :mod:`a2m2.recognize.tabular` writes them."""
    return [(answer.explanation.recognition.clip, answer.explanation.recognition) for answer in answers]
