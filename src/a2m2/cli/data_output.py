"""What ``a2m2 data check`` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import get_args

import typer
from rich.table import Table

from a2m2.cli.tables import console
from a2m2.data.lists import (
    CASES,
    PUBLISHED,
    Benchmark,
    Finding,
    FindingKind,
    Matches,
    VideoList,
    by_kind,
    count_splits,
)
from a2m2.errors import DataError

_EXAMPLES = 3


def kinds(names: Sequence[str]) -> frozenset[str]:
    """``names`` if all are kinds of findings."""
    for name in names:
        if name not in get_args(FindingKind):
            raise DataError(f"no kind of finding {name!r}; known are {', '.join(get_args(FindingKind))}")
    return frozenset(names)


def print_lists(listed: VideoList, benchmark: Benchmark | None, reason: str) -> None:
    """The counts of a list beside the published ones, then how each file was read."""
    title = f"benchmark: {benchmark or 'none'} ({reason})"
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("split", "classes", "videos", "lines", "smallest class", "published", ""):
        table.add_column(name, justify="left" if name in ("split", "smallest class", "") else "right")
    published = PUBLISHED[benchmark].counts if benchmark else {}
    counts = count_splits(listed)
    for split in dict.fromkeys((*counts, *published)):
        wanted, count = published.get(split), counts.get(split)
        ours = (
            (
                str(count.classes),
                f"{count.videos:,}",
                f"{count.lines:,}",
                f"{count.smallest} ({count.smallest_class})",
            )
            if count
            else ("", "", "no list", "")
        )
        same = count is not None and wanted == (count.classes, count.videos)
        verdict = "" if wanted is None or count is None else "as published" if same else "differs"
        shown = f"{wanted.classes} / {wanted.videos:,}" if wanted else ""
        table.add_row(split or "(none)", *ours, shown, verdict)
    console().print(table)
    if benchmark:
        typer.echo(f"published: classes / videos, split by {PUBLISHED[benchmark].source}")
    for file in listed.files:
        typer.echo(f"{file.path}: {file.num_lines:,} lines of the format {file.format} ({file.reason})")
    for path in listed.passed_over:
        typer.echo(f"{path}: not read, its name says no split")


def print_matches(matches: Matches, *, decoded: bool) -> None:
    """How many lines have a video."""
    matched = sum(path is not None for path in matches.found)
    holds = f"{matches.num_files:,} videos in it" if matches.root.is_dir() else "there is no such folder"
    typer.echo(f"{matches.root}: {matched:,} of {len(matches.found):,} lines have a video ({holds})")
    if not decoded:
        typer.echo("only names were compared; --decode tells whether the videos can be read")


def print_findings(findings: Sequence[Finding], *, all_of_them: str = "--out FILE writes all") -> None:
    """Findings by kind: how many, the published case behind them, the first few, and where all of them are."""
    for kind, group in by_kind(findings).items():
        typer.echo(f"\n{kind}: {len(group):,}\n  known from: {CASES[kind]}")
        for finding in group[:_EXAMPLES]:
            typer.echo(f"  {', '.join(finding.places)}: {finding.text}")
        if len(group) > _EXAMPLES:
            typer.echo(f"  and {len(group) - _EXAMPLES:,} more; {all_of_them}")
    typer.echo(f"\n{len(findings):,} findings" if findings else "\nnothing found")


def print_json(
    listed: VideoList,
    benchmark: Benchmark | None,
    reason: str,
    matches: Matches,
    findings: Sequence[Finding],
    *,
    decoded: bool,
) -> None:
    """All of it for machines."""
    content = {
        "files": [{**asdict(file), "path": str(file.path)} for file in listed.files],
        "passed_over": [str(path) for path in listed.passed_over],
        "benchmark": benchmark,
        "reason": reason,
        "counts": {split: asdict(count) for split, count in count_splits(listed).items()},
        "published": {
            split: count._asdict()
            for split, count in (PUBLISHED[benchmark].counts if benchmark else {}).items()
        },
        "root": str(matches.root),
        "matched": sum(path is not None for path in matches.found),
        "decoded": decoded,
        "findings": [{**asdict(finding), "case": CASES[finding.kind]} for finding in findings],
    }
    typer.echo(json.dumps(content, indent=1, ensure_ascii=False))
