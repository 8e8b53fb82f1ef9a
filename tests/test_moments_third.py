"""The sketched third moment against its slow loop and against the full tensor that it stands for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from a2m2.moments import DEFAULT_SCALES, Scale, cube_projection, window_third_moments
from reference import moments as reference

WHOLE = (Scale(1, 1),)


def skewed(*shape: int, seed: int = 0) -> torch.Tensor:
    """Maps with third moments: squares of what is normal, mixed over channels."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(*shape, generator=generator, dtype=torch.float64).square()
    return drawn + 0.5 * drawn.roll(1, dims=2)


def test_sketch_equals_the_slow_loop() -> None:
    maps = skewed(2, 4, 5, 3, 2)
    projection = cube_projection(5, length=6, seed=3).double()
    fast = window_third_moments(maps, DEFAULT_SCALES, projection=projection, eps=0.0)
    for video, found in zip(maps.numpy(), fast, strict=True):
        slow = reference.each_window(
            video, (1, 2, 4), lambda x: reference.third_sketch(x, projection.numpy())
        )
        np.testing.assert_allclose(found.numpy(), slow, atol=1e-9)


def test_dot_products_are_unbiased_for_those_of_the_full_tensors() -> None:
    maps = skewed(2, 1, 4, 3, 3)
    positions = [video[0].flatten(1).numpy() for video in maps]
    traces = [np.trace(reference.covariance(x)) for x in positions]
    full = [reference.third_moment(x) for x in positions]
    pairs = {(0, 1), (0, 0), (1, 1)}
    found: dict[tuple[int, int], list[float]] = {pair: [] for pair in pairs}
    for seed in range(600):
        projection = cube_projection(4, length=32, seed=seed).double()
        sketches = window_third_moments(maps, WHOLE, projection=projection, eps=0.0)[:, 0].numpy()
        for i, j in pairs:
            found[i, j].append(sketches[i] @ sketches[j] * traces[i] * traces[j])
    for (i, j), values in found.items():
        error = np.std(values) / len(values) ** 0.5
        assert abs(np.mean(values) - (full[i] * full[j]).sum()) < 3 * error
        # Without this the law would hold of anything noisy enough.
        assert error < 0.1 * abs((full[i] * full[j]).sum())


def test_a_longer_sketch_is_a_closer_one() -> None:
    maps = skewed(2, 1, 4, 3, 3)
    one, other = (reference.third_moment(video[0].flatten(1).numpy()) for video in maps)
    exact = (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())

    def spread(length: int) -> float:
        cosines = []
        for seed in range(40):
            projection = cube_projection(4, length=length, seed=seed).double()
            u, v = window_third_moments(maps, WHOLE, projection=projection)[:, 0]
            cosines.append(float(torch.cosine_similarity(u, v, dim=0)))
        return float(np.sqrt(np.mean((np.array(cosines) - exact) ** 2)))

    assert spread(1024) < 0.5 * spread(64) < 0.15


def test_symmetric_windows_have_no_third_moment() -> None:
    half = skewed(1, 4, 6, 3, 2)
    maps = torch.cat([1.7 + half, 1.7 - half], dim=-1)
    projection = cube_projection(6, length=16, seed=0)
    symmetric = window_third_moments(maps, DEFAULT_SCALES, projection=projection)
    assert symmetric.abs().max() < 1e-12
    assert window_third_moments(half, DEFAULT_SCALES, projection=projection).abs().max() > 1e-2


def test_sketch_scales_as_the_features_and_forgets_their_mean() -> None:
    maps = skewed(1, 4, 6, 3, 2)
    projection = cube_projection(6, length=16, seed=0)

    def sketch(maps: torch.Tensor) -> torch.Tensor:
        return window_third_moments(maps, DEFAULT_SCALES, projection=projection, eps=0.0)

    torch.testing.assert_close(sketch(3 * maps), 3 * sketch(maps))
    torch.testing.assert_close(sketch(-maps), -sketch(maps))
    torch.testing.assert_close(sketch(maps + 5), sketch(maps))


def test_projection_is_a_function_of_its_arguments() -> None:
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    one = cube_projection(4, length=6, seed=5)
    assert torch.equal(one, cube_projection(4, length=6, seed=5))
    assert not torch.equal(one, cube_projection(4, length=6, seed=6))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert one.shape == (6, 4)
    many = cube_projection(64, length=4096, seed=0)
    assert many.square().mean().item() == pytest.approx(0.5, rel=0.01)


def test_gradients_agree_with_finite_differences() -> None:
    maps = skewed(1, 2, 3, 2, 2).requires_grad_()
    projection = cube_projection(3, length=4, seed=0).double()
    scales = (Scale(1, 1), Scale(2, 2))
    assert torch.autograd.gradcheck(lambda x: window_third_moments(x, scales, projection=projection), (maps,))


def test_wrong_arguments_are_named() -> None:
    for length in (0, 3):
        with pytest.raises(ValueError, match=f"even sketch length, at least 2, got {length}"):
            cube_projection(4, length=length, seed=0)
    with pytest.raises(ValueError, match="maps with the projection's 4 channels, got 5"):
        window_third_moments(
            torch.zeros(1, 4, 5, 2, 2), WHOLE, projection=cube_projection(4, length=2, seed=0)
        )
