"""Probes: the clips they make, the episodes they draw, and what they refuse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from a2m2.data import EpisodeSampler, VideoRecord, content_key, load_dataset, read_video
from a2m2.data.probes import probe
from a2m2.data.videos import Dataset
from a2m2.errors import ConfigError, EpisodeError
from a2m2.settings import ProtocolSettings
from a2m2.video import read_clip
from tiny_clips import make_dataset


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    splits = {"test": ["right", "left", "down"]}
    return load_dataset(
        make_dataset(tmp_path_factory.mktemp("p") / "squares", splits=splits, clips_per_class=6)
    )


def task(way: int = 2, shot: int = 1, query: int = 1, seed: int = 0) -> ProtocolSettings:
    return ProtocolSettings(way=way, shot=shot, query=query, seed=seed)


def annotated(tmp_path: Path, orders: dict[str, str], clips_per_class: int = 3) -> Dataset:
    """Clips that do not exist with sub-actions that do: ``{"class": "abc"}``, a letter a sub-action."""
    videos = []
    for name, actions in orders.items():
        note = tmp_path / f"{name}.json"
        spans = [
            {"name": action, "start_seconds": float(i), "end_seconds": i + 1.0}
            for i, action in enumerate(actions)
        ]
        note.write_text(json.dumps({"spans": spans}))
        videos += [
            VideoRecord(f"{name}/{i}", tmp_path / f"{name}{i}", name, "", note)
            for i in range(clips_per_class)
        ]
    return Dataset("made up", tmp_path, tuple(sorted(videos, key=lambda video: video.name)))


def test_playback_changes_the_order_of_frames_alone(clips: Dataset) -> None:
    video = clips.videos[0]
    forward = read_clip(video.path, num_frames=8, policy="segment_center")
    for playback in ("backward", "shuffled"):
        played = read_video(replace(video, playback=playback), num_frames=8, policy="segment_center")
        order = [forward.frame_index.tolist().index(index) for index in played.frame_index.tolist()]
        assert sorted(order) == list(range(8)) != order
        assert (order == list(range(7, -1, -1))) == (playback == "backward")
        assert torch.equal(played.frames, forward.frames[order])
        assert torch.equal(played.pts_seconds, forward.pts_seconds)
    same = read_video(video, num_frames=8, policy="segment_center")
    assert torch.equal(same.frames, forward.frames)


def test_a_shuffle_is_a_function_of_the_name_and_every_playback_has_a_key(clips: Dataset) -> None:
    one, other = (replace(video, playback="shuffled") for video in clips.videos[:2])
    first, again, second = (
        read_video(video, num_frames=8, policy="uniform").frame_index for video in (one, one, other)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    backward = replace(one, playback="backward")
    keys = {content_key(video, "digest") for video in (clips.videos[0], one, other, backward)}
    assert len(keys) == 4
    assert content_key(clips.videos[0], "digest") == "digest"


def test_reversed_pairs_every_class_with_itself_and_shows_no_clip_twice(clips: Dataset) -> None:
    both, sampler = probe("reversed", clips, task(query=2))
    assert len(both) == 2 * len(clips)
    assert both.classes == tuple(sorted([*clips.classes, *(f"{name}, backwards" for name in clips.classes)]))
    seen = set()
    for index in range(200):
        episode = sampler.episode(index)
        first, second = sorted((both.classes[label] for label in episode.classes), key=len)
        assert second == f"{first}, backwards"
        seen.add(first)
        shown = [video for members in (*episode.support, *episode.query) for video in members]
        assert len({both.videos[video].path for video in shown}) == len(shown) == 6
        for label, support, query in zip(episode.classes, episode.support, episode.query, strict=True):
            assert all(both.video_classes[video] == label for video in (*support, *query))
    assert seen == set(clips.classes)


def test_twins_hold_the_same_sub_actions(tmp_path: Path) -> None:
    orders = {"abc": "abc", "cba": "cba", "acb": "acb", "de": "de", "ed": "ed", "alone": "xyz"}
    test, sampler = probe("twins", annotated(tmp_path, orders), task())
    pairs = [
        frozenset(test.classes[label] for label in sampler.episode(index).classes) for index in range(300)
    ]
    families = [{"abc", "cba", "acb"}, {"de", "ed"}]
    assert all(any(pair <= family for family in families) for pair in pairs)
    # Families are equally likely, however many classes they have.
    assert 0.4 < np.mean([pair <= families[1] for pair in pairs]) < 0.6
    _, three = probe("twins", annotated(tmp_path, orders), task(way=3))
    assert {test.classes[label] for label in three.episode(0).classes} == families[0]


def test_shuffled_queries_are_those_of_the_ordinary_episodes(clips: Dataset) -> None:
    both, sampler = probe("shuffled", clips, task(way=3, seed=4))
    ordinary = EpisodeSampler(clips.video_classes, class_names=clips.classes, way=3, shot=1, query=1, seed=4)
    for index in range(50):
        expected, episode = ordinary.episode(index), sampler.episode(index)
        for before, after, playback in (
            (expected.support, episode.support, "forward"),
            (expected.query, episode.query, "shuffled"),
        ):
            old = [clips.videos[video].path for members in before for video in members]
            new = [both.videos[video] for members in after for video in members]
            assert [video.path for video in new] == old
            assert {video.playback for video in new} == {playback}


def test_episodes_do_not_depend_on_each_other(clips: Dataset) -> None:
    for kind in ("reversed", "shuffled"):
        _, sampler = probe(kind, clips, task())
        _, again = probe(kind, clips, task())
        assert [sampler.episode(i) for i in (5, 0, 3)] == [again.episode(i) for i in (5, 0, 3)]
        _, other = probe(kind, clips, task(seed=1))
        assert sampler.episode(0) != other.episode(0)


def test_what_a_probe_cannot_ask_is_refused(clips: Dataset, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="probe reversed asks a question with two answers, got way 5; use --way 2"
    ):
        probe("reversed", clips, task(way=5))
    with pytest.raises(
        EpisodeError, match="probe reversed needs 8 videos a class, but 'down' has 6; lower shot"
    ):
        probe("reversed", clips, task(shot=3))
    with pytest.raises(ConfigError, match="probe twins needs to know the sub-actions of every clip"):
        probe("twins", clips, task())
    with pytest.raises(
        EpisodeError, match="probe twins found no 4 classes of the same sub-actions; lower way"
    ):
        probe("twins", annotated(tmp_path, {"ab": "ab", "ba": "ba"}), task(way=4))
    with pytest.raises(EpisodeError, match="probe twins needs 4 videos a class, but 'ab' has 3; lower shot"):
        probe("twins", annotated(tmp_path, {"ab": "ab", "ba": "ba"}), task(shot=3))
