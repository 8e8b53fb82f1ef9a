"""What other programs read: ELAN's XML, WebVTT, and the times in both."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from a2m2.report.spotting import write_timeline
from a2m2.spotting.elan import elan_document
from a2m2.spotting.subtitles import timestamp, webvtt
from a2m2.spotting_records import Curve, Segment, SpottingRecord

RECORD = SpottingRecord(
    video="match.mp4",
    duration_seconds=7300.0,
    read_seconds=7200.0,
    ending="damage",
    damage="it is damaged near frame 7; copy it again",
    classes=("a < b & c", "kick", "serve $1"),
    threshold=2.0,
    num_windows=4,
    segments=(
        Segment("kick", 0.5, 2.0, 4.0, 0.876),
        Segment("a < b & c", 2.0, 3.25, 3.0, 0.5),
        Segment("kick", 3661.0015, 3662.9999, 5.0, 1.0),
    ),
    curve=Curve((1.0, 2.0), ((1.0, None), (2.0, 3.0), (None, None))),
)


def test_elan_reads_the_same_times_and_classes() -> None:
    root = ET.fromstring(elan_document(RECORD, media="file:///videos/match.mp4"))
    assert root.tag == "ANNOTATION_DOCUMENT"
    slots = {
        slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE", ""))
        for slot in root.findall("TIME_ORDER/TIME_SLOT")
    }
    assert list(slots.values()) == sorted(set(slots.values()))
    assert [tier.get("TIER_ID") for tier in root.findall("TIER")] == list(RECORD.classes)
    found = []
    for tier in root.findall("TIER"):
        for one in tier.findall("ANNOTATION/ALIGNABLE_ANNOTATION"):
            assert one.findtext("ANNOTATION_VALUE") == tier.get("TIER_ID")
            found.append(
                (tier.get("TIER_ID"), slots[one.get("TIME_SLOT_REF1")], slots[one.get("TIME_SLOT_REF2")])
            )
    assert sorted(found) == [("a < b & c", 2000, 3250), ("kick", 500, 2000), ("kick", 3661002, 3663000)]
    names = [one.get("ANNOTATION_ID") for one in root.iter("ALIGNABLE_ANNOTATION")]
    assert len(set(names)) == 3
    types = {one.get("LINGUISTIC_TYPE_ID") for one in root.findall("LINGUISTIC_TYPE")}
    assert {tier.get("LINGUISTIC_TYPE_REF") for tier in root.findall("TIER")} == types
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    assert media is not None
    assert media.get("MEDIA_URL") == "file:///videos/match.mp4"


def test_webvtt_cues() -> None:
    header, *cues = webvtt(RECORD).split("\n\n")
    assert header == "WEBVTT"
    assert cues[0] == "1\n00:00:00.500 --> 00:00:02.000\nkick 88 %"
    assert cues[1] == "2\n00:00:02.000 --> 00:00:03.250\na &lt; b &amp; c 50 %"
    assert cues[2].startswith("3\n01:01:01.002 --> 01:01:03.000\nkick 100 %")
    assert len(cues) == 3


@pytest.mark.parametrize("milliseconds", [0, 999, 59_999, 60_000, 3_599_999, 3_600_000, 360_000_001])
def test_timestamps_read_back(milliseconds: int) -> None:
    match = re.fullmatch(r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})", timestamp(milliseconds / 1000))
    assert match is not None
    hours, minutes, seconds, rest = map(int, match.groups())
    assert ((hours * 60 + minutes) * 60 + seconds) * 1000 + rest == milliseconds


def test_a_timeline_is_the_same_picture_every_time(tmp_path: Path) -> None:
    write_timeline(tmp_path / "a.svg", RECORD)
    write_timeline(tmp_path / "b.svg", RECORD)
    picture = (tmp_path / "a.svg").read_bytes()
    assert picture == (tmp_path / "b.svg").read_bytes()
    assert ET.fromstring(picture).tag.endswith("svg")
    write_timeline(tmp_path / "a.png", RECORD)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
