"""Where candidates lie in time and space, and that their moments equal those of the positions they cover."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from a2m2.moments import (
    DEFAULT_SCALES,
    Scale,
    candidate_windows,
    covariance,
    window_covariances,
    window_means,
    window_spans,
)
from reference import moments as reference


def random_maps(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_default_scales_give_fourteen_candidates_over_eight_frames() -> None:
    windows, scale = candidate_windows(8, DEFAULT_SCALES)
    assert scale.tolist() == [0] * 8 + [1] * 4 + [2] * 2
    assert windows[:8].tolist() == [[t, t + 1] for t in range(8)]
    assert windows[8:].tolist() == [[0, 2], [2, 4], [4, 6], [6, 8], [0, 4], [4, 8]]


def test_sliding_windows_and_regions() -> None:
    windows, scale = candidate_windows(5, (Scale(3, 1), Scale(2, 2, regions=2)))
    assert windows.tolist() == [[0, 3], [1, 4], [2, 5]] + [[0, 2]] * 4 + [[2, 4]] * 4
    assert scale.tolist() == [0] * 3 + [1] * 8


def test_spans_tile_the_video() -> None:
    pts = torch.tensor([[0.1, 0.5, 0.7, 1.9]], dtype=torch.float64)
    windows, _ = candidate_windows(4, (Scale(1, 1), Scale(2, 2), Scale(4, 4)))
    spans = window_spans(windows, pts, torch.tensor([2.5], dtype=torch.float64))
    expected = [[0, 0.3], [0.3, 0.6], [0.6, 1.3], [1.3, 2.5], [0, 0.6], [0.6, 2.5], [0, 2.5]]
    np.testing.assert_allclose(spans[0].numpy(), expected)


def test_window_covariances_equal_the_slow_loop() -> None:
    maps = random_maps(2, 8, 3, 3, 4) + 5
    fast = window_covariances(maps, DEFAULT_SCALES)
    windows, _ = candidate_windows(8, DEFAULT_SCALES)
    for video in range(2):
        for node, (start, stop) in enumerate(windows.tolist()):
            positions = reference.window_positions(maps[video].double().numpy(), start, stop - start)
            np.testing.assert_allclose(fast[video, node].numpy(), reference.covariance(positions), atol=1e-5)


@pytest.mark.parametrize(
    "scale", [Scale(2, 1), Scale(3, 2, pool=2), Scale(2, 2, regions=3), Scale(1, 1, pool=3, regions=2)]
)
def test_other_scales_equal_the_moments_of_the_positions_they_cover(scale: Scale) -> None:
    maps = random_maps(1, 6, 3, 6, 12, dtype=torch.float64)
    pooled = torch.nn.functional.avg_pool2d(maps[0], scale.pool)
    height, width = pooled.shape[-2] // scale.regions, pooled.shape[-1] // scale.regions
    covariances, means = window_covariances(maps, (scale,))[0], window_means(maps, (scale,))[0]
    node = 0
    for start in scale.starts(6):
        for row in range(scale.regions):
            for column in range(scale.regions):
                part = pooled[start : start + scale.window, :, row * height :, column * width :]
                positions = part[..., :height, :width].transpose(0, 1).flatten(1)
                torch.testing.assert_close(covariances[node], covariance(positions))
                torch.testing.assert_close(means[node], positions.mean(dim=-1))
                node += 1
    assert node == len(covariances) == len(means)


def test_sides_that_do_not_divide_leave_no_position_out() -> None:
    maps = torch.zeros(1, 1, 1, 7, 7)
    maps[..., 6, 6] = 1
    scales = (Scale(1, 1, regions=2), Scale(1, 1, regions=3), Scale(1, 1, pool=4))
    covered = window_means(maps, scales)[0, :, 0]
    # Regions of 4 × 4 and 3 × 3; the last 4 × 4 block is cut to 3 × 3 and is one of four in its mean.
    torch.testing.assert_close(covered, torch.tensor([0, 0, 0, 1 / 16] + [0] * 8 + [1 / 9, 1 / 36]))


def test_a_window_that_hardly_varies_around_a_large_mean_keeps_its_digits() -> None:
    small = random_maps(1, 4, 3, 5, 5, dtype=torch.float64)
    maps = 1e-3 * small
    maps[:, 1] += 100
    fast = window_covariances(maps.float(), (Scale(1, 1),))
    exact = window_covariances(maps, (Scale(1, 1),))
    torch.testing.assert_close(fast[0, 0].double(), exact[0, 0], rtol=1e-4, atol=0)


def test_window_moments_have_the_gradient_of_finite_differences() -> None:
    maps = random_maps(1, 4, 2, 2, 2, dtype=torch.float64).requires_grad_()
    scales = (Scale(1, 1), Scale(2, 1), Scale(2, 2, pool=2), Scale(4, 4, regions=2))
    assert torch.autograd.gradcheck(lambda x: window_covariances(x, scales), (maps,))
    assert torch.autograd.gradcheck(lambda x: window_means(x, scales), (maps,))


def test_half_precision_maps_are_summed_in_single_precision() -> None:
    maps = 300 * random_maps(1, 2, 4, 6, 6)
    half = maps.half()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        moments = window_covariances(half, (Scale(2, 2),))
    assert moments.dtype == torch.float32
    torch.testing.assert_close(moments, window_covariances(half.float(), (Scale(2, 2),)))


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="expected stride ≥ 1, got 0"):
        Scale(2, 0)
    with pytest.raises(ValueError, match="expected at least 4 frames for a window of 4, got 3"):
        candidate_windows(3, DEFAULT_SCALES)
    with pytest.raises(ValueError, match="expected at least 4 frames for a window of 4, got 3"):
        window_covariances(torch.zeros(1, 3, 2, 4, 4), DEFAULT_SCALES)
    with pytest.raises(ValueError, match="expected at least one scale, got none"):
        candidate_windows(8, ())
    with pytest.raises(ValueError, match="at least 3 positions a side after pooling by 2, got 2 × 2"):
        window_means(torch.zeros(1, 1, 2, 4, 4), (Scale(1, 1, pool=2, regions=3),))


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"maps \(batch, time, dim, height, width\), got \(2, 4, 4\)"):
        window_means(torch.zeros(2, 4, 4), DEFAULT_SCALES)
    with pytest.raises(ValueError, match=r"expected pts_seconds \(batch, time\).*got \(1, 4\) and \(2,\)"):
        window_spans(candidate_windows(4, DEFAULT_SCALES)[0], torch.zeros(1, 4), torch.ones(2))
