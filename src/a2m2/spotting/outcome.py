"""What came of one recording of several."""

from __future__ import annotations

from pathlib import Path

from a2m2.errors import DecodeError
from a2m2.spotting_records import SpottingRecord

Outcome = tuple[Path, SpottingRecord | DecodeError]
"""A recording as it was named, and what was found in it, or why it cannot be read at all."""
