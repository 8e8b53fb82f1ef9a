"""The fitted reduction against numpy's eigenvectors, the learnt one against its layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from a2m2.errors import DataError
from a2m2.nn import ConvReduction, LinearReduction, MomentAccumulator, Reduction, fit_reduction


def stream(num_clips: int = 5, channels: int = 6, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(channels, channels, generator=generator)
    return [
        torch.einsum("cd,tdhw->tchw", mixing, torch.randn(3, channels, 4, 4, generator=generator)) + 2
        for _ in range(num_clips)
    ]


def positions(maps: list[torch.Tensor]) -> np.ndarray:
    return np.concatenate([m.double().movedim(1, 0).flatten(1).numpy() for m in maps], axis=1)


def test_accumulated_moments_equal_those_of_all_positions_at_once() -> None:
    maps = stream()
    moments, first, second = MomentAccumulator(), MomentAccumulator(), MomentAccumulator()
    for index, some in enumerate(maps):
        moments.update(some)
        (first if index < 2 else second).update(some)
    first.merge(second)
    x = positions(maps)
    for found in (moments, first):
        assert found.count == x.shape[1]
        np.testing.assert_allclose(found.mean.numpy(), x.mean(axis=1), rtol=1e-12)
        np.testing.assert_allclose(found.covariance().numpy(), np.cov(x, bias=True), rtol=1e-10)


def test_accumulation_keeps_its_digits_beside_a_large_mean() -> None:
    maps = [some.double() + 1e6 for some in stream()]
    moments = MomentAccumulator()
    for some in maps:
        moments.update(some)
    np.testing.assert_allclose(
        moments.covariance().numpy(), np.cov(positions(stream()), bias=True), rtol=1e-6
    )


def test_fit_gives_the_leading_eigenpairs_with_fixed_signs() -> None:
    maps = stream()
    reduction = fit_reduction(maps, num_components=4)
    covariance = np.cov(positions(maps), bias=True)
    eigenvalues, vectors = np.linalg.eigh(covariance)
    np.testing.assert_allclose(reduction.eigenvalues.numpy(), eigenvalues[::-1][:4], rtol=1e-5)
    np.testing.assert_allclose(np.abs(reduction.basis.numpy()), np.abs(vectors[:, ::-1][:, :4]), atol=1e-5)
    for column in reduction.basis.T:
        assert column[column.abs().argmax()] > 0
    np.testing.assert_allclose((reduction.basis.T @ reduction.basis).numpy(), np.eye(4), atol=1e-6)
    assert repr(reduction) == "Reduction(6 → 4, power=0.25)"


def test_a_fit_is_a_function_of_the_positions_alone() -> None:
    maps = stream()
    reduction = fit_reduction(maps, num_components=4)
    assert fit_reduction(maps, num_components=4).digest() == reduction.digest()
    shuffled = fit_reduction(iter(maps[::-1]), num_components=4)
    torch.testing.assert_close(shuffled.basis, reduction.basis)
    assert fit_reduction(maps, num_components=3).digest() != reduction.digest()


def test_reduced_maps_equal_the_formula() -> None:
    maps = stream()
    reduction = fit_reduction(maps, num_components=3)
    reduced = LinearReduction(reduction)(torch.stack(maps))
    x = positions(maps)
    v, mean, eigenvalues = (
        t.double().numpy() for t in (reduction.basis, reduction.mean, reduction.eigenvalues)
    )
    expected = (v.T @ (x - mean[:, None])) / eigenvalues[:, None] ** 0.25
    np.testing.assert_allclose(positions(list(reduced)), expected, atol=1e-5)
    spread = np.cov(positions(list(reduced)), bias=True)
    np.testing.assert_allclose(spread, np.diag(np.sqrt(eigenvalues)), atol=1e-4)


@pytest.mark.parametrize(("power", "variance"), [(0.0, "λ"), (0.5, "1")])
def test_power_goes_from_principal_components_to_whitening(power: float, variance: str) -> None:
    maps = stream()
    reduction = fit_reduction(maps, num_components=3, power=power)
    spread = np.cov(positions(list(LinearReduction(reduction)(torch.stack(maps)))), bias=True)
    expected = reduction.eigenvalues.numpy() if variance == "λ" else np.ones(3)
    np.testing.assert_allclose(spread, np.diag(expected), rtol=1e-3, atol=1e-3)


def test_identity_changes_nothing_and_a_module_keeps_its_value() -> None:
    maps = torch.stack(stream())
    torch.testing.assert_close(LinearReduction(Reduction.identity(6))(maps), maps)
    reduction = fit_reduction(maps, num_components=3)
    module = LinearReduction(reduction)
    assert module.reduction.digest() == reduction.digest()
    assert not list(module.parameters())
    again = LinearReduction(Reduction(torch.zeros(6), torch.eye(6)[:, :3], torch.ones(3)))
    again.load_state_dict(module.state_dict())
    torch.testing.assert_close(again(maps), module(maps))


def test_fewer_directions_than_components_are_refused_unless_shrunk() -> None:
    few = [torch.randn(1, 8, 1, 4, generator=torch.Generator().manual_seed(0))]
    with pytest.raises(
        DataError,
        match=r"vary in at least 5 directions, got 3 from 4 positions; give more clips, keep fewer components",
    ):
        fit_reduction(few, num_components=5)
    reduction = fit_reduction(few, num_components=5, shrinkage=0.1)
    reduced = LinearReduction(reduction)(few[0])
    assert reduced.isfinite().all()
    assert (reduction.eigenvalues > 0).all()
    exact = fit_reduction(few, num_components=3)
    torch.testing.assert_close(reduction.basis[:, :3], exact.basis, atol=1e-5, rtol=0)


def test_constant_or_absent_maps_are_refused() -> None:
    with pytest.raises(DataError, match="vary in at least 2 directions, got 0 from 9 positions"):
        fit_reduction([torch.ones(1, 4, 3, 3)], num_components=2, shrinkage=0.5)
    with pytest.raises(DataError, match="expected maps of at least one clip, got none"):
        fit_reduction([], num_components=2)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"expected 1 to 6 components \(channels there are\), got 7"):
        fit_reduction(stream(), num_components=7)
    with pytest.raises(ValueError, match=r"expected shrinkage in \[0, 1\), got 1"):
        fit_reduction(stream(), num_components=2, shrinkage=1.0)
    with pytest.raises(ValueError, match="expected positive eigenvalues, got 0"):
        Reduction(torch.zeros(2), torch.eye(2), torch.tensor([1.0, 0.0]))
    with pytest.raises(
        ValueError, match="expected maps of 6 channels, the number this reduction was fitted on, got 5"
    ):
        LinearReduction(Reduction.identity(6))(torch.zeros(1, 5, 2, 2))
    moments = MomentAccumulator()
    with pytest.raises(ValueError, match="expected at least one update"):
        moments.covariance()
    with pytest.raises(ValueError, match="expected finite maps, got NaN or infinity"):
        moments.update(torch.full((1, 2, 2, 2), torch.nan))
    moments.update(torch.zeros(1, 2, 2, 2))
    with pytest.raises(ValueError, match="expected maps of 2 channels as before, got 3"):
        moments.update(torch.zeros(1, 3, 2, 2))


def test_conv_reduction_is_the_published_stack() -> None:
    torch.manual_seed(0)
    reduction = ConvReduction(6, 4, hidden=8).eval()
    kinds = [type(layer).__name__ for layer in reduction.layers]
    assert kinds == ["Conv2d", "BatchNorm2d", "ReLU"] * 2
    assert all(layer.bias is None for layer in reduction.layers if isinstance(layer, torch.nn.Conv2d))
    maps = torch.randn(2, 3, 6, 4, 5)
    out = reduction(maps)
    assert out.shape == (2, 3, 4, 4, 5)
    torch.testing.assert_close(out[1, 2], reduction.layers(maps[1, 2][None])[0])
    assert reduction(maps.half()).dtype == torch.float32


def test_conv_reduction_leaves_autocast_in_single_precision() -> None:
    reduction = ConvReduction(6, 4, hidden=8).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert reduction(torch.randn(1, 2, 6, 3, 3)).dtype == torch.float32


def test_kaiming_initialisation_goes_by_fan_out() -> None:
    torch.manual_seed(0)
    weight = ConvReduction(512, 128).layers[0].weight
    assert weight.std().item() == pytest.approx((2 / 256) ** 0.5, rel=0.02)
