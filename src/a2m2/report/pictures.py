"""Section: alignment pictures, drawn from the evidence records and the thumbnails beside them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from PIL import Image, UnidentifiedImageError

from a2m2.errors import RecordError
from a2m2.records import EvidenceRecord, FilmStrip
from a2m2.report.inputs import AGAIN, Evidence, Results
from a2m2.report.links import Group, Link, find_links
from a2m2.report.strips import Thumbnail, draw_alignment
from a2m2.report.wording import percent

LONGEST_SIDE = 320
"""Thumbnails larger than this, in pixels, are made smaller before they are embedded."""
NUM_HUES = 10
NUM_LISTED = 8
NUM_OPEN = 6
MOST_GROUPS = 6


@dataclass(frozen=True)
class Choice:
    """One button that leaves only the links of a group, named by its number."""

    group: int
    label: str
    mass: str


@dataclass(frozen=True)
class ListedLink:
    """One of the heaviest links, in words."""

    mass: str
    similarity: str
    query: str
    support: str
    sub_action: str


@dataclass(frozen=True)
class Picture:
    """One record: who was compared with whom, what came out, and the drawing.

    Where nobody knows what the query shows, ``known`` is False and nothing is right or wrong.
    """

    method: str
    episode: int
    query: FilmStrip
    support: FilmStrip
    predicted: str
    known: bool
    right: bool
    same_class: bool
    score: str
    extra: tuple[tuple[str, str], ...]
    drawing: Markup
    choices: tuple[Choice, ...]
    listed: tuple[ListedLink, ...]
    remark: str


@dataclass(frozen=True)
class Pictures:
    """All pictures of a run in the order of its files; those past the first few are folded away."""

    first: tuple[Picture, ...]
    folded: tuple[Picture, ...]
    truth_known: bool


def pictures(results: Results) -> Pictures | None:
    """Pictures of one run; None when it kept no evidence."""
    drawn = [draw_picture(evidence) for evidence in results.evidence]
    if not drawn:
        return None
    return Pictures(
        first=tuple(drawn[:NUM_OPEN]),
        folded=tuple(drawn[NUM_OPEN:]),
        truth_known=any(picture.query.truth and picture.support.truth for picture in drawn),
    )


def draw_picture(evidence: Evidence) -> Picture:
    """The picture of one record."""
    record = evidence.record
    links, groups = find_links(record)
    thumbnails = (
        read_thumbnails(evidence.path.parent, record.query.thumbnails),
        read_thumbnails(evidence.path.parent, record.support.thumbnails),
    )
    return Picture(
        method=record.method,
        episode=record.episode,
        query=record.query,
        support=record.support,
        predicted=record.predicted,
        known=bool(record.query.class_name),
        right=record.predicted == record.query.class_name,
        same_class=record.support.class_name == record.query.class_name,
        score=f"{record.score:.2f}",
        extra=tuple((name.replace("_", " "), f"{value:.3g}") for name, value in record.extra.items()),
        drawing=draw_alignment(record, links, thumbnails, _hues(record)),
        choices=_choices(groups),
        listed=tuple(_listed(link, record) for link in reversed(links[-NUM_LISTED:])),
        remark=_remark(record, links),
    )


def _hues(record: EvidenceRecord) -> dict[str, int]:
    """A colour for each sub-action, the same in both strips."""
    names = dict.fromkeys(span.name for strip in (record.query, record.support) for span in strip.truth)
    return {name: i % NUM_HUES for i, name in enumerate(names)}


def _choices(groups: Sequence[Group]) -> tuple[Choice, ...]:
    """Buttons for the groups that carry mass; none where there is nothing to choose."""
    if len(groups) > MOST_GROUPS or sum(group.mass > 0 for group in groups) < 2:
        return ()
    return tuple(
        Choice(i, group.label, f"{percent(group.mass, 0)} %")
        for i, group in enumerate(groups)
        if group.mass >= 0.005
    )


def _listed(link: Link, record: EvidenceRecord) -> ListedLink:
    def seconds(strip: FilmStrip, i: int) -> str:
        return f"{strip.spans[i][0]:.2f}–{strip.spans[i][1]:.2f} s"

    return ListedLink(
        mass=percent(link.mass),
        similarity=f"{link.similarity:.2f}",
        query=seconds(record.query, link.query),
        support=seconds(record.support, link.support),
        sub_action=link.sub_action or "",
    )


def _remark(record: EvidenceRecord, links: Sequence[Link]) -> str:
    """What the picture leaves out, if that is more than a trace."""
    total = sum(map(sum, record.plan))
    drawn = sum(link.mass for link in links)
    remarks = []
    if total < 0.995:
        remarks.append(
            f"This support receives {percent(total)} % of the query's mass; "
            "the rest goes to other supports of its class."
        )
    if drawn < total - 0.01:
        remarks.append(
            f"The links drawn carry {percent(drawn)} % of the mass, all others less than the thinnest."
        )
    return " ".join(remarks)


def read_thumbnails(folder: Path, names: Sequence[str]) -> list[Thumbnail]:
    """The JPEG files ``names`` of ``folder``, ready to embed.

    Raises:
        RecordError: a name that leads out of the folder, a missing file, or one that is no JPEG.
    """
    return [_read_thumbnail(folder, name) for name in names]


def _read_thumbnail(folder: Path, name: str) -> Thumbnail:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise RecordError(f"{folder} names the thumbnail {name}, which lies outside it; {AGAIN}")
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            if max(image.size) > LONGEST_SIDE:
                image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
                smaller = io.BytesIO()
                image.convert("RGB").save(smaller, "JPEG", quality=80)
                content = smaller.getvalue()
            width, height = image.size
    except FileNotFoundError:
        raise RecordError(f"{path} is missing, a thumbnail that a record names; {AGAIN}") from None
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise RecordError(f"{path} is not a JPEG image; {AGAIN}") from None
    except OSError as error:
        raise RecordError(f"{path} cannot be read ({error}); {AGAIN}") from None
    return Thumbnail(f"data:image/jpeg;base64,{base64.b64encode(content).decode()}", width, height)
