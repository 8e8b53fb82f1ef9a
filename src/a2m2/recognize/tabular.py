"""Answers as JSON and as CSV, for other programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from a2m2.errors import DecodeError
from a2m2.recognition_records import Recognition

Answer = tuple[str, Recognition | DecodeError]
"""What the clip is called, and what came of it."""


def as_json(answers: Sequence[Answer], *, top: int) -> str:
    """A list with an object a clip."""
    return json.dumps(
        [_as_object(name, answer, top) for name, answer in answers], indent=1, ensure_ascii=False
    )


def as_csv(answers: Sequence[Answer], *, top: int) -> str:
    """A header and a line a clip."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ranks = [f"{what}_{rank}" for rank in range(1, top + 1) for what in ("class", "probability", "score")]
    writer.writerow(["clip", "answer", "error", *ranks])
    for name, answer in answers:
        if isinstance(answer, DecodeError):
            writer.writerow([name, "", f"{answer.cause}; {answer.cure}", *[""] * len(ranks)])
            continue
        cells = [
            cell
            for entry in answer.ranked[:top]
            for cell in (entry.label, f"{entry.probability:.4f}", f"{entry.score:.4f}")
        ]
        writer.writerow([name, answer.label, "", *cells, *[""] * (len(ranks) - len(cells))])
    return text.getvalue().rstrip("\n")


def _as_object(name: str, answer: Recognition | DecodeError, top: int) -> dict[str, Any]:
    if isinstance(answer, DecodeError):
        return {"clip": name, "answer": None, "error": f"{answer.cause}; {answer.cure}", "ranked": []}
    ranked = [
        {"class": entry.label, "probability": round(entry.probability, 6), "score": round(entry.score, 6)}
        for entry in answer.ranked[:top]
    ]
    return {"clip": name, "answer": answer.label, "error": None, "ranked": ranked}
