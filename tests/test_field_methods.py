"""The field's methods from clips to records: with training, without, and where that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from a2m2.config import load
from a2m2.errors import ConfigError
from a2m2.eval.evaluate import evaluate
from a2m2.eval.training_free import methods_of
from a2m2.matching import A2Matcher
from a2m2.methods import METHODS, find_method
from a2m2.networks import build_network
from a2m2.settings import A2Settings, EvaluateSettings, M2Settings
from a2m2.train.train import train
from a2m2.weights import load_network
from train_fixtures import tiny_data, tiny_settings

PLAIN = ("otam", "bi_mhm", "chamfer", "chamfer_support", "chamfer_max", "linear_probe")
LEARNT = ("trx", "hyrsm")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    splits = {"train": ["right", "left"], "val": ["up", "still"], "test": ["down", "down_right"]}
    return tiny_data(tmp_path_factory.mktemp("data") / "squares", splits)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_methods_are_declared_as_learnt_or_not() -> None:
    built = {
        name: builder(M2Settings(components=4), A2Settings(width=8)) for name, builder in METHODS.items()
    }
    assert {name for name, method in built.items() if method.matcher.learnt} == set(LEARNT)


@pytest.mark.parametrize("order", ["first", "second"])
def test_without_training_all_that_learn_nothing_run_side_by_side(
    data: Path, cache: Path, order: str
) -> None:
    small = ["video.resize=32", "video.crop=32", "protocol.way=2", "protocol.episodes=20", "m2.components=4"]
    names = ", ".join(PLAIN)
    settings = load(
        EvaluateSettings, None, [*small, f"m2.order={order}", f"methods=[{names}]"], data=str(data)
    )
    result = evaluate(settings, cache=cache)
    assert tuple(result.summary.methods) == PLAIN
    assert all(result.run.methods[name].startswith(("mean of", order)) for name in PLAIN)
    assert all(result.summary.methods[name].accuracy > 0.7 for name in PLAIN)


@pytest.mark.parametrize("method", [*LEARNT, "otam", "linear_probe"])
def test_a_step_of_training_and_a_test(data: Path, cache: Path, tmp_path: Path, method: str) -> None:
    one_step = ["meta.steps=1", "meta.episodes_per_step=1", "validation.every=1", "a2.width=8", "meta.shot=2"]
    settings = tiny_settings(data, f"method={method}", "a2.learn_temperature=true", *one_step)
    record = train(settings, "meta", tmp_path / "run", cache=cache, accelerator="cpu", num_threads=1)
    assert record.done
    before = dict(build_network(settings.network(), seed=settings.seed).matcher.named_parameters())
    after = dict(load_network(tmp_path / "run").network.matcher.named_parameters())
    assert before.keys() == after.keys()
    assert all(not torch.equal(before[name], after[name]) for name in before)
    test = load(
        EvaluateSettings,
        None,
        ["protocol.way=2", "protocol.episodes=5"],
        data=str(data),
        weights=[str(tmp_path / "run")],
    )
    assert evaluate(test, cache=cache).summary.methods["run"].episodes == 5


@pytest.mark.parametrize("method", LEARNT)
def test_learnt_weights_come_from_the_seed_alone(method: str) -> None:
    settings = tiny_settings("nowhere", f"method={method}", "a2.width=8").network()
    state = torch.random.get_rng_state()
    first, again, other = (build_network(settings, seed=seed).matcher.state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (["methods=[trx]"], r"trx has parts without weights \(its matcher\)"),
        (["methods=[hyrsm]"], r"hyrsm has parts without weights \(its matcher\)"),
        (["a2.weights=gate"], r"a2m2_net has parts without weights \(its matcher\)"),
        (
            ["m2.reduction=conv"],
            r"a2m2_net has parts without weights \(m2.reduction conv, m2.calibration difference\)",
        ),
        (["backbone.difference=true"], r"a2m2_net has parts without weights \(backbone.difference true\)"),
    ],
)
def test_without_training_what_learns_is_refused(overrides: list[str], parts: str) -> None:
    settings = load(EvaluateSettings, None, overrides, data="nowhere")
    with pytest.raises(ConfigError, match=parts + r"; train it with 'a2m2 train', or use pca"):
        methods_of(settings)


@pytest.mark.parametrize("method", LEARNT)
def test_learnt_methods_need_the_length_of_descriptors(method: str) -> None:
    settings = load(EvaluateSettings, None, [f"methods=[{method}]", "m2.components=null"], data="nowhere")
    with pytest.raises(
        ConfigError, match=r"learnt weights \(trx, hyrsm, .*\) needs to know .*; give m2\.components"
    ):
        methods_of(settings)


@pytest.mark.parametrize("width", [4, 12])
def test_a_width_that_does_not_divide_into_heads_is_refused(width: int) -> None:
    with pytest.raises(ConfigError, match=r"a2\.width: input should be"):
        load(EvaluateSettings, None, [f"a2.width={width}"], data="nowhere")


def test_a2_ordered_has_the_prior_of_the_settings_or_its_own() -> None:
    builder = find_method("a2_ordered")
    own = builder(M2Settings(), A2Settings()).matcher
    assert isinstance(own, A2Matcher)
    assert (own.order_prior, own.order_axis) == (0.1, "progress")
    asked = builder(M2Settings(), A2Settings(order_prior=0.4, order_axis="time"))
    assert isinstance(asked.matcher, A2Matcher)
    assert (asked.matcher.order_prior, asked.matcher.order_axis) == (0.4, "time")
    assert "order prior 0.4 on time" in asked.description
