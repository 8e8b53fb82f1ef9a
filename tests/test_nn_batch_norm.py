"""Batch norms that stay frozen whatever is called on the modules above them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from a2m2.nn import FrozenBatchNorm, freeze_batch_norm


def network() -> nn.Sequential:
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU())
    model = nn.Sequential(inner, nn.Flatten(), nn.BatchNorm1d(16))
    for _ in range(3):
        model(torch.randn(8, 3, 2, 2) + 1)
    return model.eval()


def test_frozen_network_computes_and_saves_what_the_network_did() -> None:
    model, frozen = network(), network()
    assert freeze_batch_norm(frozen) == 2
    x = torch.randn(5, 3, 2, 2)
    torch.testing.assert_close(frozen(x), model(x), rtol=0, atol=0)
    assert list(frozen.state_dict()) == list(model.state_dict())
    frozen.load_state_dict(model.state_dict())


def test_the_freeze_survives_train() -> None:
    frozen = network()
    freeze_batch_norm(frozen)
    before = {name: value.clone() for name, value in frozen.state_dict().items()}
    x = torch.randn(5, 3, 2, 2)
    expected = frozen(x)
    frozen.train()
    assert frozen.training
    torch.testing.assert_close(frozen(x), expected, rtol=0, atol=0)
    for name, value in frozen.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


@pytest.mark.parametrize("affine", [False, True])
def test_scale_and_shift_train_unless_they_are_frozen_too(affine: bool) -> None:
    frozen = network()
    freeze_batch_norm(frozen, affine=affine)
    norms = [module for module in frozen.modules() if isinstance(module, FrozenBatchNorm)]
    assert all(parameter.requires_grad != affine for norm in norms for parameter in norm.parameters())
    assert frozen[0][0].weight.requires_grad


def test_freezing_twice_changes_nothing() -> None:
    frozen = network()
    freeze_batch_norm(frozen)
    assert freeze_batch_norm(frozen) == 0


def test_layers_that_cannot_be_frozen_are_named() -> None:
    with pytest.raises(ValueError, match="got a batch norm; pass its parent"):
        freeze_batch_norm(nn.BatchNorm2d(3))
    with pytest.raises(
        ValueError, match="expected batch norms with running statistics, got one that keeps none"
    ):
        freeze_batch_norm(nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)))
