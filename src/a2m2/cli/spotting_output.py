"""What ``a2m2 spot`` prints and writes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.table import Table

from a2m2.checks import write_text_atomic
from a2m2.cli.tables import console
from a2m2.errors import DecodeError
from a2m2.spotting.elan import elan_document
from a2m2.spotting.outcome import Outcome
from a2m2.spotting.subtitles import timestamp, webvtt


@dataclass(frozen=True)
class Places:
    """Files to write for each recording, by kind."""

    elan: dict[Path, Path]
    vtt: dict[Path, Path]
    timeline: dict[Path, Path]

    @classmethod
    def of(
        cls, *, elan: Path | None, vtt: Path | None, timeline: Path | None, videos: Sequence[Path]
    ) -> Places:
        """What was asked for; with several recordings the places are folders.

        Raises:
            ConfigError: a timeline that is neither SVG nor PNG, or recordings that would be written over each other.
        """
        return cls(
            elan=_files(elan, videos, ".eaf"),
            vtt=_files(vtt, videos, ".vtt"),
            timeline=_files(timeline, videos, ".svg", also=".png"),
        )

    def paths(self, *, without: Collection[Path] = ()) -> list[Path]:
        """All of them, but for those of the recordings ``without``."""
        kinds = (self.elan, self.vtt, self.timeline)
        return [path for kind in kinds for video, path in kind.items() if video not in without]

    def write(self, outcomes: Sequence[Outcome]) -> Iterator[str]:
        """Write the files of those recordings that could be read; a line each."""
        from a2m2.report.spotting import write_timeline

        for video, record in outcomes:
            if isinstance(record, DecodeError):
                continue
            if video in self.elan:
                write_text_atomic(self.elan[video], elan_document(record, media=video.resolve().as_uri()))
                yield f"wrote {self.elan[video]}"
            if video in self.vtt:
                write_text_atomic(self.vtt[video], webvtt(record))
                yield f"wrote {self.vtt[video]}"
            if video in self.timeline:
                write_timeline(self.timeline[video], record)
                yield f"wrote {self.timeline[video]}"


def _files(
    place: Path | None, videos: Sequence[Path], suffix: str, *, also: str | None = None
) -> dict[Path, Path]:
    from a2m2.errors import ConfigError

    if place is None:
        return {}
    if len(videos) > 1:
        files = {video: place / f"{video.stem}{suffix}" for video in videos}
        if len(set(files.values())) < len(files):
            raise ConfigError(f"two recordings would be written to one file in {place}; give them apart")
        return files
    if place.suffix.lower() not in {suffix, also}:
        expected = suffix if also is None else f"{suffix} or {also}"
        raise ConfigError(f"expected a file that ends in {expected}, got {place}; rename it")
    return {videos[0]: place}


def print_segments(outcomes: Sequence[Outcome]) -> None:
    """A row a segment, and a line about each recording."""
    for video, record in outcomes:
        if isinstance(record, DecodeError):
            continue
        found = len(record.segments)
        typer.echo(
            f"{video}: {found} segment{'' if found == 1 else 's'} in {timestamp(record.read_seconds)}, "
            f"{record.num_windows} windows"
        )
        if not found:
            continue
        table = Table()
        for column, justify in (
            ("start", "right"),
            ("end", "right"),
            ("class", "left"),
            ("probability", "right"),
        ):
            table.add_column(column, justify=justify)  # type: ignore[arg-type]
        table.add_column("score", justify="right")
        for segment in record.segments:
            start, end = timestamp(segment.start_seconds), timestamp(segment.end_seconds)
            chance = f"{100 * segment.probability:.0f} %"
            table.add_row(start, end, str(segment.label), chance, f"{segment.score:.2f}")
        console().print(table)


def warnings(outcomes: Sequence[Outcome]) -> list[str]:
    """What went wrong, a line each."""
    lines = []
    for video, record in outcomes:
        if isinstance(record, DecodeError):
            lines.append(f"error: {record}")
        elif record.ending == "damage":
            lines.append(
                f"warning: {video} could be read up to {timestamp(record.read_seconds)} only: {record.damage}; "
                "what comes later was not searched"
            )
        elif record.ending == "interrupt":
            lines.append(
                f"stopped at {timestamp(record.read_seconds)} of {timestamp(record.duration_seconds)} of {video}; "
                "what was found until then is above"
            )
    return lines


def exit_status(outcomes: Sequence[Outcome], *, stopped: bool) -> int:
    """130 after Ctrl-C, 1 when a recording could not be read whole, else 0."""
    if stopped:
        return 130
    return int(any(isinstance(record, DecodeError) or record.ending != "end" for _, record in outcomes))
