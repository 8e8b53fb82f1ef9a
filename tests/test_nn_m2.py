"""The M² block against slow loops from its equations, end to end, and at its edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from a2m2.moments import Scale
from a2m2.nn import ConvReduction, M2Block, Reduction, fit_reduction
from reference import moments as reference

SCALES = (Scale(1, 1), Scale(2, 2), Scale(4, 4))


def random_maps(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def times(batch: int, time: int) -> tuple[torch.Tensor, torch.Tensor]:
    return (torch.arange(time) + 0.5).expand(batch, time), torch.full((batch,), float(time))


def describe(block: M2Block, maps: torch.Tensor) -> torch.Tensor:
    return block(maps, *times(*maps.shape[:2])).values


def test_descriptors_equal_the_slow_loop() -> None:
    maps = random_maps(2, 4, 6, 3, 3)
    reduction = fit_reduction(maps, num_components=3)
    values = describe(M2Block(reduction), maps)
    mean, basis, eigenvalues = (
        t.double().numpy() for t in (reduction.mean, reduction.basis, reduction.eigenvalues)
    )
    for fast, video in zip(values, maps.double().numpy(), strict=True):
        z = np.einsum("cd,tchw->tdhw", basis, video - mean[:, None, None])
        z /= eigenvalues[:, None, None] ** 0.25
        slow = reference.descriptors(reference.append_differences(z), windows=(1, 2, 4), steps=3)
        np.testing.assert_allclose(fast.numpy(), slow, atol=1e-5)


def test_first_order_is_the_mean_of_the_same_channels() -> None:
    maps = random_maps(1, 4, 3, 2, 2)
    block = M2Block(Reduction.identity(3), order="first")
    values = describe(block, maps)[0]
    calibrated = reference.append_differences(maps[0].double().numpy())
    windows = [(t, t + 1) for t in range(4)] + [(0, 2), (2, 4), (0, 4)]
    slow = [calibrated[a:b].mean(axis=(0, 2, 3)) for a, b in windows]
    np.testing.assert_allclose(values.numpy(), np.stack(slow), atol=1e-6)
    assert block.dim == 6


def test_the_measured_recipe_has_its_shapes() -> None:
    maps = random_maps(2, 8, 96, 14, 14).half()
    block = M2Block(fit_reduction(maps, num_components=32))
    found = block(maps, *times(2, 8))
    assert found.values.shape == (2, 14, 2080)
    assert found.values.dtype == torch.float32
    assert (block.dim, found.blocks, found.mean) == (2080, (2080,), None)
    assert found.scale.tolist() == [0] * 8 + [1] * 4 + [2] * 2
    assert found.spans[0, 8:].tolist() == [[0, 2], [2, 4], [4, 6], [6, 8], [0, 4], [4, 8]]


def test_energy_is_the_length_of_the_difference() -> None:
    maps = random_maps(2, 4, 3, 2, 5)
    found = M2Block(Reduction.identity(3), scales=(Scale(1, 1),))(maps, *times(2, 4))
    difference = (maps[:, 1:] - maps[:, :-1]).square().sum(dim=2).mean(dim=(-2, -1)).sqrt()
    torch.testing.assert_close(found.energy[:, 1:], difference)
    assert not found.energy[:, 0].any()
    still = M2Block(Reduction.identity(3), calibration="none", scales=(Scale(1, 1),))(maps, *times(2, 4))
    assert not still.energy.any()


def test_each_video_is_described_alone() -> None:
    maps = random_maps(3, 4, 3, 3, 3)
    block = M2Block(Reduction.identity(3), scales=SCALES)
    torch.testing.assert_close(describe(block, maps)[1:2], describe(block, maps[1:2]))


def test_first_frames_know_nothing_of_later_ones() -> None:
    maps = random_maps(1, 8, 3, 3, 3)
    block = M2Block(Reduction.identity(3), scales=(Scale(1, 1),))
    torch.testing.assert_close(describe(block, maps)[:, :5], describe(block, maps[:, :5]))


def test_differences_tell_a_clip_from_its_reverse() -> None:
    maps = random_maps(1, 4, 3, 3, 3)
    whole = (Scale(4, 4),)
    plain = M2Block(Reduction.identity(3), calibration="none", scales=whole)
    torch.testing.assert_close(describe(plain, maps), describe(plain, maps.flip(1)))
    with_differences = M2Block(Reduction.identity(3), scales=whole)
    forward, backward = describe(with_differences, maps), describe(with_differences, maps.flip(1))
    assert (forward - backward).abs().max() > 0.1


@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize("calibration", ["none", "difference", "central", "tsa+tca"])
def test_gradients_agree_with_finite_differences(order: str, calibration: str) -> None:
    torch.manual_seed(0)
    block = M2Block(
        Reduction.identity(2), calibration=calibration, scales=(Scale(1, 1), Scale(2, 2)), order=order
    )
    block.double().eval()
    maps = random_maps(1, 2, 2, 2, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: describe(block, x), (maps,))


@pytest.mark.parametrize("kind", ["constant", "zero", "rank 48 at d = 128", "autocast"])
def test_degenerate_clips_give_finite_values_and_finite_gradients(kind: str) -> None:
    torch.manual_seed(0)
    if kind == "rank 48 at d = 128":
        block, maps = M2Block(ConvReduction(32, 64)), random_maps(1, 4, 32, 7, 7)
    else:
        block = M2Block(ConvReduction(8, 6), calibration="difference")
        fill = {"constant": torch.full((1, 4, 8, 3, 3), 2.5), "zero": torch.zeros(1, 4, 8, 3, 3)}
        maps = fill.get(kind, random_maps(1, 4, 8, 3, 3))
    maps.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=kind == "autocast"):
        values = describe(block.eval(), maps)
    assert values.dtype == torch.float32
    values.square().sum().backward()
    assert values.isfinite().all()
    gradients = [maps.grad, *(parameter.grad for parameter in block.parameters())]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


def test_everything_learnt_gets_a_gradient() -> None:
    torch.manual_seed(0)
    block = M2Block(ConvReduction(8, 4, hidden=6), calibration="tsa+tca", scales=SCALES)
    describe(block, random_maps(2, 4, 8, 3, 3)).square().sum().backward()
    starved = [n for n, p in block.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not starved


def test_mean_descriptor_is_attached_saved_and_loaded() -> None:
    maps = random_maps(1, 4, 3, 2, 2)
    mean = random_maps(21, seed=1)
    block = M2Block(Reduction.identity(3), scales=SCALES, mean=mean)
    found = block(maps, *times(1, 4))
    torch.testing.assert_close(found.mean, mean)
    torch.testing.assert_close(found.values, describe(M2Block(Reduction.identity(3), scales=SCALES), maps))
    room = M2Block(Reduction.identity(3), scales=SCALES, mean=torch.zeros(21))
    room.load_state_dict(block.state_dict())
    torch.testing.assert_close(room.mean, mean)
    room.set_mean(None)
    assert room(maps, *times(1, 4)).mean is None


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="expected order 'first' or 'second', got 'third'"):
        M2Block(Reduction.identity(3), order="third")
    with pytest.raises(ValueError, match="expected at least one scale, got none"):
        M2Block(Reduction.identity(3), scales=())
    with pytest.raises(ValueError, match=r"mean descriptor of shape \(21,\), got \(20,\)"):
        M2Block(Reduction.identity(3), mean=torch.zeros(20))
    with pytest.raises(ValueError, match="expected at least 4 frames for a window of 4, got 2"):
        describe(M2Block(Reduction.identity(3)), torch.zeros(1, 2, 3, 2, 2))
    with pytest.raises(
        ValueError, match=r"and pts_seconds \(batch, time\), got \(1, 4, 3, 2, 2\) and \(1, 3\)"
    ):
        M2Block(Reduction.identity(3))(torch.zeros(1, 4, 3, 2, 2), *times(1, 3))
