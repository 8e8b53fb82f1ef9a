"""From pixels to scores as one module."""

from __future__ import annotations

import pytest
import torch

from a2m2.matching import A2Matcher, ProtoNetMatcher
from a2m2.model import FewShotModel
from a2m2.nn import ConvReduction, Encoder, M2Block, load_backbone


def model(source: str, *, dim: int, last_stride: int = 2) -> FewShotModel:
    backbone = load_backbone(source, stages=("last",), last_stride=last_stride)
    block = M2Block(ConvReduction(backbone.channels[0], dim), calibration="none")
    return FewShotModel(Encoder(backbone, [block]), A2Matcher(learn_temperature=True)).eval()


def pixels(num_clips: int, size: int) -> torch.Tensor:
    return torch.rand(num_clips, 8, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_scores_and_gradients_from_pixels() -> None:
    network = model("motion-filters", dim=6)
    frames = pixels(4, 48)
    labels = torch.tensor([0, 1])
    match = network(frames[:2], labels, frames[2:], num_classes=2)
    assert match.logits.shape == (2, 2)
    match.logits.softmax(1)[:, 0].sum().backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients.values())
    assert sum(gradient.abs().sum() for gradient in gradients.values()) > 0


def test_supports_are_encoded_once_for_any_matcher() -> None:
    network = model("motion-filters", dim=6)
    frames = pixels(3, 48)
    with torch.inference_mode():
        support, query = network.encode(frames[:2]), network.encode(frames[2:])
        labels = torch.arange(2)
        joint = network(frames[:2], labels, frames[2:], num_classes=2).logits
        torch.testing.assert_close(network.match(support, labels, query, num_classes=2).logits, joint)
        assert ProtoNetMatcher()(support, labels, query, num_classes=2).logits.shape == (1, 2)
    torch.testing.assert_close(query.spans[0, :8, 0], torch.arange(8.0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "dim", "last_stride"),
    [("random:resnet50", 128, 1), ("random:clip-vit-b16", 128, 2), ("random:videomae-b", 128, 2)],
)
def test_the_papers_backbones_go_from_pixels_to_scores(source: str, dim: int, last_stride: int) -> None:
    network = model(source, dim=dim, last_stride=last_stride)
    frames = pixels(4, 224)
    with torch.inference_mode():
        match = network(frames[:2], torch.arange(2), frames[2:], num_classes=2)
    assert match.evidence is not None
    assert match.evidence.plan.shape == (2, 2, 14, 14)
    assert network.encode(frames[:1]).values.shape[2] == dim * (dim + 1) // 2
    assert match.logits.isfinite().all()
    assert match.logits.unique().numel() == 4
