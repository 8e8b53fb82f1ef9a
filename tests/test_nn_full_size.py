"""The architectures of the paper at full size with random weights, from pixels to descriptors."""

from __future__ import annotations

import pytest
import torch

from a2m2.nn import ConvReduction, Encoder, M2Block, fit_reduction, load_backbone

pytestmark = pytest.mark.slow

FRAMES = torch.rand(1, 8, 3, 224, 224, generator=torch.Generator().manual_seed(0))


def test_resnet50_of_stride_one_with_the_learnt_reduction() -> None:
    backbone = load_backbone("random:resnet50", stages=("last",), last_stride=1)
    torch.manual_seed(0)
    model = Encoder(backbone, [M2Block(ConvReduction(2048, 128), calibration="tsa+tca")]).eval()
    found = model(FRAMES)
    assert found.values.shape == (1, 14, 8256)
    found.values.square().sum().backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert found.values.isfinite().all()
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize(
    ("source", "channels", "side"),
    [
        ("random:mobilenet_v2", (96, 1280), (14, 7)),
        ("random:clip-vit-b16", (768, 768), (14, 14)),
        ("random:videomae-b", (768, 768), (14, 14)),
        ("random:dinov2-s", (384, 384), (16, 16)),
    ],
)
def test_other_backbones_with_a_fitted_reduction(
    source: str, channels: tuple[int, int], side: tuple[int, int]
) -> None:
    backbone = load_backbone(source, stages=("mid", "last"))
    assert backbone.channels == channels
    with torch.inference_mode():
        maps = backbone(FRAMES)
        assert tuple(some.shape[-1] for some in maps) == side
        blocks = [M2Block(fit_reduction([some], num_components=32)) for some in maps]
        found = Encoder(backbone, blocks).describe(maps)
    assert found.values.shape == (1, 14, 2 * 2080)
    assert found.values.isfinite().all()
