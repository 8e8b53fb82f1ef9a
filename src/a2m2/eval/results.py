"""The results folder: it appears whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from a2m2.checks import output_folder, write_failure
from a2m2.eval.stats import Summary
from a2m2.records import EpisodeRecord, RunRecord

MARKER = "run.json"
"""The file that makes a folder a results folder."""


@contextlib.contextmanager
def results_folder(out: Path, *, marker: str = MARKER) -> Iterator[Path]:
    """A temporary folder to write results into; it takes the place of ``out`` when the block ends well.

    An earlier results folder at ``out``, one with a file named ``marker``, is replaced; anything else there is refused.
    When the block fails or is interrupted, ``out`` is left as it was.

    Raises:
        OutputError: ``out`` is a file, holds foreign files, or cannot be written.
    """
    existed = out.exists()
    out = output_folder(out, marker=marker)
    work = out.parent / f".{out.name}.{secrets.token_hex(4)}"
    try:
        work.mkdir()
        yield work
        old = work.with_name(f"{work.name}.old")
        os.replace(out, old)
        os.replace(work, out)
        shutil.rmtree(old)
    except BaseException as error:
        shutil.rmtree(work, ignore_errors=True)
        if not existed:
            with contextlib.suppress(OSError):
                out.rmdir()
        if isinstance(error, OSError):
            raise write_failure(out, error) from error
        raise


def write_records(folder: Path, run: RunRecord, records: Iterable[EpisodeRecord], summary: Summary) -> None:
    """Write ``run.json``, ``episodes.jsonl`` and ``summary.json``."""
    with (folder / "episodes.jsonl").open("w", encoding="utf-8", newline="\n") as lines:
        lines.writelines(f"{record.to_line()}\n" for record in records)
    (folder / "summary.json").write_text(f"{summary.to_json()}\n", encoding="utf-8", newline="\n")
    (folder / MARKER).write_text(f"{run.to_json()}\n", encoding="utf-8", newline="\n")
