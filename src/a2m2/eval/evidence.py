"""A few plans with thumbnails, written beside the records for pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from a2m2.checks import atomic_path, write_text_atomic
from a2m2.data import VideoRecord, read_annotation, read_video
from a2m2.eval.runner import Contestant, match_episode
from a2m2.eval.thumbnails import jpeg_thumbnails
from a2m2.records import Episode, EvidenceRecord, FilmStrip
from a2m2.settings import VideoSettings
from a2m2.structures import Clip, Descriptors, Match

_MOST_EPISODES = 100


@dataclass(frozen=True)
class _Pair:
    """A query against one support video, and what became of it."""

    episode: Episode
    query_video: int
    support_video: int
    predicted_class: int
    score: float
    plan: tuple[tuple[float, ...], ...]
    similarity: tuple[tuple[float, ...], ...]


def write_evidence(
    folder: Path,
    contestant: Contestant,
    draw: Callable[[int], Episode],
    videos: Sequence[VideoRecord],
    class_names: Sequence[str],
    *,
    video: VideoSettings,
    num_pairs: int,
    num_episodes: int,
) -> None:
    """Write ``num_pairs`` pairs of ``contestant`` into ``folder``; the last is a mistake, if there is one.

    A right answer is shown against a support clip of its class, a mistake against a clip of the class it was taken
    for. Taken from the first episodes in order, one a query class, so nothing is picked for its looks.
    """
    strips = _StripWriter(folder, videos, video)
    pairs = _choose(contestant, draw, min(num_episodes, _MOST_EPISODES), num_pairs)
    for number, (pair, supports, queries) in enumerate(pairs):
        record = EvidenceRecord(
            method=contestant.name,
            episode=pair.episode.index,
            query=strips.write(pair.query_video, queries),
            support=strips.write(pair.support_video, supports),
            plan=pair.plan,
            similarity=pair.similarity,
            score=pair.score,
            predicted=class_names[pair.predicted_class],
        )
        write_text_atomic(folder / f"{number:03d}.json", record.to_json())


def _choose(
    contestant: Contestant, draw: Callable[[int], Episode], num_episodes: int, num_pairs: int
) -> list[tuple[_Pair, Descriptors, Descriptors]]:
    right: list[tuple[_Pair, Descriptors, Descriptors]] = []
    wrong: list[tuple[_Pair, Descriptors, Descriptors]] = []
    seen: set[int] = set()
    with torch.inference_mode():
        for index in range(num_episodes):
            episode = draw(index)
            for pair, supports, queries in _pairs(contestant, episode):
                true_class = _class_of(episode, pair.query_video)
                if pair.predicted_class != true_class:
                    wrong.append((pair, supports, queries))
                elif true_class not in seen:
                    seen.add(true_class)
                    right.append((pair, supports, queries))
            if wrong and len(right) >= num_pairs - 1:
                break
    kept = right[: max(num_pairs - len(wrong[:1]), 0)]
    return kept + wrong[: num_pairs - len(kept)]


def _pairs(contestant: Contestant, episode: Episode) -> Iterator[tuple[_Pair, Descriptors, Descriptors]]:
    """One pair a query, for matchers whose targets are single support videos."""
    support = [video for members in episode.support for video in members]
    query = [video for members in episode.query for video in members]
    supports, queries = contestant.source.episode(support, query)
    ((_, match),) = match_episode([contestant], episode)
    if match.evidence is None or match.evidence.plan.shape[1] != len(support):
        return
    for row, video in enumerate(query):
        way = int(match.logits[row].argmax())
        column = best_target(match, row, way)
        pair = _Pair(
            episode=episode,
            query_video=video,
            support_video=support[column],
            predicted_class=episode.classes[way],
            score=float(match.logits[row, way]),
            plan=plan_rows(match.evidence.plan[row, column]),
            similarity=plan_rows(match.evidence.similarity[row, column]),
        )
        yield pair, supports[torch.tensor([column])], queries[torch.tensor([row])]


def best_target(match: Match, row: int, way: int) -> int:
    """The support of class ``way`` whose plan joins the most similar candidates."""
    assert match.evidence is not None
    members = torch.nonzero(match.evidence.target_labels == way).flatten()
    agreement = (match.evidence.plan[row, members] * match.evidence.similarity[row, members]).sum((-1, -2))
    return int(members[agreement.argmax()])


def plan_rows(matrix: torch.Tensor) -> tuple[tuple[float, ...], ...]:
    """A matrix as a record holds it."""
    return tuple(tuple(round(value, 6) for value in row) for row in matrix.tolist())


def _class_of(episode: Episode, video: int) -> int:
    return next(c for c, members in zip(episode.classes, episode.query, strict=True) if video in members)


class _StripWriter:
    """Writes thumbnails once a video and describes film strips."""

    def __init__(self, folder: Path, videos: Sequence[VideoRecord], settings: VideoSettings) -> None:
        self.folder = folder
        self.videos = videos
        self.settings = settings
        self._clips: dict[int, tuple[Clip, tuple[str, ...]]] = {}

    def write(self, video: int, descriptors: Descriptors) -> FilmStrip:
        """The strip of one video; ``descriptors`` holds that video alone."""
        if video not in self._clips:
            self._clips[video] = self._write_thumbnails(video)
        clip, names = self._clips[video]
        record = self.videos[video]
        return FilmStrip(
            video=record.name,
            class_name=record.class_name,
            thumbnails=names,
            frame_seconds=tuple(round(value, 6) for value in clip.pts_seconds.tolist()),
            duration_seconds=round(clip.duration_seconds, 6),
            spans=tuple((round(a, 6), round(b, 6)) for a, b in descriptors.spans[0].tolist()),
            scale=tuple(descriptors.scale.tolist()),
            truth=read_annotation(record.annotation),
        )

    def _write_thumbnails(self, video: int) -> tuple[Clip, tuple[str, ...]]:
        clip = read_video(
            self.videos[video], num_frames=self.settings.num_frames, policy=self.settings.policy
        )
        names = []
        for index, picture in enumerate(jpeg_thumbnails(clip)):
            name = f"video{video:05d}_{index:03d}.jpg"
            with atomic_path(self.folder / name) as temporary:
                temporary.write_bytes(picture)
            names.append(name)
        return clip, tuple(names)
