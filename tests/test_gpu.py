"""The same numbers on a GPU as on the CPU, within stated tolerances. Its CPU rows keep the code of these tests alive.

Run where there is a GPU: python -m pytest -m gpu tests/test_gpu.py
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from a2m2.networks import build_network
from a2m2.train.batches import Batch
from a2m2.train.classifier import build_classifier
from a2m2.train.stages import StageModule, build_stage
from a2m2.train.train import train
from a2m2.train_records import read_metrics
from a2m2.train_settings import Stage
from a2m2.weights import load_network
from train_fixtures import shake, tiny_data, tiny_settings

GPU = pytest.param(
    "cuda",
    marks=(
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    ),
)
DEVICES = pytest.mark.parametrize("device", ["cpu", GPU])
STAGES = pytest.mark.parametrize("stage", ["pretrain", "meta"])
SINGLE = 1e-3
"""Of the largest entry: float32 sums in another order, in gradients of descriptors near their mean."""
BF16 = 0.1
"""Of the largest entry: the backbone and the reduction keep eight bits of each number."""


def stage_on(device: str, stage: Stage, *overrides: str) -> tuple[StageModule, Batch]:
    """A stage away from its start, and a batch of noise, there."""
    settings = tiny_settings("nowhere", "pretrain.dropout=0.0", *overrides)
    network = shake(build_network(settings.network(), seed=3))
    torch.manual_seed(5)
    head = build_classifier(settings, network.encoder, num_classes=3) if stage == "pretrain" else None
    module = build_stage(settings, stage, network, head, num_steps=1, describe=str, starts_fresh=False)
    module.to(device)
    module.set_modes()
    generator = torch.Generator().manual_seed(7)
    ways = torch.tensor([0, 1, 0, 1])
    frames = torch.randint(0, 256, (len(ways), 4, 3, 32, 32), generator=generator, dtype=torch.uint8)
    batch = {"index": torch.tensor(1), "frames": frames, "label": ways, "way": ways}
    return module, {name: tensor.to(device) for name, tensor in batch.items()}


def step(module: StageModule, batch: Batch) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of one training step, and the statistics after it."""
    loss = module.training_step(batch, 0)
    loss.backward()  # type: ignore[no-untyped-call]
    found = {name: p.grad.cpu() for name, p in module.named_parameters() if p.grad is not None}
    found |= {name: buffer.cpu() for name, buffer in module.named_buffers()}
    return float(loss.detach()), found


def assert_close(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], *, share: float) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        scale = float(tensor.abs().max()) if tensor.is_floating_point() else 0.0
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=share * scale + 1e-6, msg=name)


@DEVICES
@STAGES
def test_a_training_step(device: str, stage: Stage) -> None:
    """Loss, every gradient, running means and batch-norm statistics."""
    loss, found = step(*stage_on(device, stage))
    expected_loss, expected = step(*stage_on("cpu", stage))
    assert loss == pytest.approx(expected_loss, rel=SINGLE)
    assert_close(found, expected, share=SINGLE)


@DEVICES
def test_mixed_precision_stays_near_single(device: str) -> None:
    """Descriptors are float32 whatever the backbone is computed in, and near those of float32."""
    module, batch = stage_on(device, "meta")
    pixels = batch["frames"].float() / 255
    with torch.inference_mode():
        single = module.network.encode(pixels)
        with torch.autocast(device, dtype=torch.bfloat16):
            mixed = module.network.encode(pixels)
    assert mixed.values.dtype == single.values.dtype == torch.float32
    assert_close({"values": mixed.values.cpu()}, {"values": single.values.cpu()}, share=BF16)
    assert not torch.equal(mixed.values, single.values)


@DEVICES
def test_what_evaluation_and_enrolment_compute(device: str) -> None:
    """Descriptors of clips, scores of queries against supports, and the answers."""
    scores = {}
    for place in ("cpu", device):
        module, batch = stage_on(place, "meta")
        network = module.network.eval()
        with torch.inference_mode():
            seen = network.encode(batch["frames"].float() / 255)
            answer = network.match(seen[:2], batch["way"][:2], seen[2:], num_classes=2).logits
        scores[place] = {"values": seen.values.cpu(), "logits": answer.float().cpu()}
    assert_close(scores[device], scores["cpu"], share=SINGLE)
    assert torch.equal(scores[device]["logits"].argmax(1), scores["cpu"]["logits"].argmax(1))


@DEVICES
@STAGES
def test_a_training_from_settings_to_weights(device: str, stage: Stage, tmp_path: Path) -> None:
    settings = tiny_settings(tiny_data(tmp_path / "data"), "pretrain.steps=2", "meta.steps=2")
    for name, accelerator in (("here", "cpu"), ("there", "gpu" if device == "cuda" else "cpu")):
        train(settings, stage, tmp_path / name, cache=tmp_path / "cache", accelerator=accelerator)
    here, there = (load_network(tmp_path / name).network.state_dict() for name in ("here", "there"))
    assert_close(there, here, share=SINGLE)
    pairs = zip(read_metrics(tmp_path / "there"), read_metrics(tmp_path / "here"), strict=True)
    assert all(
        one.values["loss"] == pytest.approx(other.values["loss"], rel=1e-2)
        for one, other in pairs
        if "loss" in one.values
    )
