"""A saved network is the network: same outputs, same digest, and no other file is needed to build it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from a2m2.errors import OutputError, WeightsError
from a2m2.model import FewShotModel
from a2m2.networks import build_network
from a2m2.nn import build_backbone
from a2m2.train_settings import TrainSettings
from a2m2.weights import (
    FILE_NAME,
    fill,
    load_network,
    network_digest,
    network_file,
    read_tensors,
    save_network,
)
from tiny_backbones import save_tiny
from train_fixtures import shake, tiny_settings

FRAMES = torch.rand(4, 4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
NETWORKS = {
    "small-cnn": ("small-cnn", []),
    "small-cnn with differences": ("small-cnn", ["backbone.difference=true", "m2.stages=[mid, last]"]),
    "motion-filters": ("motion-filters", []),
    "resnet": ("resnet", ["m2.stages=[mid, last]"]),
    "resnet, stride 1 and differences": ("resnet", ["backbone.last_stride=1", "backbone.difference=true"]),
    "resnet, a numbered stage": ("resnet", ["m2.stages=[3]"]),
    "mobilenet_v2, stride 1": ("mobilenet_v2", ["backbone.last_stride=1"]),
    "clip": ("clip_vision_model", ["m2.stages=[mid]"]),
    "videomae": ("videomae", []),
    "tsa and tca, first order, no centre": (
        "small-cnn",
        ["m2.calibration=tsa+tca", "m2.center=false", "method=a2_first_order"],
    ),
    "third order": ("small-cnn", ["m2.order=third", "m2.sketch_length=10", "m2.sketch_seed=3"]),
    "first and second order, two stages": ("small-cnn", ["m2.order=first+second", "m2.stages=[mid, last]"]),
    "Brownian, with a gate": ("small-cnn", ["m2.order=brownian", "a2.weights=gate"]),
    "third order, with a gate": ("small-cnn", ["m2.order=third", "a2.weights=gate"]),
    "logarithm": ("small-cnn", ["m2.root=log_euclidean"]),
    "gate and temperature": (
        "small-cnn",
        ["a2.weights=gate", "a2.learn_temperature=true", "a2.order_prior=0.3"],
    ),
    "diagonal": ("small-cnn", ["method=diagonal", "a2.learn_temperature=true"]),
    "trx": ("small-cnn", ["method=trx", "a2.width=8"]),
    "hyrsm": ("small-cnn", ["method=hyrsm", "a2.width=16", "a2.learn_temperature=true"]),
}


def made(source: str, overrides: list[str], folder: Path) -> tuple[FewShotModel, TrainSettings]:
    """A network with nothing at its start, from a backbone folder that is gone afterwards."""
    if "-" not in source:
        source = str(save_tiny(source, folder))
    settings = tiny_settings("nowhere", f"backbone.source={source}", *overrides)
    network = shake(build_network(settings.network())).eval()
    shutil.rmtree(folder, ignore_errors=True)
    return network, settings


@torch.no_grad()
def scores(network: FewShotModel) -> torch.Tensor:
    return network(FRAMES[:2], torch.arange(2), FRAMES[2:], num_classes=2).logits


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    network, settings = made(*NETWORKS[name], tmp_path / "backbone")
    place = tmp_path / "run" / FILE_NAME
    digest = save_network(place, network, settings.network(), {"step": 3})
    assert not (tmp_path / "backbone").exists()
    saved = load_network(tmp_path / "run")
    assert (saved.path, saved.digest, saved.provenance) == (place, digest, {"step": 3})
    assert saved.settings == settings.network()
    assert saved.digest == network_digest(network.state_dict(), settings.network())
    assert not any(module.training for module in saved.network.modules())
    before, after = network.state_dict(), saved.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    torch.testing.assert_close(scores(saved.network), scores(network), rtol=1e-6, atol=1e-6)
    descriptors = saved.network.encode(FRAMES)
    expected = network.encode(FRAMES)
    torch.testing.assert_close(descriptors.values, expected.values, rtol=1e-6, atol=1e-6)
    assert descriptors.blocks == expected.blocks
    # Saved again from what was read, it is the same file.
    again = tmp_path / "again.safetensors"
    assert save_network(again, saved.network, saved.settings, saved.provenance) == digest
    assert again.read_bytes() == place.read_bytes()
    rebuilt = build_backbone(saved.network.encoder.backbone.architecture())
    assert rebuilt.architecture() == network.encoder.backbone.architecture()


def test_loading_leaves_the_global_generator_alone(saved: Path) -> None:
    torch.manual_seed(4)
    before = torch.random.get_rng_state()
    load_network(saved)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_the_matcher_learnt_survives(tmp_path: Path) -> None:
    network, settings = made("small-cnn", ["a2.weights=gate", "a2.learn_temperature=true"], tmp_path / "x")
    save_network(tmp_path / "w.safetensors", network, settings.network(), {})
    matcher = load_network(tmp_path / "w.safetensors").network.matcher
    assert float(matcher.temperature().detach()) != pytest.approx(settings.a2.temperature, rel=1e-4)
    assert torch.equal(matcher.temperature.log_value, network.matcher.temperature.log_value)
    assert isinstance(matcher.temperature.log_value, torch.nn.Parameter)
    assert matcher.gate.linear.weight.abs().sum() > 0
    assert torch.equal(matcher.gate.linear.weight, network.matcher.gate.linear.weight)


def test_the_digest_names_weights_and_settings_but_no_place(tmp_path: Path) -> None:
    network, settings = made("small-cnn", [], tmp_path / "x")
    tensors = network.state_dict()
    digest = network_digest(tensors, settings.network())
    elsewhere = tiny_settings("y", "backbone.source=some/where").network()
    assert network_digest(tensors, elsewhere) == digest
    for change in ("m2.newton_steps=4", "m2.root=none", "m2.shrinkage=0.2", "m2.sketch_seed=1"):
        other = tiny_settings("y", change).network()
        assert network_digest(tensors, other) != digest
    with torch.no_grad():
        next(network.parameters()).add_(1e-3)
    assert network_digest(network.state_dict(), settings.network()) != digest


# --- files that do not do ---


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    network, settings = made("small-cnn", [], folder / "x")
    save_network(folder / FILE_NAME, network, settings.network(), {})
    return folder / FILE_NAME


def rewritten(
    change: Callable[[dict[str, str], dict[str, torch.Tensor]], None], saved: Path, to: Path
) -> Path:
    metadata, tensors = read_tensors(saved)
    change(metadata, tensors)
    save_file(tensors, to, metadata)
    return to


FOREIGN: dict[str, tuple[Callable[[dict[str, str], dict[str, torch.Tensor]], object], str]] = {
    "no metadata": (
        lambda m, t: m.clear(),
        r"is not a network of a2m2 \(format None, expected 'a2m2-network-1'\)",
    ),
    "a newer format": (lambda m, t: m.update(format="a2m2-network-9"), r"format 'a2m2-network-9', expected"),
    "no settings": (
        lambda m, t: m.pop("settings"),
        r"the settings in .* cannot be used \('settings' is missing\); train again",
    ),
    "settings that are no JSON": (lambda m, t: m.update(settings="{"), r"the settings in .* cannot be used"),
    "an unknown setting": (lambda m, t: m.update(settings='{"colour": 1}'), r"unknown key 'colour'"),
    "no architecture": (lambda m, t: m.pop("architecture"), r"cannot be used \('architecture' is missing\)"),
    "an unknown backbone": (
        lambda m, t: m.update(architecture='{"kind": "fish", "stages": ["last"]}'),
        r"unknown kind of backbone 'fish'; a newer version of a2m2 may read it",
    ),
    "half a backbone": (
        lambda m, t: m.update(architecture='{"kind": "small-cnn", "stages": ["last"]}'),
        r"the description of the backbone cannot be used \('difference' is missing\)",
    ),
    "an unknown encoder": (
        lambda m, t: m.update(
            architecture='{"kind": "transformers", "model_type": "fish", "config": {}, "stages": ["last"], '
            '"normalisation": {"mean": [0], "std": [1], "gain": 1}, "last_stride": 2, "difference": false}'
        ),
        r"the description of the backbone cannot be used",
    ),
    "a missing tensor": (
        lambda m, t: t.pop("matcher.temperature.log_value"),
        r"they lack matcher\.temperature\.log_value; use the configuration",
    ),
    "a tensor too many": (
        lambda m, t: t.update(extra=torch.zeros(2)),
        r"they hold the unknown extra; use the configuration",
    ),
    "a tensor of another shape": (
        lambda m, t: t.update({"encoder.blocks.0.mean": torch.zeros(7)}),
        r"encoder\.blocks\.0\.mean has shape \(7,\), expected \(36,\)",
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_foreign_files_are_refused(case: str, saved: Path, tmp_path: Path) -> None:
    change, message = FOREIGN[case]
    path = rewritten(change, saved, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=message):
        load_network(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff" * 100, None])
def test_damaged_files_are_refused(content: bytes | None, saved: Path, tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(saved.read_bytes()[:-8] if content is None else content)
    with pytest.raises(
        WeightsError, match=r"weights\.safetensors cannot be read as weights \(.*\); copy or train it"
    ):
        load_network(tmp_path)


def test_missing_files_are_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(
        WeightsError, match=r"holds no weights\.safetensors; expected a folder of 'a2m2 pretrain' or"
    ):
        load_network(tmp_path)
    with pytest.raises(
        WeightsError, match=r"no weights .*wieghts\.safetensors; did you mean .*weights\.safetensors\?"
    ):
        load_network(saved.parent / "wieghts.safetensors")
    with pytest.raises(
        WeightsError,
        match=r"no weights .*none; give a training folder, its weights file, or a shipped network \(motion-small\)",
    ):
        load_network(tmp_path / "none")
    assert network_file(saved) == network_file(saved.parent) == saved


def test_a_place_that_cannot_be_written_is_named_and_the_old_file_stays(saved: Path, tmp_path: Path) -> None:
    network = load_network(saved)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match=r"cannot write .*: a part of the path is a file"):
        save_network(tmp_path / "file" / FILE_NAME, network.network, network.settings, {})
    path = tmp_path / FILE_NAME
    path.write_bytes(saved.read_bytes())
    with pytest.raises(TypeError):
        save_network(path, network.network, network.settings, {"not": object()})
    assert path.read_bytes() == saved.read_bytes()
    assert not list(tmp_path.glob(".tmp-*"))


def test_filling_without_the_matcher_leaves_it(saved: Path) -> None:
    _, tensors = read_tensors(saved)
    settings = tiny_settings("x", "a2.weights=gate", "a2.temperature=3").network()
    network = build_network(settings)
    with pytest.raises(
        WeightsError, match=r"the weights in there are of another configuration: they lack matcher\.gate"
    ):
        fill(network, tensors, source="there")
    fill(network, tensors, source="there", without=("matcher.",))
    assert float(network.matcher.temperature()) == pytest.approx(3)
    assert torch.equal(network.encoder.blocks[0].mean, tensors["encoder.blocks.0.mean"])
