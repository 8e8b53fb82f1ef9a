"""Covariance, its square root and its triangle against the equations, and at the edges of arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from a2m2.moments import covariance, newton_schulz_sqrt, triu_length, triu_matrix, triu_vector
from reference import moments as reference


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def relative_error(fast: torch.Tensor, slow: np.ndarray) -> float:
    return float(np.abs(fast.double().numpy() - slow).max() / np.abs(slow).max())


@pytest.mark.parametrize(("dim", "position"), [(1, 1), (3, 1), (4, 9), (16, 5), (8, 64)])
def test_covariance_equals_the_slow_loop(dim: int, position: int) -> None:
    x = random(2, dim, position)
    for fast, video in zip(covariance(x), x.double().numpy(), strict=True):
        slow = reference.covariance(video)
        np.testing.assert_allclose(fast.numpy(), slow, atol=1e-5 * max(1.0, np.abs(slow).max()))


def test_covariance_keeps_its_digits_beside_a_large_mean() -> None:
    x = random(6, 50)
    torch.testing.assert_close(covariance(x + 1000), covariance(x), rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(
        covariance(x.double() + 1000).numpy(), np.cov(x.double().numpy(), bias=True), rtol=1e-9
    )


def test_covariance_is_invariant_to_the_order_of_positions_and_equivariant_to_channels() -> None:
    x = random(5, 30, dtype=torch.float64)
    matrix = random(7, 5, seed=1, dtype=torch.float64)
    torch.testing.assert_close(covariance(x.flip(-1)), covariance(x))
    torch.testing.assert_close(covariance(matrix @ x), matrix @ covariance(x) @ matrix.T)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
@pytest.mark.parametrize("dim", [1, 2, 16, 64])
def test_root_equals_the_plain_recurrence(dim: int, steps: int) -> None:
    sigma = covariance(random(3, dim, 4 * dim + 2))
    for fast, matrix in zip(newton_schulz_sqrt(sigma, steps=steps), sigma.double().numpy(), strict=True):
        assert relative_error(fast, reference.newton_schulz(matrix, steps)) < 1e-5


def test_root_of_small_features_still_equals_the_plain_recurrence() -> None:
    sigma = covariance(0.01 * random(16, 200))
    fast = newton_schulz_sqrt(sigma, steps=3)
    assert relative_error(fast, reference.newton_schulz(sigma.double().numpy(), 3)) < 1e-5


def test_many_steps_give_the_true_root_of_a_well_conditioned_matrix() -> None:
    basis, _ = torch.linalg.qr(random(6, 6, dtype=torch.float64))
    eigenvalues = torch.linspace(1, 3, 6, dtype=torch.float64)
    sigma = basis * eigenvalues @ basis.T
    root = newton_schulz_sqrt(sigma, steps=14, eps=0.0)
    torch.testing.assert_close(root, basis * eigenvalues.sqrt() @ basis.T, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(root @ root, sigma, rtol=1e-9, atol=1e-9)


def test_three_steps_damp_small_eigenvalues() -> None:
    identity = torch.eye(128, dtype=torch.float64)
    ratio = newton_schulz_sqrt(identity, steps=3, eps=0.0)[0, 0]
    assert ratio.item() == pytest.approx(0.29, abs=0.01)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**16), st.floats(0.1, 10))
def test_root_scales_with_the_square_root_and_commutes_with_permutations(seed: int, factor: float) -> None:
    sigma = covariance(random(5, 12, seed=seed, dtype=torch.float64))
    order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    root = newton_schulz_sqrt(sigma, steps=3, eps=0.0)
    torch.testing.assert_close(newton_schulz_sqrt(factor * sigma, steps=3, eps=0.0), math.sqrt(factor) * root)
    permuted = newton_schulz_sqrt(sigma[order][:, order], steps=3, eps=0.0)
    torch.testing.assert_close(permuted, root[order][:, order])


def test_gradients_agree_with_finite_differences() -> None:
    x = random(2, 3, 7, dtype=torch.float64).requires_grad_()

    def descriptor(x: torch.Tensor) -> torch.Tensor:
        return triu_vector(newton_schulz_sqrt(covariance(x), steps=3), scale_off_diagonal=True)

    assert torch.autograd.gradcheck(descriptor, (x,))


@pytest.mark.parametrize(
    "x",
    [
        pytest.param(torch.zeros(2, 64, 49), id="zero"),
        pytest.param(torch.full((2, 64, 49), 3.7), id="constant"),
        pytest.param(random(1, 128, 49), id="rank 48 at d = 128"),
        pytest.param(1e-12 * random(1, 16, 49), id="vanishing"),
        pytest.param(1e4 * random(1, 64, 196), id="large"),
    ],
)
def test_degenerate_input_gives_finite_values_and_finite_gradients(x: torch.Tensor) -> None:
    x = x.clone().requires_grad_()
    sigma = covariance(x)
    sigma.retain_grad()
    descriptor = triu_vector(newton_schulz_sqrt(sigma, steps=3))
    (descriptor * random(*descriptor.shape)).sum().backward()
    assert descriptor.isfinite().all()
    assert sigma.grad is not None
    assert sigma.grad.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad.norm() < 100


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_does_not_reach_the_moments(dtype: torch.dtype) -> None:
    x = 100 * random(2, 32, 40)
    with torch.autocast("cpu", dtype=dtype):
        lowered = newton_schulz_sqrt(covariance(x.to(dtype)), steps=3)
        inside = newton_schulz_sqrt(covariance(x), steps=3)
    assert lowered.dtype == torch.float32
    assert lowered.isfinite().all()
    torch.testing.assert_close(inside, newton_schulz_sqrt(covariance(x), steps=3), rtol=0, atol=0)


def test_triangle_equals_the_slow_loop_and_its_inverse() -> None:
    matrix = covariance(random(4, 7, 20))
    for fast, slow in zip(triu_vector(matrix), matrix.double().numpy(), strict=True):
        np.testing.assert_array_equal(fast.double().numpy(), reference.upper_triangle(slow))
    assert triu_vector(matrix).shape[-1] == triu_length(7) == 28
    assert (triu_length(64), triu_length(128)) == (2080, 8256)
    for flag in (False, True):
        vector = triu_vector(matrix, scale_off_diagonal=flag)
        torch.testing.assert_close(triu_matrix(vector, scale_off_diagonal=flag), matrix)


def test_scaled_triangle_keeps_the_inner_product_of_matrices() -> None:
    a, b = covariance(random(2, 6, 20, dtype=torch.float64))
    inner = triu_vector(a, scale_off_diagonal=True) @ triu_vector(b, scale_off_diagonal=True)
    torch.testing.assert_close(inner, torch.trace(a @ b))


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"expected x of shape \(..., dim, position\).*got \(3, 0\)"):
        covariance(torch.zeros(3, 0))
    with pytest.raises(ValueError, match="expected at least 1 Newton–Schulz step, got 0"):
        newton_schulz_sqrt(torch.eye(2), steps=0)
    with pytest.raises(ValueError, match="expected eps ≥ 0, got -1"):
        newton_schulz_sqrt(torch.eye(2), steps=1, eps=-1.0)
    with pytest.raises(ValueError, match=r"expected a vector of length d\(d\+1\)/2, got 5"):
        triu_matrix(torch.zeros(5))


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"expected square matrices .* got \(2, 3\)"):
        newton_schulz_sqrt(torch.zeros(2, 3), steps=3)
    with pytest.raises(ValueError, match=r"expected square matrices .* got \(4,\)"):
        triu_vector(torch.zeros(4))
