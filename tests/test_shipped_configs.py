"""Every configuration that comes with the package loads, and the trained ones make a step of both stages."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from a2m2.config import load, read_yaml, shipped
from a2m2.settings import EvaluateSettings
from a2m2.train.train import train
from a2m2.train_records import read_metrics
from a2m2.train_settings import TrainSettings
from a2m2.weights import load_network
from tiny_backbones import CONFIGS, save_tiny
from train_fixtures import annotate, one_thread, tiny_data

TRAINED = sorted(name for name, path in shipped().items() if {"pretrain", "meta"} & read_yaml(path).keys())
SMALL = (
    "video.resize=32",
    "video.crop=32",
    "pretrain.steps=1",
    "pretrain.batch=2",
    "pretrain.accumulate=1",
    "meta.steps=1",
    "meta.episodes_per_step=1",
    "meta.way=2",
    "meta.shot=1",
    "meta.query=1",
    "validation.way=2",
    "validation.shot=1",
    "validation.query=1",
    "validation.episodes=4",
    "loader_workers=0",
    "clips_in_memory=true",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    splits = {"train": ["right", "left"], "val": ["up", "still"]}
    return annotate(tiny_data(tmp_path_factory.mktemp("data") / "squares", splits, clips_per_class=2))


def tiny_source(source: str, folder: Path) -> str:
    """A backbone of the same kind that needs no network."""
    if "/" not in source:
        return source
    simplified = source.lower().replace("-", "").replace("_", "")
    for model_type in sorted(CONFIGS, key=len, reverse=True):
        family = model_type.removesuffix("_vision_model").replace("_", "")
        if family in simplified:
            return str(save_tiny(model_type, folder))
    pytest.skip(f"no tiny model of the kind of {source}")


def test_configurations_are_of_one_kind_or_the_other() -> None:
    assert {"synth-small", "resnet50"} <= set(TRAINED)
    for name, path in shipped().items():
        load(TrainSettings if name in TRAINED else EvaluateSettings, path, data="clips")


@pytest.mark.parametrize("name", TRAINED)
def test_a_configuration_makes_a_step_of_both_stages(name: str, data: Path, tmp_path: Path) -> None:
    given = load(TrainSettings, shipped()[name], data=str(data))
    source = tiny_source(given.backbone.source, tmp_path / "backbone")
    settings = load(TrainSettings, shipped()[name], [*SMALL, f"backbone.source={source}"], data=str(data))
    # What is not about sizes is as it is shipped.
    assert (settings.m2, settings.a2, settings.precision) == (given.m2, given.a2, given.precision)
    first, second = tmp_path / "pretrained", tmp_path / "trained"
    with one_thread():
        train(settings, "pretrain", first, cache=tmp_path / "cache", accelerator="cpu")
        record = train(settings, "meta", second, start=first, cache=tmp_path / "cache", accelerator="cpu")
    assert record.done
    assert record.start == load_network(first).digest
    for folder in (first, second):
        lines = [metric.values for metric in read_metrics(folder)]
        assert [sorted(line) for line in lines] == [
            ["accuracy", "gradient_norm", "learning_rate", "loss"],
            ["validation_accuracy", "validation_interval95"],
        ]
        assert lines[0]["gradient_norm"] > 0
        network = load_network(folder).network
        assert all(tensor.isfinite().all() for tensor in network.state_dict().values())
        assert network.encoder.backbone.training is False
    before, after = load_network(first).network, load_network(second).network
    changed = [
        n for n, p in before.named_parameters() if not torch.equal(p, dict(after.named_parameters())[n])
    ]
    assert any(name.startswith("encoder.backbone") for name in changed)
    assert any(name.startswith("encoder.blocks") for name in changed)
