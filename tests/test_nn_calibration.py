"""Differences and attentions in time, against loops from their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from a2m2.nn.calibration import (
    Calibration,
    TemporalChannelAttention,
    TemporalSpatialAttention,
    central_difference,
    earlier,
    later,
    temporal_difference,
)
from reference import moments as reference


def maps(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_difference_equals_the_slow_loop() -> None:
    x = maps(2, 4, 3, 2, 5)
    calibration = Calibration("difference", 3)
    assert (calibration.out_channels, calibration.num_difference) == (6, 3)
    for fast, video in zip(calibration(x), x.numpy(), strict=True):
        np.testing.assert_array_equal(fast.numpy(), reference.append_differences(video))
    assert not temporal_difference(x)[:, 0].any()


def test_central_difference_equals_the_slow_loop() -> None:
    x = maps(2, 4, 3, 2, 5)
    calibration = Calibration("central", 3)
    assert (calibration.out_channels, calibration.num_difference) == (6, 3)
    last = x.shape[1] - 1
    slow = [(x[:, min(t + 1, last)] - x[:, max(t - 1, 0)]) / 2 for t in range(last + 1)]
    torch.testing.assert_close(calibration(x)[:, :, 3:], torch.stack(slow, dim=1))
    # A film played backwards has the same differences with the other sign, at the same frames.
    torch.testing.assert_close(central_difference(x.flip(1)).flip(1), -central_difference(x))


def test_earlier_and_later_repeat_the_ends_and_never_wrap() -> None:
    x = torch.arange(4.0)[None, :, None]
    assert earlier(x, by=1).flatten().tolist() == [0, 0, 1, 2]
    assert earlier(x, by=2).flatten().tolist() == [0, 0, 0, 1]
    assert later(x).flatten().tolist() == [1, 2, 3, 3]


def test_spatial_attention_starts_as_the_identity() -> None:
    x = maps(2, 4, 3, 2, 2).float()
    torch.testing.assert_close(TemporalSpatialAttention(3)(x), x, rtol=0, atol=0)


def test_spatial_attention_equals_the_slow_loop() -> None:
    torch.manual_seed(0)
    dim, time = 3, 4
    block = TemporalSpatialAttention(dim).double().eval()
    nn.init.normal_(block.norm.weight)
    block.norm.running_mean.normal_()
    block.norm.running_var.uniform_(0.5, 2)
    x = maps(1, time, dim, 2, 3)
    fast = block(x)[0].detach()
    weights = [layer.weight[:, :, 0, 0] for layer in (block.value, block.query, block.key)]
    positions = x[0].flatten(-2)
    for t in range(time):
        value = weights[0] @ positions[t]
        query = weights[1] @ positions[max(t - 1, 0)]
        key = weights[2] @ positions[max(t - 2, 0)]
        for i in range(6):
            scores = torch.stack([query[:, i] @ key[:, j] for j in range(6)]) / math.sqrt(dim)
            share = scores.exp() / scores.exp().sum()
            attended = sum(share[j] * value[:, j] for j in range(6))
            normed = (attended - block.norm.running_mean) / (block.norm.running_var + block.norm.eps).sqrt()
            expected = positions[t, :, i] + normed * block.norm.weight + block.norm.bias
            torch.testing.assert_close(fast[t].flatten(-2)[:, i], expected.detach())


def test_channel_attention_equals_the_slow_loop() -> None:
    torch.manual_seed(0)
    block = TemporalChannelAttention(3).double()
    assert block.gate[0].out_features == 12
    x = maps(1, 4, 3, 2, 2)
    fast = block(x)[0]
    pooled = x[0].mean(dim=(-2, -1))
    for t in range(4):
        short = block.gate(pooled[t] - pooled[max(t - 1, 0)])
        long = block.gate((pooled[t] - pooled[max(t - 2, 0)]) / 2)
        torch.testing.assert_close(fast[t], x[0, t] * ((short + long) / 2)[:, None, None])


@pytest.mark.parametrize("kind", ["none", "difference", "tsa", "tca", "tsa+tca"])
def test_gradients_agree_with_finite_differences(kind: str) -> None:
    torch.manual_seed(0)
    calibration = Calibration(kind, 2).double().eval()
    for module in calibration.modules():
        if isinstance(module, TemporalSpatialAttention):
            nn.init.normal_(module.norm.weight)
    x = maps(1, 3, 2, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(calibration, (x,))
    assert calibration(x).shape[2] == calibration.out_channels


def test_later_frames_do_not_change_earlier_ones() -> None:
    torch.manual_seed(0)
    for kind in ("difference", "tsa+tca"):
        calibration = Calibration(kind, 3).double().eval()
        x = maps(1, 5, 3, 2, 2)
        torch.testing.assert_close(calibration(x)[:, :3], calibration(x[:, :3]))


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match=r"of none, difference, central, tsa, tca, tsa\+tca, got 'flow'"):
        Calibration("flow", 3)
