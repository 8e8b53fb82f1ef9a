"""A meta-training step's gradient with respect to every parameter equals central differences, in float64.

ReLUs and transport plans have kinks. With the seeds below no quotient comes near one: moving by STEP changes no basis
of a plan and flips no ReLU that matters, or the quotients would be off by far more than TOLERANCE.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from a2m2.model import FewShotModel
from a2m2.networks import build_network
from a2m2.nn import Backbone, load_backbone
from a2m2.nn.sources import Normalisation
from a2m2.train.batches import Batch
from a2m2.train.classifier import BaseClassifier
from a2m2.train.encode import encode_training
from a2m2.train.stages import MetaStage, PretrainStage, StageModule
from train_fixtures import shake, tiny_settings

STEP = 1e-6
TOLERANCE = 1e-4
CASES = {
    "cross_reference": ["a2.weights=cross_reference"],
    "cross_reference, two shots": ["a2.weights=cross_reference", "meta.shot=2"],
    "cross_reference of centred descriptors": ["a2.weights=cross_reference", "a2.weight_source=centred"],
    "softmax": ["a2.weights=softmax", "meta.way=3"],
    "gate": ["a2.weights=gate", "meta.shot=2"],
    "gate, prototype": ["a2.weights=gate", "meta.shot=2", "a2.shots=prototype"],
    "softmax, union": ["a2.weights=softmax", "meta.shot=2", "a2.shots=union"],
    "energy, order prior": ["a2.weights=energy", "a2.order_prior=0.3"],
    "base loss": ["meta.base_loss_weight=0.5"],
    "tsa and tca": ["m2.calibration=tsa+tca"],
    "two stages": ["m2.stages=[mid, last]", "a2.weights=softmax"],
    "diagonal": ["method=diagonal", "meta.shot=2"],
    "protonet": ["method=protonet", "meta.way=3"],
    "protonet_euclidean": ["method=protonet_euclidean"],
    "a2_first_order": ["method=a2_first_order"],
    "third order": ["m2.order=third", "m2.sketch_length=10"],
    "Brownian": ["m2.order=brownian"],
    "first and second order, gate": ["m2.order=first+second", "a2.weights=gate"],
    "logarithm": ["m2.root=log_euclidean"],
    "Cholesky": ["m2.root=cholesky"],
    "covariance": ["m2.root=none"],
    "otam": ["method=otam", "meta.shot=2"],
    "bi_mhm": ["method=bi_mhm", "meta.shot=2"],
    "chamfer": ["method=chamfer"],
    "linear_probe": ["method=linear_probe", "meta.shot=2"],
    "trx": ["method=trx", "a2.width=8", "meta.shot=2"],
    "hyrsm": ["method=hyrsm", "a2.width=8"],
}


class TwoConvolutions(Backbone):
    """The least backbone with batch norms and two stages."""

    def __init__(self, stages: tuple[str, ...]) -> None:
        channels = {"mid": 3, "last": 4}
        super().__init__(
            stages=stages,
            channels=tuple(channels[stage] for stage in stages),
            image_size=None,
            normalisation=Normalisation(),
        )
        torch.manual_seed(1)
        self.first = nn.Sequential(nn.Conv2d(3, 3, 4, stride=2, bias=False), nn.BatchNorm2d(3), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))

    def maps(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        middle = self.first(pixels.flatten(0, 1))
        maps = {"mid": middle, "last": self.second(middle)}
        return tuple(maps[stage].unflatten(0, pixels.shape[:2]) for stage in self.stages)

    def settings(self) -> dict[str, object]:
        return {}

    def architecture(self) -> dict[str, object]:
        return {}


def meta_step(*overrides: str, backbone: Backbone | None = None) -> tuple[StageModule, Batch]:
    """A float64 stage with everything away from its start, and one episode of noise."""
    settings = tiny_settings("nowhere", "a2.learn_temperature=true", "video.num_frames=3", *overrides)
    backbone = backbone or TwoConvolutions(tuple(map(str, settings.m2.stages)))
    network = shake(build_network(settings.network(), backbone=backbone, seed=3)).double()
    meta = settings.meta
    head = None
    if meta.base_loss_weight:
        head = classifier(network, settings.video.num_frames)
    module = MetaStage(
        network,
        head,
        settings,
        meta.optimizer,
        num_steps=1,
        describe=str,
        stage=meta,
        starts_fresh=False,
    )
    ways = [way for number in (meta.shot, 1) for way in range(meta.way) for _ in range(number)]
    return module, noise_batch(ways)


def classifier(network: FewShotModel, num_frames: int) -> BaseClassifier:
    torch.manual_seed(5)
    return BaseClassifier(
        dim=sum(network.encoder.dims),
        num_frames=num_frames,
        scales=network.encoder.scales,
        num_classes=3,
        dropout=0.0,
    ).double()


def noise_batch(ways: list[int]) -> Batch:
    generator = torch.Generator().manual_seed(7)
    frames = torch.randint(0, 256, (len(ways), 3, 3, 12, 12), generator=generator, dtype=torch.uint8)
    return {
        "index": torch.tensor(1),
        "frames": frames,
        "label": torch.tensor(ways) % 3,
        "way": torch.tensor(ways),
    }


def loss_function(module: StageModule, batch: Batch) -> Callable[[], torch.Tensor]:
    """The loss of the step as a function of the parameters; the first call has the gradient of the step itself.

    The running mean takes the batch in without gradient, and motion energy has none: both are constants of the
    derivative. In meta-training the mean that centres moves with the batch's.
    """
    encoder = module.network.encoder
    before = encoder.mean
    held: dict[str, torch.Tensor] = {}

    def loss() -> torch.Tensor:
        encoder.set_mean(before)
        descriptors = encode_training(encoder, batch["frames"], mean_rate=0.25, mean_gradient=module.cosines)
        batch_mean = descriptors.values.mean((0, 1))
        if not held:
            assert descriptors.mean is not None
            held.update(
                mean=descriptors.mean.detach(), batch_mean=batch_mean.detach(), energy=descriptors.energy
            )
            return module.losses(descriptors, batch)[0]
        mean = held["mean"] + (batch_mean - held["batch_mean"] if module.cosines else 0)
        return module.losses(replace(descriptors, mean=mean, energy=held["energy"]), batch)[0]

    return loss


def check_every_parameter(
    module: StageModule, loss: Callable[[], torch.Tensor], *, without_effect: tuple[str, ...] = ()
) -> None:
    """Along one random direction and one axis, that of the largest entry, of each parameter tensor.

    Tensors ``without_effect`` must have no gradient, and the quotients must agree that there is none.
    """
    module.set_modes()
    module.zero_grad()
    loss().backward()
    generator = torch.Generator().manual_seed(11)
    checked = 0
    for name, parameter in module.named_parameters():
        gradient = parameter.grad
        assert gradient is not None, f"no gradient for {name}"
        assert (gradient.abs().max() > 1e-9) != (name in without_effect), name
        axis = torch.zeros(gradient.numel(), dtype=torch.float64)
        axis[gradient.abs().argmax()] = 1
        # Half of the random direction is the gradient's own, so that the product is not small by chance.
        mixed = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
        mixed = mixed / mixed.norm() + gradient / gradient.norm().clamp_min(1e-9)
        for direction in (axis.view(gradient.shape), mixed / mixed.norm().clamp_min(1e-3)):
            values = []
            for sign in (1, -1):
                with torch.no_grad():
                    parameter += sign * STEP * direction
                    values.append(loss().item())
                    parameter -= sign * STEP * direction
            quotient = (values[0] - values[1]) / (2 * STEP)
            product = float((gradient * direction).sum())
            assert quotient == pytest.approx(product, rel=TOLERANCE, abs=1e-8), name
            checked += 1
    assert checked >= 10


@pytest.mark.parametrize("case", CASES)
def test_meta_gradient_equals_differences(case: str) -> None:
    module, batch = meta_step(*CASES[case])
    if case not in ("protonet_euclidean", "trx"):
        assert "network.matcher.temperature.log_value" in dict(module.named_parameters())
    check_every_parameter(module, loss_function(module, batch))


def test_meta_gradient_of_small_cnn_with_its_differences_and_matching() -> None:
    backbone = load_backbone("small-cnn", stages=("last",), difference=True)
    module, batch = meta_step("a2.weights=softmax", backbone=backbone)
    batch["frames"] = batch["frames"].repeat_interleave(2, -1).repeat_interleave(2, -2)
    assert any("log_sharpness" in name for name, _ in module.named_parameters())
    check_every_parameter(module, loss_function(module, batch))


def test_pretraining_gradient_equals_differences_with_live_batch_norms() -> None:
    settings = tiny_settings("nowhere", "video.num_frames=3", "pretrain.label_smoothing=0.1")
    network = shake(build_network(settings.network(), backbone=TwoConvolutions(("last",)), seed=3)).double()
    for parameter in network.matcher.parameters():
        parameter.requires_grad_(False)
    module = PretrainStage(
        network,
        classifier(network, 3),
        settings,
        settings.pretrain.optimizer,
        num_steps=1,
        describe=str,
        stage=settings.pretrain,
    )
    # A covariance does not see what is added to all positions, nor a batch norm what is added to its channel.
    last = "network.encoder.backbone.second.1.bias"
    check_every_parameter(module, loss_function(module, noise_batch([0, 1, 2, 0])), without_effect=(last,))
    assert network.encoder.backbone.training


def test_the_weights_of_the_transport_carry_gradient() -> None:
    """Holding the weights fixed gives another gradient: the dual path is not vacuous in the cases above."""
    module, batch = meta_step("a2.weights=cross_reference")
    loss = loss_function(module, batch)
    first = next(iter(module.network.encoder.blocks[0].reduction.parameters()))
    module.set_modes()
    (whole,) = torch.autograd.grad(loss(), first)
    matcher = module.network.matcher
    weigh = matcher._weights
    matcher._weights = lambda *arguments: tuple(w.detach() for w in weigh(*arguments))
    (without,) = torch.autograd.grad(loss(), first)
    assert (whole - without).norm() > 1e-3 * whole.norm()


def test_moving_all_descriptors_together_is_no_way_out_of_an_episode() -> None:
    """Centred cosines do not change when the same vector is added everywhere, and the gradient knows it."""
    module, batch = meta_step("method=diagonal")
    module.set_modes()
    encoder = module.network.encoder
    slopes = []
    for moves in (True, False):
        descriptors = encode_training(encoder, batch["frames"], mean_rate=1.0, mean_gradient=moves)
        (gradient,) = torch.autograd.grad(module.losses(descriptors, batch)[0], descriptors.values)
        slopes.append(gradient.sum((0, 1)).norm())
    assert slopes[0] < 1e-6 < 1e-3 < slopes[1]
