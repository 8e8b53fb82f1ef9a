"""Before anything is trained: what is wrong with lists and videos, and the manifest of those that are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from a2m2.checks import output_folder, write_text_atomic
from a2m2.data import DigestCache, EpisodeSampler, default_cache
from a2m2.data.lists import (
    Finding,
    Matches,
    decode_findings,
    disk_findings,
    list_findings,
    write_findings,
)
from a2m2.data.lists.decoding import find_undecodable
from a2m2.data.lists.importing import ManifestRow, add_digests, manifest_text, plan_import
from a2m2.errors import DataError
from a2m2.progress import Progress
from a2m2.reproduce.plan import QUERIES, Reproduction


@dataclass(frozen=True, repr=False)
class Checked:
    """What a check found.

    Attributes:
        faults: of the lists by themselves; they are told, and refuse nothing.
        unusable: videos that are missing, may be several, or cannot be decoded.
        usable: the video of each line, None where it is unusable.
    """

    faults: tuple[Finding, ...]
    unusable: tuple[Finding, ...]
    usable: Matches


def check_videos(job: Reproduction, *, cache: Path | None, num_workers: int, progress: Progress) -> Checked:
    """Judge the lists and decode every video; all findings are written to ``job.findings``.

    The videos of the test split are decoded too, and no more: nothing is computed from their frames. What came out
    is remembered, so a check that was stopped goes on.

    Raises:
        DataError: a video may not be read.
        OutputError: ``job.out`` holds foreign files or cannot be written.
    """
    output_folder(job.out, marker=job.findings.name)
    faults = list_findings(
        job.listed, benchmark=job.benchmark, way=job.recipe.meta.way, shot=max(job.shots), query=QUERIES
    )
    broken = find_undecodable(
        [path for path in job.matches.found if path is not None],
        cache=cache if cache is not None else default_cache(),
        num_workers=num_workers,
        progress=lambda done, total: progress("decoding videos", done, total),
    )
    unusable = (*decode_findings(job.listed, job.matches, broken), *disk_findings(job.listed, job.matches))
    write_findings(job.findings, (*unusable, *faults))
    found = tuple(None if path in broken else path for path in job.matches.found)
    return Checked(faults, unusable, replace(job.matches, found=found))


def import_videos(
    job: Reproduction, checked: Checked, *, cache: Path | None, num_threads: int, progress: Progress
) -> None:
    """Write the manifest of the usable videos, or find the same one.

    Raises:
        DataError: videos are unusable and that is not allowed; a class or a video is in two splits; test classes are
            too small; the manifest in ``job.out`` is of other videos.
        OutputError: the manifest cannot be written.
    """
    if checked.unusable and not job.allow_missing:
        raise _refusal(job, checked.unusable)
    _check_new_classes(checked.faults)
    rows = plan_import(job.listed, checked.usable, allow_missing=True).rows
    _check_test_episodes(rows, job)
    rows = add_digests(
        rows,
        DigestCache(cache if cache is not None else default_cache()),
        num_threads=num_threads,
        progress=lambda done, total: progress("reading videos", done, total),
    )
    text = manifest_text(job.manifest, rows)
    if not job.manifest.is_file():
        write_text_atomic(job.manifest, text)
    elif job.manifest.read_bytes() != text.encode():
        raise DataError(
            f"{job.manifest} is of other videos than are there now; what was trained on them cannot go on with these. "
            "Give the same videos again, or another --out"
        )


def _refusal(job: Reproduction, unusable: Sequence[Finding]) -> DataError:
    """The error that names the first unusable videos."""
    named = "; ".join(f"{', '.join(one.places)}: {one.text}" for one in unusable[:3])
    more = f"; and {len(unusable) - 3:,} more" if len(unusable) > 3 else ""
    return DataError(
        f"{len(unusable):,} of {len(job.listed.videos):,} listed videos cannot be used: {named}{more}. All are in "
        f"{job.findings}; mend them, or leave them out with --allow-missing"
    )


def _check_new_classes(faults: Sequence[Finding]) -> None:
    """Refuse classes of two splits: what is tested, or chosen by, must be new to the network."""
    shared = [fault for fault in faults if fault.kind == "class-in-two-splits"]
    if shared:
        first = shared[0]
        raise DataError(
            f"{len(shared)} classes are in two splits, first {', '.join(first.places)}: {first.text}; give lists whose "
            "splits share no class"
        )


def _check_test_episodes(rows: Sequence[ManifestRow], job: Reproduction) -> None:
    """Refuse test classes that cannot fill an episode now, not after the training."""
    classes = [row.class_name for row in rows if row.split == "test"]
    names = sorted(set(classes))
    place = {name: index for index, name in enumerate(names)}
    EpisodeSampler(
        [place[name] for name in classes],
        class_names=names,
        way=job.recipe.meta.way,
        shot=max(job.shots),
        query=QUERIES,
        seed=0,
    )
