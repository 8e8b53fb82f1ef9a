"""The alignment picture: two film strips one above the other, the plan as links between them, in inline SVG.

From top to bottom: the query's sub-actions, its frames with their times, brackets for its longer windows, the
links, and the same mirrored for the support.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from a2m2.records import EvidenceRecord, FilmStrip, SubActionSpan
from a2m2.report.links import Link
from a2m2.report.svg import element, number, title
from a2m2.report.timeline import WIDTH, Anchor, TimeAxis, place_candidates
from a2m2.report.wording import counted, percent, shortened

FRAME_HEIGHTS = (56.0, 124.0)
LINKS_HEIGHT = 170.0
LANE_HEIGHT = 12.0
TRUTH_HEIGHT = 22.0
TIMES_HEIGHT = 20.0
TIME_WIDTH = 48.0
WIDEST_LINK = 10.0


@dataclass(frozen=True)
class Thumbnail:
    """An image ready to embed, with its size in pixels."""

    data_uri: str
    width: int
    height: int


@dataclass(frozen=True)
class _Side:
    """One strip laid out, from its outer edge inwards: sub-actions, times, frames, brackets.

    Attributes:
        inward: +1 when the links leave downwards (query), −1 upwards (support).
        edge: y of the outer edge.
    """

    strip: FilmStrip
    thumbnails: Sequence[Thumbnail]
    anchors: list[Anchor]
    inward: int
    edge: float = 0.0

    @property
    def truth_height(self) -> float:
        return TRUTH_HEIGHT + 4 if self.strip.truth else 0.0

    @property
    def frame_height(self) -> float:
        """Height of the frames: by the first one's shape, within reason for very wide and very tall video."""
        slot, first = WIDTH / len(self.thumbnails), self.thumbnails[0]
        return min(FRAME_HEIGHTS[1], max(FRAME_HEIGHTS[0], (slot - 2) * first.height / first.width))

    @property
    def to_frames(self) -> float:
        """From the outer edge to where the frames begin."""
        return self.truth_height + TIMES_HEIGHT

    @property
    def height(self) -> float:
        """From the outer edge to where the links have room."""
        num_lanes = max(anchor.lane for anchor in self.anchors)
        return self.to_frames + self.frame_height + LANE_HEIGHT * num_lanes + 4

    def y(self, depth: float) -> float:
        """The y that lies ``depth`` inwards of the outer edge."""
        return self.edge + self.inward * depth

    def top(self, depth: float, height: float) -> float:
        """Upper y of a box of this height whose outer side lies ``depth`` inwards."""
        return min(self.y(depth), self.y(depth + height))

    def lane_y(self, lane: int) -> float:
        """The y at which links of a lane attach."""
        return self.y(self.to_frames + self.frame_height + (LANE_HEIGHT * lane if lane else 2))


def draw_alignment(
    record: EvidenceRecord,
    links: Sequence[Link],
    thumbnails: tuple[Sequence[Thumbnail], Sequence[Thumbnail]],
    hues: dict[str, int],
) -> Markup:
    """The picture of one record.

    Args:
        record: what is drawn.
        links: entries of its plan, lightest first.
        thumbnails: those of the query and of the support, one a frame.
        hues: colour index of each sub-action.
    """
    query = _Side(record.query, thumbnails[0], place_candidates(record.query), 1)
    support = _Side(record.support, thumbnails[1], place_candidates(record.support), -1)
    height = query.height + LINKS_HEIGHT + support.height
    support = replace(support, edge=height)
    label = (
        f"Film strip of {_query_in_words(record.query)} above one of a support "
        f"of {record.support.class_name}, joined by {counted(len(links), 'link')}; a list follows."
    )
    return element(
        "svg",
        _draw_links(links, query, support, hues),
        _draw_side(query, hues),
        _draw_side(support, hues),
        class_="alignment",
        role="img",
        aria_label=label,
        viewBox=f"-2 0 {WIDTH + 4:.0f} {number(height)}",
    )


def _query_in_words(strip: FilmStrip) -> str:
    """A query of some class, or, where nobody knows its class, the video."""
    return f"a query of {strip.class_name}" if strip.class_name else f"the clip {strip.video}"


def _draw_side(side: _Side, hues: dict[str, int]) -> Markup:
    axis = TimeAxis.of(side.strip)
    truth = [_draw_sub_action(side, axis, span, hues[span.name]) for span in side.strip.truth]
    return element("g", *truth, _draw_times(side, axis), _draw_frames(side, axis), _draw_brackets(side))


def _draw_sub_action(side: _Side, axis: TimeAxis, span: SubActionSpan, hue: int) -> Markup:
    left, right = axis.stretch(span.start_seconds, span.end_seconds)
    top = side.top(0, TRUTH_HEIGHT)
    bar = element(
        "rect",
        x=left + 1,
        y=top,
        width=max(right - left - 2, 1.0),
        height=TRUTH_HEIGHT,
        rx=4,
        class_=f"hue{hue}",
    )
    tip = title(f"{span.name}: {span.start_seconds:.2f} to {span.end_seconds:.2f} s")
    # About 7 units a letter at this size: shortened to what fits; two letters would say nothing.
    room = int((right - left - 10) / 7)
    if room < 3:
        return element("g", tip, bar, class_="sub-action")
    text = element("text", shortened(span.name, room), **_centred((left + right) / 2, top + TRUTH_HEIGHT / 2))
    return element("g", tip, bar, text, class_="sub-action")


def _draw_times(side: _Side, axis: TimeAxis) -> Markup:
    every = math.ceil(TIME_WIDTH / axis.slot)
    y = side.y(side.truth_height + TIMES_HEIGHT / 2)
    return element(
        "g",
        *(
            element("text", f"{seconds:.2f} s", **_centred((i + 0.5) * axis.slot, y))
            for i, seconds in enumerate(side.strip.frame_seconds)
            if i % every == 0
        ),
        class_="times",
    )


def _draw_frames(side: _Side, axis: TimeAxis) -> Markup:
    top, height = side.top(side.to_frames, side.frame_height), side.frame_height
    ground = element("rect", x=-2, y=top - 2, width=WIDTH + 4, height=height + 4, rx=6, class_="film")
    images = (
        element(
            "image",
            title(f"{side.strip.video}, {seconds:.2f} s"),
            x=i * axis.slot + 1,
            y=top,
            width=axis.slot - 2,
            height=height,
            href=thumbnail.data_uri,
        )
        for i, (thumbnail, seconds) in enumerate(zip(side.thumbnails, side.strip.frame_seconds, strict=True))
    )
    return element("g", ground, *images)


def _draw_brackets(side: _Side) -> Markup:
    """A bracket a window longer than a frame, its feet towards the frames; alike windows share one."""
    outlines = sorted({(a.lane, a.left, a.right) for a in side.anchors if a.lane})
    paths = []
    for lane, left, right in outlines:
        y = side.lane_y(lane)
        foot = number(y - side.inward * 5)
        d = f"M{number(left + 3)} {foot}V{number(y)}H{number(right - 3)}V{foot}"
        paths.append(element("path", d=d))
    return element("g", *paths, class_="brackets")


def _draw_links(links: Sequence[Link], query: _Side, support: _Side, hues: dict[str, int]) -> Markup:
    """Curves as wide as their mass, coloured like the sub-action they join, grey where they join two."""
    known = bool(query.strip.truth and support.strip.truth)
    heaviest = max((link.mass for link in links), default=1.0)
    drawn = []
    for link in links:
        d = _curve(query, query.anchors[link.query], support, support.anchors[link.support])
        weight = link.mass / heaviest
        kind = f"hue{hues[link.sub_action]}" if link.sub_action is not None else "apart" if known else "plain"
        # The first path is wide and cannot be seen: thin links would be hard to point at.
        drawn.append(
            element(
                "g",
                title(describe_link(link, query.strip, support.strip)),
                element("path", d=d, class_="reach"),
                element(
                    "path", d=d, stroke_width=max(0.8, WIDEST_LINK * weight), opacity=0.25 + 0.55 * weight
                ),
                class_=f"link group{link.group} {kind}",
            )
        )
    return element("g", *drawn)


def _curve(query: _Side, start: Anchor, support: _Side, end: Anchor) -> str:
    """A path that leaves and arrives upright."""
    y1, y2 = query.lane_y(start.lane), support.lane_y(end.lane)
    bend = (y2 - y1) * 0.45
    x1, x2 = number(start.x), number(end.x)
    return f"M{x1} {number(y1)}C{x1} {number(y1 + bend)} {x2} {number(y2 - bend)} {x2} {number(y2)}"


def describe_link(link: Link, query: FilmStrip, support: FilmStrip) -> str:
    """Mass, cosine and seconds of a link, in two lines."""
    a, b = query.spans[link.query], support.spans[link.support]
    same = f", both {link.sub_action}" if link.sub_action is not None else ""
    return (
        f"{percent(link.mass)} % of the mass, cosine {link.similarity:.2f}{same}\n"
        f"query {a[0]:.2f}–{a[1]:.2f} s, support {b[0]:.2f}–{b[1]:.2f} s"
    )


def _centred(x: float, y: float) -> dict[str, str | float]:
    return {"x": x, "y": y, "text_anchor": "middle", "dominant_baseline": "central"}
