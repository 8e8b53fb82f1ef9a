"""Devices: which one is meant, what is refused, what cache keys say, and scores of many episodes at once."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from a2m2.data import EpisodeSampler
from a2m2.data.store import FeatureStore
from a2m2.devices import CPU, encoding, find_device, key_parts, stacked, to_host, whole_float32
from a2m2.errors import ConfigError
from a2m2.eval import runner
from a2m2.eval.gpu_scores import BlockAnswers, DeviceScores, block_answers, scores_on
from a2m2.eval.maps import MapBank
from a2m2.eval.pair_table import pair_scores
from a2m2.eval.runner import Contestant, run_episodes
from a2m2.eval.sources import FixedSource
from a2m2.eval.trained import descriptor_key
from a2m2.library import IndexSettings
from a2m2.matching import A2Matcher, ProtoNetMatcher
from a2m2.networks import build_network
from a2m2.nn import load_backbone
from a2m2.recognize import Recognizer
from a2m2.records import Episode
from a2m2.settings import VideoSettings
from a2m2.structures import Descriptors
from a2m2.train.ranks import joined
from a2m2.weights import SavedNetwork
from matching_fixtures import random_descriptors
from recognize_fixtures import small, squares
from test_cli import call, error_line
from train_fixtures import tiny_settings

ELSEWHERE = torch.device("meta")
"""A device that every machine has."""


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu() -> None:
    assert find_device("auto") == find_device("cpu") == CPU
    with pytest.raises(
        ConfigError, match=r"no GPU for device cuda: .*; use device cpu, or auto, which takes a"
    ):
        find_device("cuda")
    with pytest.raises(
        ConfigError, match=r"expected device auto, cpu or cuda, got 'gpu'; auto takes a GPU if"
    ):
        find_device("gpu")


def test_with_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [find_device(name).type for name in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", "--data", "DATA", "--backbone", "motion-filters", "--way", "2", "--dry-run"),
        ("enrol", "DATA", "--out", "PLACE/new.a2m2"),
        ("index", "DATA", "--out", "PLACE/index"),
        ("recognize", "ACTIONS", "clip.mp4"),
        ("spot", "ACTIONS", "clip.mp4"),
        ("search", "PLACE", "--like", "clip.mp4"),
        ("train", "--data", "DATA", "--out", "PLACE/trained"),
    ],
    ids=lambda command: command[0],
)
def test_commands_refuse_a_gpu_that_is_not_there(
    command: tuple[str, ...],
    places: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = {**places, "PLACE": tmp_path}
    for name, path in named.items():
        command = tuple(part.replace(name, str(path)) for part in command)
    assert call(monkeypatch, *command, "--device", "cuda") == 1
    assert error_line(capsys).startswith("error: no GPU for device cuda: ")
    assert not list(tmp_path.rglob("*.a2m2"))


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A data set, and enrolled actions."""
    from train_fixtures import tiny_data

    root = tmp_path_factory.mktemp("places")
    recognizer = small(root / "cache").fit(*squares())
    recognizer.save(root / "actions.a2m2")
    return {"DATA": tiny_data(root / "data"), "ACTIONS": root / "actions.a2m2"}


@pytest.mark.usefixtures("no_gpu")
def test_workers_of_ray_encode_on_the_cpu() -> None:
    assert IndexSettings(engine="ray").found_device() == IndexSettings().found_device() == CPU
    with pytest.raises(
        ConfigError, match=r"workers of Ray encode on the CPU; leave the device out, or use the"
    ):
        IndexSettings(engine="ray", device="cuda").found_device()


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("accelerator", ["gpu", "cuda"])
def test_a_training_is_refused_before_it_begins(accelerator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="no GPU for device cuda"), joined(accelerator):
        pass


# --- what is kept ---


def saved(*overrides: str) -> SavedNetwork:
    settings = tiny_settings("nowhere", *overrides).network()
    return SavedNetwork(Path("nowhere"), build_network(settings, seed=0).eval(), settings, {}, "0123")


def test_keys_name_every_device_but_the_cpu() -> None:
    """A cache that was filled before devices had names is the CPU's."""
    network = saved()
    here = descriptor_key(network)
    assert here == hashlib.sha256(json.dumps(["network-1", "0123"]).encode()).hexdigest()[:24]
    network.network.encoder.to(ELSEWHERE)
    assert descriptor_key(network) != here
    assert (key_parts(CPU), key_parts(torch.device("cuda", 1))) == ([], ["cuda"])


def test_keys_of_maps_name_every_device_but_the_cpu(tmp_path: Path) -> None:
    backbone = load_backbone("motion-filters", stages=("mid",))
    video = VideoSettings(num_frames=4, resize=48, crop=48)
    here = MapBank(FeatureStore(tmp_path), backbone, video, ["mid"])
    parts = {
        "backbone": backbone.digest(),
        "stage": "mid",
        "pooled": False,
        "video": video.model_dump(mode="json"),
        "format": 1,
    }
    expected = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
    assert here.key("mid") == expected
    there = MapBank(FeatureStore(tmp_path), backbone.to(ELSEWHERE), video, ["mid"])
    assert there.backbone_digest == here.backbone_digest
    assert there.key("mid") != expected


@pytest.mark.usefixtures("no_gpu")
def test_a_recogniser_knows_its_device_and_its_file_does_not(tmp_path: Path) -> None:
    clips, labels = squares()
    files = {}
    for device in ("cpu", "auto"):
        recognizer = small(tmp_path / device, device=device).fit(clips, labels)
        assert recognizer.get_params()["device"] == device
        recognizer.save(tmp_path / f"{device}.a2m2")
        files[device] = (tmp_path / f"{device}.a2m2").read_bytes()
    assert files["cpu"] == files["auto"]
    loaded = Recognizer.load(tmp_path / "cpu.a2m2", device="cpu")
    assert loaded.predict(clips).tolist() == labels
    for refused in (small(tmp_path, device="cuda"), loaded.set_params(device="cuda")):
        with pytest.raises(ConfigError, match="no GPU for device cuda"):
            refused.fit(clips, labels)
    with pytest.raises(ConfigError, match="no GPU for device cuda"):
        loaded.predict(clips)


# --- the small parts, as they are on the CPU ---


def test_on_the_cpu_nothing_is_copied() -> None:
    tensors = [torch.rand(2, 3) for _ in range(3)]
    assert torch.equal(stacked(tensors, CPU), torch.stack(tensors))
    assert all(one is other for one, other in zip(to_host(*tensors), tensors, strict=True))
    with encoding(CPU):
        assert torch.equal(tensors[0] @ tensors[1].T, tensors[0] @ tensors[1].T)


def test_whole_float32_is_for_a_while() -> None:
    cudnn: Any = torch.backends.cudnn
    if not hasattr(cudnn, "conv"):
        pytest.skip("torch before 2.9")
    before = cudnn.conv.fp32_precision
    with whole_float32():
        assert cudnn.conv.fp32_precision == "ieee"
    assert cudnn.conv.fp32_precision == before


# --- many episodes at once ---

OPTIONS = {
    "default": {},
    "uniform": {"weights": "uniform", "weight_source": "centred"},
    "softmax": {"weights": "softmax"},
    "energy": {"weights": "energy"},
    "gate": {"weights": "gate", "dim": 12},
    "order": {"order_prior": 0.4},
    "progress": {"order_prior": 0.4, "order_axis": "progress", "weights": "energy"},
    "tolerance": {"tolerance": 1e-3},
}


def moved(matcher: A2Matcher) -> A2Matcher:
    """With a gate that tells candidates apart."""
    if matcher.gate is not None:
        generator = torch.Generator().manual_seed(2)
        with torch.no_grad():
            matcher.gate.linear.weight += torch.randn(1, 12, generator=generator)
    return matcher.eval()


def classed_descriptors(**changes: object) -> Descriptors:
    """48 videos of six classes."""
    noise = random_descriptors(48, seed=0, dtype=torch.float32, **changes)  # type: ignore[arg-type]
    signal = random_descriptors(6, seed=1, dtype=torch.float32).values.repeat_interleave(8, dim=0)
    return replace(noise, values=signal + 0.5 * noise.values)


def episodes_of(*, shot: int = 2) -> EpisodeSampler:
    names = [f"class{index}" for index in range(6)]
    return EpisodeSampler(
        [index // 8 for index in range(48)], class_names=names, way=5, shot=shot, query=3, seed=4
    )


@pytest.mark.parametrize("option", OPTIONS)
def test_scores_of_many_episodes_are_those_of_each(option: str) -> None:
    matcher = moved(A2Matcher(num_threads=1, **OPTIONS[option]))  # type: ignore[arg-type]
    descriptors = (
        random_descriptors(18, seed=3, blocks=(4, 8)) if option != "gate" else random_descriptors(18, seed=3)
    )
    matcher.to(descriptors.values.dtype)
    support, query = descriptors[torch.arange(6)], descriptors[torch.arange(6, 18)]
    found = matcher.episode_scores(support, query, num_episodes=3)
    assert found.shape == (3, 4, 2)
    for number in range(3):
        own = support[torch.tensor([2 * number, 2 * number + 1])]
        asked = query[torch.arange(4 * number, 4 * number + 4)]
        expected = matcher(own, torch.arange(2), asked, num_classes=2).logits.detach()
        torch.testing.assert_close(found[number], expected, rtol=1e-6, atol=1e-7)


def test_merged_shots_have_no_scores_of_pairs() -> None:
    descriptors = random_descriptors(4, seed=0)
    with pytest.raises(
        ValueError, match=r"expected shots='per_video', so that pairs have scores, got 'union'"
    ):
        A2Matcher(shots="union").episode_scores(descriptors, descriptors)


@pytest.mark.parametrize("entries", [2**22, 2500])
def test_a_table_by_blocks_is_the_table(entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a2m2.eval.gpu_scores._ENTRIES", entries)
    descriptors, matcher = classed_descriptors(), A2Matcher(num_threads=1).eval()
    blocks = DeviceScores(matcher, descriptors)
    found = pair_scores(matcher, descriptors, there=blocks)
    np.testing.assert_allclose(found, pair_scores(matcher, descriptors), rtol=0, atol=2e-5)


@pytest.mark.parametrize("entries", [2**22, 5000, 1])
@pytest.mark.parametrize("shot", [1, 2])
def test_answers_by_blocks_are_those_of_each_episode(
    shot: int, entries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pairs a block has; what is nearly a tie is left to the matcher."""
    monkeypatch.setattr("a2m2.eval.gpu_scores._ENTRIES", entries)
    descriptors, matcher = classed_descriptors(), A2Matcher(num_threads=1).eval()
    values = descriptors.values.clone()
    values[9] = values[1]  # a copy in another class: always a tie with its twin
    source = FixedSource(replace(descriptors, values=values))
    draw = episodes_of(shot=shot).episode
    records = list(run_episodes([Contestant("a2", source, matcher)], draw, 60, share=False))

    blocks = block_answers(DeviceScores(matcher, source.descriptors), draw, 60, logits_of(matcher, source))
    assert blocks is not None
    answers = blocks.answers([draw(index) for index in range(60)])
    known = [answer for answer in answers if answer is not None]
    assert 30 < len(known) < 60 if shot == 1 else len(known) > 30
    assert all(
        answer is None or answer == record.predictions["a2"]
        for answer, record in zip(answers, records, strict=True)
    )

    def placed(device: object, own: object, source: FixedSource, kept: object) -> DeviceScores | None:
        return DeviceScores(copy.deepcopy(own), source.descriptors) if isinstance(own, A2Matcher) else None

    monkeypatch.setattr(runner, "scores_on", placed)
    contestants = [Contestant("a2", source, matcher), Contestant("proto", source, ProtoNetMatcher())]
    for share in (False, True):
        found = list(run_episodes(contestants, draw, 60, share=share))
        assert [one.predictions["a2"] for one in found] == [one.predictions["a2"] for one in records]


def logits_of(matcher: A2Matcher, source: FixedSource) -> Callable[..., np.ndarray]:
    from a2m2.eval.runner import match_episode

    def logits(episode: Episode) -> np.ndarray:
        with torch.inference_mode():
            _, match = next(match_episode([Contestant("a2", source, matcher)], episode))
        return match.logits.numpy()

    return logits


def test_scores_that_differ_by_more_than_rounding_are_not_used() -> None:
    descriptors, matcher = classed_descriptors(), A2Matcher(num_threads=1).eval()
    source = FixedSource(descriptors)
    wrong = DeviceScores(A2Matcher(num_threads=1, weights="uniform").eval(), descriptors)
    draw = episodes_of().episode
    assert block_answers(wrong, draw, 60, logits_of(matcher, source)) is None
    broken = replace(descriptors, values=torch.full_like(descriptors.values, torch.nan))
    assert block_answers(DeviceScores(matcher, broken), draw, 60, logits_of(matcher, source)) is None


def test_a_video_that_cannot_be_compared_is_left_to_the_matcher() -> None:
    """Which names the episode."""
    descriptors, matcher = classed_descriptors(), A2Matcher(num_threads=1).eval()
    episodes = [episodes_of().episode(index) for index in range(60)]
    values = descriptors.values.clone()
    values[episodes[7].support[0][0]] = torch.nan
    blocks = BlockAnswers(DeviceScores(matcher, replace(descriptors, values=values)), tolerance=0.0)
    assert blocks.answers(episodes) == [None] * 60
    whole = [episode for episode in episodes if episodes[7].support[0][0] not in members_of(episode)]
    assert whole
    assert None not in blocks.answers(whole)


def members_of(episode: Episode) -> set[int]:
    return {video for members in (*episode.support, *episode.query) for video in members}


def test_the_cpu_needs_no_copies() -> None:
    assert scores_on(CPU, A2Matcher(), FixedSource(classed_descriptors()), {}) is None
