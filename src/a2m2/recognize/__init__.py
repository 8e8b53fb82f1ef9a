"""Recognising actions in your own clips from a few labelled ones, with or without training.

Nothing heavy is imported before :class:`Recognizer` is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from a2m2.recognition_records import UNKNOWN, Recognition, ScoredClass
from a2m2.recognize.report import LeaveOneOut

if TYPE_CHECKING:
    from a2m2.recognize.explanation import Explanation
    from a2m2.recognize.recognizer import Recognizer

__all__ = ["UNKNOWN", "Explanation", "LeaveOneOut", "Recognition", "Recognizer", "ScoredClass"]


def __getattr__(name: str) -> Any:
    if name == "Recognizer":
        from a2m2.recognize.recognizer import Recognizer

        return Recognizer
    if name == "Explanation":
        from a2m2.recognize.explanation import Explanation

        return Explanation
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
