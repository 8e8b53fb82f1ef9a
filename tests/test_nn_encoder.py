"""Backbone and blocks together: stages joined, halves called apart."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from a2m2.matching import pair_cosines
from a2m2.moments import Scale
from a2m2.nn import Backbone, ConvReduction, Encoder, M2Block, Reduction, join_descriptors
from a2m2.nn.sources import Normalisation

SCALES = (Scale(1, 1), Scale(2, 2))


class Pyramid(Backbone):
    """Frames at two resolutions."""

    def __init__(self) -> None:
        normalisation = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        super().__init__(stages=("0", "1"), channels=(3, 3), image_size=None, normalisation=normalisation)

    def maps(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        coarse = torch.nn.functional.avg_pool2d(pixels.flatten(0, 1), 2).unflatten(0, pixels.shape[:2])
        return pixels, 10 * coarse

    def settings(self) -> dict[str, Any]:
        return {}

    def architecture(self) -> dict[str, Any]:
        return {"kind": "pyramid"}


def encoder(**options: Any) -> Encoder:
    blocks = [M2Block(Reduction.identity(3), scales=SCALES, **options) for _ in range(2)]
    return Encoder(Pyramid(), blocks)


FRAMES = torch.rand(2, 4, 3, 6, 6, generator=torch.Generator().manual_seed(0))
PTS = torch.tensor([[0.0, 1.0, 2.0, 3.0], [0.5, 0.6, 0.7, 0.8]], dtype=torch.float64)
DURATION = torch.tensor([4.0, 1.0], dtype=torch.float64)


def test_stages_are_joined_side_by_side() -> None:
    model = encoder()
    joined = model(FRAMES, PTS, DURATION)
    assert joined.values.shape == (2, 6, 42)
    assert joined.blocks == model.dims == (21, 21)
    for block, maps, part in zip(
        model.blocks, model.backbone(FRAMES), joined.values.split(21, dim=-1), strict=True
    ):
        torch.testing.assert_close(part, block(maps, PTS, DURATION).values)
    assert joined.windows.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4], [0, 2], [2, 4]]
    torch.testing.assert_close(joined.spans[1, 0], torch.tensor([0.0, 0.55]))
    torch.testing.assert_close(joined.spans[1, 5], torch.tensor([0.65, 1.0]))


def test_energies_of_stages_count_equally() -> None:
    model = encoder()
    first, second = (
        block(maps, PTS, DURATION) for block, maps in zip(model.blocks, model.backbone(FRAMES), strict=True)
    )
    joined = join_descriptors([first, second])
    torch.testing.assert_close(joined.energy.sum(dim=1), torch.ones(2))
    shares = [part.energy / part.energy.sum(dim=1, keepdim=True) for part in (first, second)]
    torch.testing.assert_close(joined.energy, (shares[0] + shares[1]) / 2)
    still = join_descriptors([model.blocks[0](torch.zeros(1, 4, 3, 2, 2), PTS[:1], DURATION[:1])] * 2)
    assert not still.energy.any()


def test_halves_can_be_called_apart_with_half_precision_between() -> None:
    model = encoder()
    maps = tuple(some.half() for some in model.backbone(FRAMES))
    apart = model.describe(maps, PTS, DURATION)
    torch.testing.assert_close(apart.values, model(FRAMES, PTS, DURATION).values, rtol=1e-2, atol=1e-2)


def test_without_times_frames_are_one_second_apart() -> None:
    spans = encoder()(FRAMES).spans
    torch.testing.assert_close(spans[0, :4], torch.tensor([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0], [3.0, 4.0]]))
    model = Encoder(Pyramid(), [M2Block(Reduction.identity(3), scales=(Scale(1, 1),)) for _ in range(2)])
    torch.testing.assert_close(model(FRAMES[:, :1]).spans[0, 0], torch.tensor([0.0, 0.5]))


def test_a_joined_mean_is_cut_into_the_blocks() -> None:
    model = encoder()
    assert model(FRAMES).mean is None
    mean = torch.arange(42.0)
    model.set_mean(mean)
    torch.testing.assert_close(model(FRAMES).mean, mean)
    torch.testing.assert_close(model.blocks[1].mean, mean[21:])
    model.set_mean(None)
    assert model(FRAMES).mean is None


def test_two_statistics_a_stage_are_two_blocks_a_stage() -> None:
    model = encoder(order="first+second")
    assert (model.dims, model.block_sizes) == ((27, 27), (6, 21, 6, 21))
    mean = torch.arange(54.0)
    model.set_mean(mean)
    found = model(FRAMES)
    assert found.blocks == model.block_sizes
    torch.testing.assert_close(found.mean, mean)
    torch.testing.assert_close(model.blocks[1].mean, mean[27:])
    # The cosine of the joined descriptors is the mean of the cosines of four.
    parts = [
        part - centre
        for part, centre in zip(*(x.split(found.blocks, -1) for x in (found.values, mean)), strict=True)
    ]
    cosines = [torch.cosine_similarity(part[0, 3], part[1, 2], dim=0) for part in parts]
    one, other = found[torch.tensor([0])], found[torch.tensor([1])]
    torch.testing.assert_close(pair_cosines(one, other).centred[0, 0, 3, 2], torch.stack(cosines).mean())


def test_learnt_reductions_train_through_the_encoder() -> None:
    torch.manual_seed(0)
    blocks = [M2Block(ConvReduction(3, 4, hidden=5), scales=SCALES) for _ in range(2)]
    model = Encoder(Pyramid(), blocks)
    model(FRAMES).values.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_parts_that_do_not_fit_are_named() -> None:
    block = M2Block(Reduction.identity(3), scales=SCALES)
    other = M2Block(Reduction.identity(3), scales=(Scale(1, 1),))
    with pytest.raises(ValueError, match="expected one block for each of 2 stages, got 1"):
        Encoder(Pyramid(), [block])
    with pytest.raises(ValueError, match="expected blocks with the same scales"):
        Encoder(Pyramid(), [block, other])
    with pytest.raises(ValueError, match="expected maps of 2 stages, got 1"):
        encoder().describe(Pyramid()(FRAMES)[:1], PTS, DURATION)
    with pytest.raises(ValueError, match=r"mean descriptor of shape \(42,\), got \(41,\)"):
        encoder().set_mean(torch.zeros(41))
    with pytest.raises(ValueError, match="descriptors of at least one stage, got none"):
        join_descriptors([])
    with pytest.raises(ValueError, match="expected stages over the same windows"):
        join_descriptors([block(FRAMES, PTS, DURATION), other(FRAMES, PTS, DURATION)])
