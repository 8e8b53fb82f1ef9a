"""What a recogniser answers: plain values, and the folder of explained answers, readable without torch.

A folder of explained answers holds::

    recognition.json    the answers (RecognitionRecord)
    evidence/*.json     the reasons for each, in the same order (EvidenceRecord), with thumbnails beside them
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from a2m2.errors import RecordError
from a2m2.reading import of_schema, parse_json, read_record, typed

SCHEMA = 1
RECORD = "recognition.json"
"""The file that makes a folder one of explained answers."""
AGAIN = "recognise again with 'a2m2 recognize --explain'"

Label = str | int

UNKNOWN = "unknown"
"""The answer for a clip that resembles no enrolled class enough."""


@dataclass(frozen=True)
class ScoredClass:
    """One enrolled class as the answer for a clip.

    Attributes:
        label: the class.
        score: τ · (1 − EMD), the mean over the class's clips; larger is more alike.
        probability: that it is this class, given that it is one of those enrolled.
    """

    label: Label
    score: float
    probability: float


@dataclass(frozen=True)
class Recognition:
    """The answer for one clip.

    Attributes:
        clip: its name.
        label: the best class, or :data:`UNKNOWN`.
        ranked: all classes, best first.
    """

    clip: str
    label: Label
    ranked: tuple[ScoredClass, ...]

    @property
    def refused(self) -> bool:
        """Whether the clip was taken for something that is not enrolled."""
        return self.label == UNKNOWN


@dataclass(frozen=True)
class RecognitionRecord:
    """The answers of one recogniser, each with its reasons beside it.

    Attributes:
        classes: the enrolled classes, sorted, as text.
        supports: number of enrolled clips.
        calibrated: whether probabilities and threshold were calibrated on them.
        answers: one a clip.
    """

    classes: tuple[str, ...]
    supports: int
    calibrated: bool
    answers: tuple[Recognition, ...]
    schema: int = SCHEMA

    def to_json(self) -> str:
        """Indented JSON."""
        return json.dumps(asdict(self), indent=1, allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> RecognitionRecord:
        """Inverse of :meth:`to_json`; refuses records of another schema."""
        raw = of_schema(parse_json(text), SCHEMA, error=RecordError, cure=AGAIN)
        return typed(cls, raw)


def is_recognition(folder: Path) -> bool:
    """Whether ``folder`` is one of explained answers."""
    return (folder / RECORD).is_file()


def read_recognition(folder: Path) -> RecognitionRecord:
    """The ``recognition.json`` of a folder.

    Raises:
        RecordError: missing or damaged.
    """
    missing = f"{folder} holds no {RECORD}; expected a folder of 'a2m2 recognize --explain'"
    return read_record(
        folder / RECORD, RecognitionRecord.from_json, error=RecordError, missing=missing, cure=AGAIN
    )
