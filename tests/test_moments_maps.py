"""Logarithm, Cholesky factor and Brownian distance covariance against the equations, and at the edges."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from a2m2.moments import brownian_matrix, cholesky_root, covariance, symmetric_log
from reference import moments as reference

Map = Callable[..., torch.Tensor]
MAPS: dict[str, Map] = {"log": symmetric_log, "cholesky": cholesky_root}


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def brownian(x: torch.Tensor, eps: float = 0.0) -> torch.Tensor:
    return brownian_matrix(x.mean(-1), covariance(x), eps=eps)


@pytest.mark.parametrize("shrinkage", [0.001, 0.1, 1.0])
@pytest.mark.parametrize("shape", [(1, 9), (4, 40), (16, 300), (12, 5)])
def test_log_equals_the_one_by_eigenvectors(shape: tuple[int, int], shrinkage: float) -> None:
    sigma = covariance(random(2, *shape))
    for fast, matrix in zip(symmetric_log(sigma, shrinkage=shrinkage, eps=0.0), sigma.numpy(), strict=True):
        slow = reference.symmetric_log(reference.shrunk(matrix, shrinkage))
        np.testing.assert_allclose(fast.numpy(), slow, atol=1e-5)


def test_single_precision_keeps_enough_of_the_log() -> None:
    sigma = covariance(random(1, 128, 49, dtype=torch.float32))
    double = symmetric_log(sigma.double())
    assert (symmetric_log(sigma).double() - double).abs().max() < 1e-3


@pytest.mark.parametrize("name", MAPS)
def test_single_precision_bears_the_least_shrinkage_that_settings_allow(name: str) -> None:
    x = random(1, 128, 49, dtype=torch.float32).requires_grad_()
    values = MAPS[name](covariance(x), shrinkage=1e-3)
    values.square().sum().backward()
    exact = MAPS[name](covariance(x.detach().double()), shrinkage=1e-3)
    assert (values.double() - exact).abs().max() < 0.01 * exact.abs().max()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_log_of_a_scaled_covariance_and_of_its_inverse() -> None:
    basis, _ = torch.linalg.qr(random(6, 6))
    eigenvalues = torch.linspace(1, 3, 6, dtype=torch.float64)

    def log(values: torch.Tensor) -> torch.Tensor:
        # The shrinkage is taken off beforehand, so that the law is that of the logarithm alone.
        shift = 0.01 * values.mean() / 1.01
        return symmetric_log(basis * (values - shift) @ basis.T, shrinkage=0.01, eps=0.0)

    identity = torch.eye(6, dtype=torch.float64)
    torch.testing.assert_close(
        log(7 * eigenvalues) - log(eigenvalues), np.log(7) * identity, atol=1e-6, rtol=0
    )
    torch.testing.assert_close(log(1 / eigenvalues), -log(eigenvalues), atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", [(1, 9), (4, 40), (16, 300), (12, 5)])
def test_cholesky_equals_the_slow_loop_and_is_a_root(shape: tuple[int, int]) -> None:
    sigma = covariance(random(2, *shape))
    roots = cholesky_root(sigma, shrinkage=0.1, eps=0.0)
    for fast, matrix in zip(roots, sigma.numpy(), strict=True):
        shrunk = reference.shrunk(matrix, 0.1)
        np.testing.assert_allclose(fast.numpy(), reference.cholesky_root(shrunk), atol=1e-9)
        np.testing.assert_allclose((fast.mT @ fast).numpy(), shrunk, atol=1e-9)


def test_a_covariance_with_nan_gives_nan_and_no_error_of_lapack() -> None:
    sigma = covariance(random(2, 4, 9))
    sigma[0, 0, 0] = torch.nan
    roots = cholesky_root(sigma)
    assert roots[0].isnan().all()
    assert roots[1].isfinite().all()


@pytest.mark.parametrize("shape", [(1, 4), (5, 1), (5, 30)])
def test_brownian_equals_the_slow_loop(shape: tuple[int, int]) -> None:
    x = random(2, *shape) + 3
    for fast, video in zip(brownian(x), x.numpy(), strict=True):
        np.testing.assert_allclose(fast.numpy(), reference.brownian(video), atol=1e-9)


def test_brownian_rows_sum_to_zero_and_a_common_offset_is_forgotten() -> None:
    x = random(1, 6, 20)
    matrix = brownian(x)
    torch.testing.assert_close(matrix.sum(-1), torch.zeros(1, 6, dtype=torch.float64))
    torch.testing.assert_close(matrix, matrix.mT)
    torch.testing.assert_close(brownian(x + random(1, 1, 20, seed=1)), matrix)
    torch.testing.assert_close(brownian(3 * x), 3 * matrix)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    torch.testing.assert_close(brownian(x[:, order]), matrix[:, order][:, :, order])


@pytest.mark.parametrize("name", [*MAPS, "brownian"])
def test_gradients_agree_with_finite_differences(name: str) -> None:
    x = random(2, 3, 7).requires_grad_()

    def descriptor(x: torch.Tensor) -> torch.Tensor:
        return brownian(x, eps=1e-3) if name == "brownian" else MAPS[name](covariance(x))

    assert torch.autograd.gradcheck(descriptor, (x,))


@pytest.mark.parametrize("name", [*MAPS, "brownian"])
@pytest.mark.parametrize(
    "x",
    [
        pytest.param(torch.zeros(2, 64, 49), id="zero"),
        pytest.param(torch.full((2, 64, 49), 3.7), id="constant"),
        pytest.param(random(1, 128, 49, dtype=torch.float32), id="rank 48 at d = 128"),
        pytest.param(1e-12 * random(1, 16, 49, dtype=torch.float32), id="vanishing"),
        pytest.param(1e4 * random(1, 64, 196, dtype=torch.float32), id="large"),
        pytest.param(random(1, 1, 49, dtype=torch.float32).expand(1, 8, 49), id="equal channels"),
    ],
)
def test_degenerate_input_gives_finite_values_and_finite_gradients(name: str, x: torch.Tensor) -> None:
    x = x.clone().requires_grad_()
    values = brownian(x, eps=1e-9) if name == "brownian" else MAPS[name](covariance(x))
    (values * random(*values.shape, dtype=torch.float32)).sum().backward()
    assert values.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad.norm() < 1000


@pytest.mark.parametrize("name", [*MAPS, "brownian"])
def test_autocast_does_not_reach_the_maps(name: str) -> None:
    sigma = covariance(random(2, 16, 40, dtype=torch.float32))
    mean = random(2, 16, seed=2, dtype=torch.float32)

    def mapped() -> torch.Tensor:
        return brownian_matrix(mean, sigma) if name == "brownian" else MAPS[name](sigma)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = mapped()
    torch.testing.assert_close(inside, mapped(), rtol=0, atol=0)


@pytest.mark.parametrize("name", MAPS)
def test_wrong_arguments_are_named(name: str) -> None:
    with pytest.raises(ValueError, match=r"expected square matrices .* got \(2, 3\)"):
        MAPS[name](torch.zeros(2, 3))
    with pytest.raises(ValueError, match="expected shrinkage > 0, got 0"):
        MAPS[name](torch.eye(2), shrinkage=0)
    with pytest.raises(ValueError, match="expected eps ≥ 0, got -1"):
        MAPS[name](torch.eye(2), eps=-1)


def test_wrong_shapes_of_brownian_are_named() -> None:
    with pytest.raises(ValueError, match=r"mean \(..., dim\) and sigma .* got \(3,\) and \(2, 2\)"):
        brownian_matrix(torch.zeros(3), torch.zeros(2, 2))
