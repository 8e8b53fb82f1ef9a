"""``a2m2 data check`` and ``a2m2 data import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2m2.cli.options import Cache, DryRun
from a2m2.progress import show_progress

if TYPE_CHECKING:
    from a2m2.data.lists import Benchmark, Finding, Matches, VideoList

Root = Annotated[Path, typer.Argument(help="Folder that holds the videos, at any depth.", show_default=False)]
Lists = Annotated[
    list[Path],
    typer.Option("--lists", help="Folder of lists, or one list; repeat for several.", show_default=False),
]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Videos read at a time.")]


def check(
    root: Root,
    lists: Lists,
    benchmark: Annotated[
        str | None,
        typer.Option(
            help="ssv2-full, ssv2-small, kinetics-100, ucf-101 or hmdb-51; recognised when not given.",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            help="Lists of another benchmark, to find videos of both; a folder or file.", show_default=False
        ),
    ] = None,
    way: Annotated[int, typer.Option(min=2, help="Classes an episode.")] = 5,
    shot: Annotated[int, typer.Option(min=1, help="Labelled videos a class.")] = 5,
    query: Annotated[int, typer.Option(min=1, help="Videos to recognise a class.")] = 1,
    decode: Annotated[bool, typer.Option("--decode", help="Also decode every video; resumable.")] = False,
    workers: Workers = 2,
    cache: Cache = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 1 on any finding.")] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Kind of finding that --strict lets pass, such as local-class-index; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File for all findings, one a line.", show_default=False),
    ] = None,
) -> None:
    """Say what is wrong with published lists and a folder of videos.

    Counts come first, beside the published ones, then findings by kind: missing videos, repeated lines, one video in
    two splits, a validation list that is the test list, classes too small, and others, each with file and line.

    Examples:

        a2m2 data check videos --lists splits/ssv2_full

        a2m2 data check videos --lists train.txt --lists val.txt --lists test.txt --decode --workers 8

        a2m2 data check videos --lists splits/ssv2_full --against splits/ssv2_small --strict --allow local-class-index

        a2m2 data check videos --lists splits/ucf101 --shot 5 --query 5 --json
    """
    from a2m2.cli import data_output as output
    from a2m2.data.lists import (
        against_findings,
        disk_findings,
        list_findings,
        match_videos,
        read_lists,
        write_findings,
    )

    passed = output.kinds(allow or [])
    listed = read_lists(lists)
    known, reason = _benchmark(listed, benchmark)
    if not as_json:
        output.print_lists(listed, known, reason)
    findings = [*list_findings(listed, benchmark=known, way=way, shot=shot, query=query)]
    if against:
        other = read_lists(against)
        other_known, _ = _benchmark(other, None)
        findings += against_findings(listed, other, benchmark=known, other_benchmark=other_known)
    matches = match_videos(listed, root)
    findings += disk_findings(listed, matches)
    if decode:
        findings += _undecodable(listed, matches, cache, workers)
    if as_json:
        output.print_json(listed, known, reason, matches, findings, decoded=decode)
    else:
        output.print_matches(matches, decoded=decode)
        output.print_findings(findings)
    if out is not None:
        write_findings(out, findings)
    if strict and any(finding.kind not in passed for finding in findings):
        raise typer.Exit(1)


def import_lists(
    root: Root,
    lists: Lists,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Manifest to write, NAME.csv.", show_default=False)
    ],
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave out videos without a single file.")
    ] = False,
    digest: Annotated[
        bool, typer.Option("--digest/--no-digest", help="Name the content of each video; resumable.")
    ] = True,
    workers: Workers = 4,
    cache: Cache = None,
    dry_run: DryRun = False,
) -> None:
    """Write one manifest (path,class,split,source,digest) of the videos in published lists.

    The manifest is read wherever a data set is: a2m2 evaluate --data manifest.csv. A line that repeats another is
    dropped and said; a video in two splits is an error.

    Examples:

        a2m2 data import videos --lists splits/ssv2_full --out ssv2_full.csv

        a2m2 data import videos --lists splits/kinetics100 --out kinetics.csv --allow-missing --no-digest

        a2m2 data import videos --lists splits/ucf101 --out ucf101.csv --dry-run
    """
    from a2m2.data import DigestCache, default_cache
    from a2m2.data.lists import match_videos, read_lists
    from a2m2.data.lists.importing import add_digests, check_manifest_name, plan_import, write_manifest

    check_manifest_name(out)
    listed = read_lists(lists)
    plan = plan_import(listed, match_videos(listed, root), allow_missing=allow_missing)
    for lines, what in ((plan.duplicates, "repeated lines dropped"), (plan.left_out, "videos left out")):
        if lines:
            typer.echo(f"{len(lines):,} {what}, first {lines[0].place}: {lines[0].path}")
    if dry_run:
        typer.echo(f"would write {len(plan.rows):,} videos to {out}")
        return
    rows = plan.rows
    if digest:
        with show_progress() as progress:
            rows = add_digests(
                rows,
                DigestCache(cache or default_cache()),
                num_threads=workers,
                progress=lambda done, total: progress("reading videos", done, total),
            )
    write_manifest(out, rows)
    typer.echo(f"{out}: {len(rows):,} videos; look at it with: a2m2 info {out}")


def _benchmark(listed: VideoList, name: str | None) -> tuple[Benchmark | None, str]:
    """The benchmark called ``name``, or the one that the lists are of."""
    from a2m2.data.lists import find_benchmark, recognise_benchmark

    if name is None:
        return recognise_benchmark(listed)
    return find_benchmark(name), "as asked"


def _undecodable(
    listed: VideoList, matches: Matches, cache: Path | None, workers: int
) -> tuple[Finding, ...]:
    from a2m2.data import default_cache
    from a2m2.data.lists import decode_findings
    from a2m2.data.lists.decoding import find_undecodable

    with show_progress() as progress:
        faults = find_undecodable(
            [path for path in matches.found if path is not None],
            cache=cache or default_cache(),
            num_workers=workers,
            progress=lambda done, total: progress("decoding videos", done, total),
        )
    return decode_findings(listed, matches, faults)
