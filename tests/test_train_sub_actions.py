"""Sub-actions as a second thing that pre-training learns."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from a2m2.data import DigestCache, load_dataset
from a2m2.data.store import FeatureStore
from a2m2.errors import DataError
from a2m2.moments import Scale
from a2m2.settings import VideoSettings
from a2m2.train.batches import BaseClasses, ClipBatches
from a2m2.train.classifier import BaseClassifier
from a2m2.train.clips import ClipSource
from a2m2.train.draws import generator_of
from a2m2.train.folder import HEAD
from a2m2.train.sub_actions import SubActions, sub_action_loss
from a2m2.train.train import train
from a2m2.train_records import TrainRecord
from a2m2.train_settings import AugmentSettings, Stage
from a2m2.weights import read_tensors
from train_fixtures import annotate, tiny_data, tiny_settings


def test_frames_show_what_their_times_say(tmp_path: Path) -> None:
    videos = load_dataset(str(tiny_data(tmp_path, {"train": ["right", "left"]}))).videos
    spans = [("turn", 0.5, 1.0), ("grow", 0.9, 2.0), ("turn", 3.0, 3.0)]
    note = tmp_path / "note.json"
    note.write_text(
        json.dumps({"spans": [{"name": n, "start_seconds": s, "end_seconds": e} for n, s, e in spans]})
    )
    (empty := tmp_path / "empty.json").write_text("{}")
    actions = SubActions([replace(videos[0], annotation=note), replace(videos[1], annotation=empty)])
    assert actions.names == ("grow", "turn")
    seconds = torch.tensor([0.0, 0.5, 0.95, 1.5, 2.5, 3.0], dtype=torch.float64)
    assert actions.going_on(0, seconds).tolist() == [
        [False, False],
        [False, True],
        [True, True],
        [True, False],
        [False, False],
        [False, True],
    ]
    assert not actions.going_on(1, seconds).any()
    with pytest.raises(DataError, match="no annotation says"):
        SubActions([replace(videos[1], annotation=empty)])
    with pytest.raises(DataError, match=f"{videos[1].name} has none"):
        SubActions([replace(videos[0], annotation=note), replace(videos[1], annotation=None)])


def test_a_candidate_shows_what_any_of_its_frames_shows() -> None:
    going_on = torch.zeros(1, 4, 2, dtype=torch.bool)
    going_on[0, 1, 0] = going_on[0, 3, 1] = True
    windows = torch.tensor([[0, 1], [1, 2], [0, 2], [2, 4]])
    shown = torch.tensor([[[0.0, 0], [1, 0], [1, 0], [0, 1]]])
    logits = torch.randn(1, 4, 2, generator=torch.Generator().manual_seed(0))
    expected = functional.binary_cross_entropy_with_logits(logits, shown, reduction="sum") / 4
    torch.testing.assert_close(sub_action_loss(logits, going_on, windows), expected)
    assert float(sub_action_loss(100 * (2 * shown - 1), going_on, windows)) < 1e-40


def test_the_classifier_begins_with_about_one_sub_action_a_candidate() -> None:
    head = BaseClassifier(dim=5, num_frames=4, scales=(Scale(1, 1),), num_classes=3, num_sub_actions=7)
    assert head.sub_actions is not None
    assert head.sub_actions.bias.tolist() == pytest.approx([-math.log(7)] * 7)


@pytest.mark.parametrize("memory", [True, False])
def test_batches_tell_what_goes_on_in_the_frames_that_they_hold(memory: bool, tmp_path: Path) -> None:
    dataset = load_dataset(str(annotate(tiny_data(tmp_path / "data")))).select(["train"])
    clips = ClipSource(dataset.videos, VideoSettings(num_frames=4, resize=32, crop=32))
    if memory:
        clips.keep(FeatureStore(tmp_path / "store"), DigestCache(tmp_path))
    actions = SubActions(dataset.videos)
    assert actions.names == dataset.classes
    base = BaseClasses(clips, dataset.video_classes, dataset.classes, AugmentSettings(), 0, actions)
    batches = ClipBatches(base, 1, size=len(dataset))
    batch = batches[0]
    for row, position in enumerate(batches.members(0)):
        _, seconds = clips.random(position, generator_of(0, "clips", 0, row))
        expected = torch.zeros(4, len(dataset.classes), dtype=torch.bool)
        expected[:, dataset.video_classes[position]] = seconds <= 0.5
        assert torch.equal(batch["going_on"][row], expected)


def test_sub_actions_are_learnt_in_pre_training_alone(tmp_path: Path) -> None:
    data = annotate(tiny_data(tmp_path / "data"))
    weighted = ("pretrain.sub_action_weight=1", "meta.base_loss_weight=0.5")

    def run(stage: Stage, name: str, *overrides: str, start: Path | None = None) -> TrainRecord:
        settings = tiny_settings(data, *overrides)
        return train(settings, stage, tmp_path / name, start=start, cache=tmp_path / "cache", num_threads=1)

    first, plain = run("pretrain", "first", *weighted), run("pretrain", "plain", "meta.base_loss_weight=0.5")
    assert first.weights_digest != plain.weights_digest
    _, head = read_tensors(tmp_path / "first" / HEAD)
    assert "sub_actions.weight" in head
    assert run("meta", "second", *weighted, start=tmp_path / "first").done
    _, head = read_tensors(tmp_path / "second" / HEAD)
    assert "sub_actions.weight" not in head
