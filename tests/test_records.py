"""Records: they come back as they were written, and damage is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from a2m2.errors import RecordError
from a2m2.records import (
    Episode,
    EpisodeRecord,
    EvidenceRecord,
    FilmStrip,
    RunRecord,
    SubActionSpan,
    episodes_digest,
    read_episodes,
    read_evidence,
    read_run,
)

EPISODE = Episode(3, (1, 0), ((4,), (0,)), ((5, 6), (1, 2)))
RECORD = EpisodeRecord(EPISODE, {"a": (0, 1, 1, 1), "b": (1, 1, 0, 0)})
RUN = RunRecord(
    dataset="clips",
    splits=("test",),
    classes=("jump", "run"),
    videos=("a.mp4", "b.mp4"),
    video_classes=(0, 1),
    way=2,
    shot=1,
    query=2,
    episodes=1,
    seed=0,
    methods={"a": "one", "b": "two"},
    config={"data": "clips"},
    config_digest="c",
    data_digest="d",
    episodes_digest="e",
    weights_digest="w",
    fit="train",
    versions={"python": "3"},
    notes=("x",),
)
STRIP = FilmStrip(
    "a.mp4", "jump", ("t0.jpg",), (0.5,), 1.0, ((0.0, 1.0),), (0,), (SubActionSpan("up", 0.1, 0.4),)
)


def test_an_episode_comes_back() -> None:
    assert EpisodeRecord.from_line(RECORD.to_line()) == RECORD


def test_right_answers_are_counted() -> None:
    assert RECORD.num_correct("a") == 3
    assert RECORD.num_correct("b") == 0


def test_a_run_comes_back() -> None:
    assert RunRecord.from_json(RUN.to_json()) == RUN


def test_evidence_comes_back(tmp_path: Path) -> None:
    record = EvidenceRecord("a", 3, STRIP, replace(STRIP, truth=()), ((1.0,),), ((0.5,),), 2.5, "run")
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "0.json").write_text(record.to_json())
    assert read_evidence(tmp_path) == [record]


def test_the_digest_names_members_and_order() -> None:
    assert episodes_digest([EPISODE]) == episodes_digest([EPISODE])
    other = replace(EPISODE, query=((6, 5), (1, 2)))
    assert len({episodes_digest(e) for e in ([EPISODE], [other], [EPISODE, other], [other, EPISODE])}) == 4


def test_damage_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        RecordError, match=r"holds no run\.json; expected a folder that 'a2m2 evaluate --out' wrote"
    ):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RecordError, match=r"run\.json cannot be read .*; evaluate again"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text('{"schema": 99}')
    with pytest.raises(RecordError, match=r"records of schema 99, this version reads 1; evaluate again"):
        read_run(tmp_path)
    with pytest.raises(RecordError, match=r"holds no episodes\.jsonl; evaluate again"):
        list(read_episodes(tmp_path))
    (tmp_path / "episodes.jsonl").write_text(f"{RECORD.to_line()}\n{{\n")
    with pytest.raises(RecordError, match=r"episodes\.jsonl line 2 is damaged .*; evaluate again"):
        list(read_episodes(tmp_path))
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "0.json").write_text("[]")
    with pytest.raises(RecordError, match=r"0\.json cannot be read .*; evaluate again"):
        read_evidence(tmp_path)
