"""Trained networks in an evaluation: their own matchers, others on their descriptors, tables of pairs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from a2m2.cli.main import main
from a2m2.config import load
from a2m2.data import EpisodeSampler, load_dataset
from a2m2.data.store import FeatureStore
from a2m2.errors import ConfigError, DataError, WeightsError
from a2m2.eval import trained
from a2m2.eval.evaluate import evaluate, plan
from a2m2.eval.pair_table import episode_accuracies, pair_scores
from a2m2.eval.runner import Contestant, run_episodes
from a2m2.eval.sources import FixedSource
from a2m2.eval.trained import TrainedEntry, describe_videos, names_of
from a2m2.matching import A2Matcher, DiagonalMatcher, Matcher, ProtoNetMatcher
from a2m2.networks import build_network
from a2m2.records import read_run
from a2m2.settings import EvaluateSettings
from a2m2.structures import Descriptors
from a2m2.train.train import train
from a2m2.weights import load_network, save_network
from matching_fixtures import SCALE, WINDOWS
from train_fixtures import shake, tiny_data, tiny_settings


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    splits = {"train": ["right", "left"], "val": ["up", "still"], "test": ["down", "down_right"]}
    return tiny_data(tmp_path_factory.mktemp("data") / "squares", splits, clips_per_class=4)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of networks that differ in seed and method, all with learnt parts away from their start."""
    root = tmp_path_factory.mktemp("networks")
    made = {
        "a2": ["a2.learn_temperature=true", "backbone.difference=true"],
        "diagonal": ["method=diagonal", "a2.learn_temperature=true"],
        "gated": ["a2.weights=gate"],
        "first": ["method=a2_first_order"],
        "two_frames": ["video.num_frames=2"],
    }
    for seed, (name, overrides) in enumerate(made.items()):
        settings = tiny_settings("nowhere", *overrides).network()
        network = shake(build_network(settings, seed=seed), seed=seed)
        save_network(root / name / "weights.safetensors", network, settings, {})
    return {name: root / name for name in made}


def settings(data: Path, weights: Sequence[Path], *overrides: str) -> EvaluateSettings:
    small = ["protocol.way=2", "protocol.episodes=40", "protocol.query=2"]
    return load(
        EvaluateSettings, None, [*small, *overrides], data=str(data), weights=[str(w) for w in weights]
    )


def test_a_network_runs_its_own_matcher(data: Path, networks: dict[str, Path], tmp_path: Path) -> None:
    saved = load_network(networks["a2"])
    out = tmp_path / "run"
    result = evaluate(settings(data, [networks["a2"]]), out=out, cache=tmp_path / "cache")
    assert result.run.methods == {"a2": "trained; second-order moments, exact optimal transport"}
    assert (result.run.fit, result.run.weights_digest) == ("training", saved.digest)
    assert read_run(out) == result.run
    assert str(networks["a2"].parent) not in (out / "run.json").read_text()
    test = load_dataset(str(data)).select(["test"])
    store = FeatureStore(tmp_path / "store")
    descriptors, pts = describe_videos(saved, test.videos, [str(n) for n in range(len(test))], store)
    assert pts.shape == (8, 4)
    sampler = EpisodeSampler(test.video_classes, class_names=test.classes, way=2, shot=1, query=2, seed=0)
    contestant = Contestant("a2", FixedSource(descriptors), saved.network.matcher)
    assert tuple(run_episodes([contestant], sampler.episode, 40)) == result.records


def test_descriptors_are_those_of_the_network_on_the_frames_of_a_test(
    data: Path, networks: dict[str, Path], tmp_path: Path
) -> None:
    from a2m2.video import prepare, read_clip

    saved = load_network(networks["a2"])
    test = load_dataset(str(data)).select(["test"])
    found, _ = describe_videos(
        saved, test.videos, [str(n) for n in range(len(test))], FeatureStore(tmp_path), num_threads=1
    )
    for position in (0, 5):
        clip = read_clip(test.videos[position].path, num_frames=4, policy="segment_center")
        frames = prepare(clip.frames, resize=32, crop=32)[None]
        duration = torch.tensor([clip.duration_seconds])
        expected = saved.network.encode(frames, clip.pts_seconds[None], duration)
        torch.testing.assert_close(found.values[position], expected.values[0].detach(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.spans[position], expected.spans[0])
        torch.testing.assert_close(found.energy[position], expected.energy[0], rtol=1e-4, atol=1e-5)
    assert torch.equal(found.mean, saved.network.encoder.mean)


def test_networks_side_by_side_and_methods_on_their_descriptors(
    data: Path, networks: dict[str, Path], tmp_path: Path
) -> None:
    pair = [networks["a2"], networks["diagonal"]]
    together = evaluate(settings(data, pair), cache=tmp_path)
    assert list(together.run.methods) == ["a2", "diagonal"]
    for place in pair:
        alone = evaluate(settings(data, [place]), cache=tmp_path)
        name = place.name
        assert [r.predictions[name] for r in alone.records] == [r.predictions[name] for r in together.records]
        assert alone.run.weights_digest != together.run.weights_digest
    crossed = evaluate(settings(data, pair, "methods=[a2m2_net, diagonal, protonet]"), cache=tmp_path)
    assert list(crossed.run.methods) == [
        f"{n}:{m}" for n in ("a2", "diagonal") for m in ("a2m2_net", "diagonal", "protonet")
    ]
    for mine, yours in (("a2:a2m2_net", "a2"), ("diagonal:diagonal", "diagonal")):
        assert [r.predictions[mine] for r in crossed.records] == [
            r.predictions[yours] for r in together.records
        ]
    single = evaluate(settings(data, pair[:1], "methods=[protonet]"), cache=tmp_path)
    assert list(single.run.methods) == ["protonet"]


def test_clips_are_decoded_once_and_threads_and_caches_change_nothing(
    data: Path, networks: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    read = trained.read_video

    def counted(path: Path, **options: object) -> object:
        decoded.append(path)
        return read(path, **options)

    monkeypatch.setattr(trained, "read_video", counted)
    chosen = settings(data, [networks["a2"]], "methods=[a2m2_net, diagonal]")
    assert "8 of 8 test clips still to describe" in "\n".join(plan(chosen, cache=tmp_path / "one"))
    runs = []
    for number, (cache, threads) in enumerate([("one", 1), ("one", 2), ("two", 2)]):
        out = tmp_path / f"out{number}"
        evaluate(chosen, out=out, cache=tmp_path / cache, num_threads=threads)
        runs.append([(out / name).read_bytes() for name in ("run.json", "episodes.jsonl", "summary.json")])
        assert len(decoded) == 8 * len({"one", cache})
    assert runs[0] == runs[1] == runs[2]
    assert "0 of 8 test clips still to describe" in "\n".join(plan(chosen, cache=tmp_path / "one"))


# --- what is learnt and what is set ---


@pytest.fixture
def matcher_of(data: Path, networks: dict[str, Path], tmp_path: Path) -> Callable[..., tuple[str, Matcher]]:
    def of(network: str, *overrides: str) -> tuple[str, Matcher]:
        chosen = settings(data, [networks[network]], *overrides)
        test = load_dataset(str(data)).select(["test"])
        entry = TrainedEntry(chosen, test.videos, ["0"] * len(test), FeatureStore(tmp_path))
        ((title, description),) = entry.descriptions.items()
        return description, entry._matchers[title][1]

    return of


def test_learnt_parts_are_kept_and_explicit_settings_win(
    networks: dict[str, Path], matcher_of: Callable[..., tuple[str, Matcher]]
) -> None:
    learnt = load_network(networks["a2"]).network.matcher.temperature.log_value
    _, matcher = matcher_of("a2")
    assert torch.equal(matcher.temperature.log_value, learnt)
    for method in ("diagonal", "protonet"):
        assert torch.equal(matcher_of("a2", f"methods=[{method}]")[1].temperature.log_value, learnt)
    _, set_to = matcher_of("a2", "a2.temperature=3")
    assert float(set_to.temperature().detach()) == pytest.approx(3)
    description, changed = matcher_of("a2", "a2.weights=softmax", "a2.order_prior=0.3", "a2.shots=union")
    assert (changed.weights, changed.order_prior, changed.shots) == ("softmax", 0.3, "union")
    assert description == (
        "trained; second-order moments, exact optimal transport (softmax weights, order prior 0.3 on time)"
    )
    _, gated = matcher_of("gated")
    weight = load_network(networks["gated"]).network.matcher.gate.linear.weight
    assert torch.equal(gated.gate.linear.weight, weight)
    assert matcher_of("gated", "a2.weights=uniform")[1].gate is None
    assert not any(m.training for m in gated.modules()) or gated.eval()


def test_the_order_of_moments_is_the_network_s(matcher_of: Callable[..., tuple[str, Matcher]]) -> None:
    assert matcher_of("first")[0] == "trained; first-order moments, exact optimal transport"
    assert matcher_of("first", "methods=[diagonal]")[0] == "trained; first-order moments, no alignment"
    assert matcher_of("first", "methods=[a2m2_net]")[0].startswith("trained; first-order moments")


def test_what_a_network_cannot_do_is_named(data: Path, networks: dict[str, Path], tmp_path: Path) -> None:
    cases: list[tuple[list[str], list[str], type[Exception], str]] = [
        (
            ["a2", "two_frames"],
            [],
            ConfigError,
            r"two_frames looks at other frames \(2, segment_center\) than a2 \(4, seg",
        ),
        (
            ["a2"],
            ["a2.weights=gate"],
            ConfigError,
            r"a2 was trained without the gate of a2m2_net with a2\.weights gate; choose another method or rule",
        ),
        (
            ["a2"],
            ["methods=[trx]"],
            ConfigError,
            r"a2 was trained without the transformers of trx with a2\.weights cross_reference; .* or train this one",
        ),
        (
            ["a2"],
            ["methods=[mean_feature]"],
            ConfigError,
            r"method mean_feature reads other descriptors than the second-order ones of a2",
        ),
        (["a2"], ["methods=[diagnal]"], ConfigError, r"unknown method 'diagnal'; did you mean 'diagonal'\?"),
        (
            ["gated"],
            ["methods=[a2_first_order]"],
            ConfigError,
            r"a2_first_order reads other descriptors than the second-order ones of gated",
        ),
    ]
    for names, overrides, kind, message in cases:
        with pytest.raises(kind, match=message):
            evaluate(settings(data, [networks[name] for name in names], *overrides), cache=tmp_path)
    with pytest.raises(WeightsError, match=r"no weights .*nothing"):
        evaluate(settings(data, [tmp_path / "nothing"]), cache=tmp_path)


def test_broken_videos_are_named_together_and_the_others_are_kept(
    networks: dict[str, Path], tmp_path: Path
) -> None:
    root = tiny_data(tmp_path / "data", {"test": ["down", "left"]})
    (root / "test" / "left" / "01.mp4").write_text("not a video\n")
    (root / "test" / "down" / "02.mp4").write_text("nor this\n")
    with pytest.raises(DataError, match=r"2 videos cannot be decoded: .*down/02\.mp4: .*; .*left/01\.mp4: "):
        evaluate(settings(root, [networks["a2"]]), cache=tmp_path / "cache")
    assert len(list((tmp_path / "cache" / "features" / "descriptors").rglob("*.safetensors"))) == 4


def test_networks_are_called_by_their_folders(tmp_path: Path) -> None:
    for name in ("net.v1", "net.v2", "x"):
        (tmp_path / name).mkdir()
    root = str(tmp_path)
    places = [
        f"{root}/net.v1",
        f"{root}/net.v2/weights.safetensors",
        f"{root}/best.safetensors",
        f"{root}/x/../x",
    ]
    assert names_of(places) == ["net.v1", "net.v2", "best", "x"]
    assert names_of([f"{root}/x", "other/x", "y"]) == ["x-1", "x-2", "y"]


# --- the command line ---


def test_a_training_of_no_steps_is_evaluated_on_its_own_clips(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "start"
    record = train(
        tiny_settings(data, "meta.steps=0"), "meta", out, cache=tmp_path / "cache", accelerator="cpu"
    )
    assert record.done
    assert record.best is not None
    assert record.best.step == 0
    saved = load_network(out)
    assert saved.digest == record.weights_digest
    assert saved.network.encoder.mean.abs().sum() > 0
    words = [
        "evaluate",
        out,
        "--way",
        2,
        "--episodes",
        10,
        "--cache",
        tmp_path / "cache",
        "-o",
        tmp_path / "run",
    ]
    monkeypatch.setattr(sys, "argv", ["a2m2", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    assert "start" in capsys.readouterr().out
    run = read_run(tmp_path / "run")
    assert (run.splits, run.classes) == (("test",), ("down", "down_right"))
    assert run.weights_digest == saved.digest


# --- tables of pairs ---


def separable(num_classes: int, clips: int) -> tuple[Descriptors, list[int]]:
    """Descriptors whose classes can be told apart, but not always."""
    generator = torch.Generator().manual_seed(3)
    labels = [label for label in range(num_classes) for _ in range(clips)]
    centres = torch.randn(num_classes, len(WINDOWS), 12, generator=generator)
    noise = torch.randn(len(labels), len(WINDOWS), 12, generator=generator)
    values = 1 + centres[torch.tensor(labels)] + 1.2 * noise
    energy = torch.rand(len(labels), 4, generator=generator)
    spans = WINDOWS.float().expand(len(labels), -1, -1)
    return Descriptors(values, spans, WINDOWS, SCALE, energy, torch.ones(12)), labels


@pytest.mark.parametrize("shot", [1, 3])
@pytest.mark.parametrize(
    "matcher",
    [
        A2Matcher(),
        A2Matcher(weights="softmax", order_prior=0.3),
        A2Matcher(weights="energy"),
        DiagonalMatcher(),
    ],
    ids=["a2", "a2_softmax_order", "a2_energy", "diagonal"],
)
def test_a_table_of_pairs_answers_as_episodes_do(matcher: Matcher, shot: int) -> None:
    descriptors, labels = separable(5, 7)
    names = [f"class {label}" for label in range(5)]
    sampler = EpisodeSampler(labels, class_names=names, way=3, shot=shot, query=2, seed=1)
    told: list[tuple[int, int]] = []
    table = pair_scores(matcher, descriptors, num_threads=2, progress=lambda *a: told.append(a))
    assert table.shape == (35, 35)
    assert told[-1][0] == told[-1][1]
    assert told == sorted(told)
    assert np.array_equal(table, pair_scores(matcher, descriptors, num_threads=1))
    contestant = Contestant("m", FixedSource(descriptors), matcher)
    records = list(run_episodes([contestant], sampler.episode, 60))
    expected = [record.num_correct("m") / 6 for record in records]
    found = episode_accuracies(table, (sampler.episode(index) for index in range(60)))
    np.testing.assert_allclose(found, expected)
    assert 0.4 < np.mean(expected) < 1


@pytest.mark.parametrize(
    "matcher", [ProtoNetMatcher(), A2Matcher(shots="prototype"), A2Matcher(shots="union")]
)
def test_a_matcher_that_is_no_mean_of_pairs_is_refused(matcher: Matcher) -> None:
    descriptors, _ = separable(2, 2)
    name = type(matcher).__name__
    with pytest.raises(
        ValueError, match=rf"expected a matcher whose scores are means over pairs, got {name}"
    ):
        pair_scores(matcher, descriptors)
