"""Ground truth beside a clip: when its sub-actions happen."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from a2m2.errors import DataError
from a2m2.reading import UnreadableError, parse_json, read_text, shorten
from a2m2.records import SubActionSpan

_CURE = "correct or remove it"


def read_annotation(path: Path | None) -> tuple[SubActionSpan, ...]:
    """The sub-action spans in an annotation file, in the order of the file.

    The file is JSON with a key ``spans``: a list of ``{"name", "start_seconds", "end_seconds"}``. Other keys
    are ignored, and so is a JSON object without ``spans``, since downloaders leave files of the same name.

    Args:
        path: the file, or None when the clip has none (``VideoRecord.annotation``).

    Returns:
        The spans; empty when ``path`` is None, does not exist, or says nothing of spans.

    Raises:
        DataError: the file is not JSON, or its spans are damaged.
    """
    if path is None:
        return ()
    try:
        content = parse_json(read_text(path, error=DataError, what="the annotation ", cure=_CURE))
    except FileNotFoundError:
        return ()
    except UnreadableError as error:
        raise DataError(f"cannot read the annotation {path}: {error}; {_CURE}") from None
    if not isinstance(content, dict):
        raise DataError(
            f"{path}: expected a JSON object with 'spans', got a {type(content).__name__}; correct it"
        )
    spans = content.get("spans", [])
    if not isinstance(spans, list):
        raise DataError(f"{path}: expected 'spans' to be a list, got a {type(spans).__name__}; correct it")
    return tuple(_span(path, number, raw) for number, raw in enumerate(spans, 1))


def _span(path: Path, number: int, raw: Any) -> SubActionSpan:
    where = f"{path}: span {number}"
    if not isinstance(raw, dict) or not {"name", "start_seconds", "end_seconds"} <= raw.keys():
        raise DataError(
            f"{where}: expected name, start_seconds and end_seconds, got {shorten(repr(raw))}; correct it"
        )
    name, start, end = raw["name"], raw["start_seconds"], raw["end_seconds"]
    if not isinstance(name, str) or not name:
        raise DataError(f"{where}: expected a name, got {shorten(repr(name))}; correct it")
    for value in (start, end):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise DataError(f"{where}: expected seconds as numbers, got {shorten(repr(value))}; correct it")
    if not 0 <= start <= end:
        raise DataError(f"{where}: expected 0 <= start <= end, got {start} and {end}; correct it")
    return SubActionSpan(name, float(start), float(end))
