"""What an evaluation leaves behind: plain values, readable without torch, the same bytes for the same seed.

A results folder holds::

    run.json        what was run (RunRecord): no clock times, no absolute paths
    episodes.jsonl  one EpisodeRecord a line
    summary.json    the figures (written by ``a2m2.eval.stats``)
    timings.json    the only file with clock times
    evidence/       a few plans with thumbnails (EvidenceRecord), for pictures

``report`` and ``compare`` read nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from a2m2.errors import RecordError
from a2m2.reading import json_lines, mapping_of, of_schema, parse_json, read_record, typed

SCHEMA = 1
_AGAIN = "evaluate again with 'a2m2 evaluate'"


@dataclass(frozen=True)
class SubActionSpan:
    """One stretch of a video in which one sub-action happens (ground truth of synthetic clips)."""

    name: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Episode:
    """One few-shot task, all members as positions in the run's list of videos.

    Attributes:
        index: number of the episode; with the seed it fixes everything else.
        classes: class index of each of the ``way`` classes.
        support: ``way`` lists of ``shot`` videos.
        query: ``way`` lists of videos to recognise; disjoint from the support.
    """

    index: int
    classes: tuple[int, ...]
    support: tuple[tuple[int, ...], ...]
    query: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class EpisodeRecord:
    """An episode and what each method answered.

    Attributes:
        episode: the task.
        predictions: method name to predicted class (position within the episode, 0 … way − 1), one a query,
            queries in the order of ``episode.query`` flattened.
    """

    episode: Episode
    predictions: dict[str, tuple[int, ...]]

    def num_correct(self, method: str) -> int:
        """Number of queries that ``method`` put in their own class."""
        truth = [way for way, members in enumerate(self.episode.query) for _ in members]
        return sum(int(a == b) for a, b in zip(self.predictions[method], truth, strict=True))

    def to_line(self) -> str:
        """One JSON line, keys in a fixed order."""
        e = self.episode
        return json.dumps(
            {
                "i": e.index,
                "classes": e.classes,
                "support": e.support,
                "query": e.query,
                "pred": self.predictions,
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_line(cls, line: str) -> EpisodeRecord:
        """Inverse of :meth:`to_line`."""
        return cls.from_values(parse_json(line))

    @classmethod
    def from_values(cls, raw: Any) -> EpisodeRecord:
        """From what :meth:`to_line` holds, as JSON gives it back."""
        raw = mapping_of(raw)
        episode = {
            "index": raw["i"],
            "classes": raw["classes"],
            "support": raw["support"],
            "query": raw["query"],
        }
        return typed(cls, {"episode": episode, "predictions": raw["pred"]})


@dataclass(frozen=True)
class RunRecord:
    """Everything that fixes an evaluation, and nothing that changes between two runs of it.

    Attributes:
        dataset: name of the data set folder.
        splits: splits pooled for testing; empty for a folder without splits.
        classes: class names; ``Episode.classes`` are positions in it.
        videos: path of each video relative to the data set's root; support and query are positions in it.
        video_classes: class index of each video.
        way, shot, query, episodes, seed: the protocol.
        methods: method name to its one-line description.
        config: the resolved configuration.
        config_digest: digest of the configuration.
        data_digest: digest of the videos and their classes.
        episodes_digest: digest of the list of episodes; two runs with the same one are paired.
        weights_digest: digest of the backbone's weights.
        fit: what the reduction and the mean descriptor were fitted on: train, supports, transductive or none.
        versions: versions of the packages that matter.
        notes: remarks a reader must know, for example that a fit is transductive.
    """

    dataset: str
    splits: tuple[str, ...]
    classes: tuple[str, ...]
    videos: tuple[str, ...]
    video_classes: tuple[int, ...]
    way: int
    shot: int
    query: int
    episodes: int
    seed: int
    methods: dict[str, str]
    config: dict[str, Any]
    config_digest: str
    data_digest: str
    episodes_digest: str
    weights_digest: str
    fit: str
    versions: dict[str, str]
    notes: tuple[str, ...] = ()
    schema: int = SCHEMA

    def to_json(self) -> str:
        """Indented JSON."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> RunRecord:
        """Inverse of :meth:`to_json`; refuses records of another schema."""
        raw = of_schema(parse_json(text), SCHEMA, error=RecordError, cure=_AGAIN)
        for key in ("splits", "classes", "videos", "video_classes", "notes"):
            raw[key] = tuple(raw[key])
        return typed(cls, cls(**raw))


@dataclass(frozen=True)
class FilmStrip:
    """One side of an alignment picture.

    Attributes:
        video: path relative to the data set's root.
        class_name: its true class.
        thumbnails: JPEG files beside the record, one a sampled frame.
        frame_seconds: presentation time of each sampled frame.
        duration_seconds: length of the video.
        spans: start and end of each candidate in seconds.
        scale: scale index of each candidate.
        truth: sub-action spans, empty when not known.
    """

    video: str
    class_name: str
    thumbnails: tuple[str, ...]
    frame_seconds: tuple[float, ...]
    duration_seconds: float
    spans: tuple[tuple[float, float], ...]
    scale: tuple[int, ...]
    truth: tuple[SubActionSpan, ...] = ()


@dataclass(frozen=True)
class EvidenceRecord:
    """One query against one support video as one method saw them.

    Attributes:
        method: name of the method.
        episode: index of the episode.
        query, support: the two film strips.
        plan: mass between query candidate (row) and support candidate (column); 1 in all.
        similarity: cosine of the same pairs.
        score: logit of the support's class.
        predicted: name of the class the method chose for the query.
    """

    method: str
    episode: int
    query: FilmStrip
    support: FilmStrip
    plan: tuple[tuple[float, ...], ...]
    similarity: tuple[tuple[float, ...], ...]
    score: float
    predicted: str
    extra: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """Indented JSON."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> EvidenceRecord:
        """Inverse of :meth:`to_json`."""
        raw = mapping_of(parse_json(text))
        for side in ("query", "support"):
            strip = raw[side]
            strip["thumbnails"] = tuple(strip["thumbnails"])
            strip["frame_seconds"] = tuple(strip["frame_seconds"])
            strip["spans"] = tuple((a, b) for a, b in strip["spans"])
            strip["scale"] = tuple(strip["scale"])
            strip["truth"] = tuple(SubActionSpan(**span) for span in strip["truth"])
            raw[side] = FilmStrip(**strip)
        raw["plan"] = tuple(map(tuple, raw["plan"]))
        raw["similarity"] = tuple(map(tuple, raw["similarity"]))
        return typed(cls, cls(**raw))


class EpisodesDigest:
    """A name for a list of episodes, members and order included, that come one by one."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, episode: Episode) -> None:
        """The next episode."""
        e = episode
        self._digest.update(repr((e.index, e.classes, e.support, e.query)).encode())

    def text(self) -> str:
        """16 hex digits."""
        return self._digest.hexdigest()[:16]


def episodes_digest(episodes: Iterable[Episode]) -> str:
    """16 hex digits that name a list of episodes, members and order included."""
    digest = EpisodesDigest()
    for episode in episodes:
        digest.add(episode)
    return digest.text()


def read_run(folder: Path) -> RunRecord:
    """The ``run.json`` of a results folder.

    Raises:
        RecordError: missing or damaged.
    """
    missing = f"{folder} holds no run.json; expected a folder that 'a2m2 evaluate --out' wrote"
    return read_record(
        folder / "run.json", RunRecord.from_json, error=RecordError, missing=missing, cure=_AGAIN
    )


def read_episodes(folder: Path) -> Iterator[EpisodeRecord]:
    """The lines of ``episodes.jsonl``, one at a time.

    Raises:
        RecordError: missing, or a damaged line.
    """
    path = folder / "episodes.jsonl"
    try:
        yield from json_lines(path, EpisodeRecord.from_values, error=RecordError, cure=_AGAIN)
    except FileNotFoundError:
        raise RecordError(f"{folder} holds no episodes.jsonl; {_AGAIN}") from None


def read_evidence(folder: Path) -> list[EvidenceRecord]:
    """The records in ``evidence/*.json``, by file name; empty when there are none.

    Raises:
        RecordError: a damaged one.
    """
    return [
        read_record(
            path,
            EvidenceRecord.from_json,
            error=RecordError,
            missing=f"{path} has just vanished; {_AGAIN}",
            cure=_AGAIN,
        )
        for path in sorted((folder / "evidence").glob("*.json"))
    ]
