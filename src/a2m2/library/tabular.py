"""What a search found as CSV, for other programs."""

from __future__ import annotations

import csv
import io

from a2m2.library_records import SearchRecord


def as_csv(record: SearchRecord) -> str:
    """A header and a line a clip; copies share a rank."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["rank", "clip", "score", "example"])
    for rank, hit in enumerate(record.hits, 1):
        for name in hit.names:
            writer.writerow([rank, name, f"{hit.score:.4f}", "yes" if hit.example else "no"])
    return text.getvalue().rstrip("\n")
