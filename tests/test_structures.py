"""Values check their shapes when they are made, and say what they hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from a2m2.structures import Clip, Evidence, Match
from matching_fixtures import random_descriptors

CLIP = Clip(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.arange(4).double(), torch.arange(4), 4.0)


def test_reprs_show_shapes() -> None:
    assert repr(CLIP) == "Clip(frames=uint8(4, 3, 8, 8), duration_seconds=4.000)"
    described = random_descriptors(2, seed=0, dtype=torch.float32)
    assert repr(described) == "Descriptors(values=float32(2, 6, 12), mean=float32(12,), blocks=(12,))"
    evidence = Evidence(torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3), torch.zeros(2, dtype=torch.int64))
    assert repr(Match(torch.zeros(1, 2), evidence)) == (
        "Match(logits=float32(1, 2), evidence=Evidence(plan=float32(1, 2, 3, 3)))"
    )


def test_descriptors_are_picked_by_video() -> None:
    described = random_descriptors(5, seed=0)
    picked = described[torch.tensor([4, 1])]
    assert len(picked) == 2
    assert torch.equal(picked.values, described.values[[4, 1]])
    assert picked.mean is described.mean


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        (
            "values",
            torch.zeros(5, 12),
            r"expected values of shape \(batch, node, dim\), got float32\(5, 12\)",
        ),
        ("spans", torch.zeros(5, 6), r"expected spans of shape \(5, 6, 2\), got float32\(5, 6\)"),
        ("windows", torch.zeros(5, 2), r"expected windows of shape \(6, 2\), got float32\(5, 2\)"),
        ("scale", torch.zeros(5), r"expected scale of shape \(6,\), got float32\(5,\)"),
        ("energy", torch.zeros(4, 8), r"expected energy of shape \(5, time\), got float32\(4, 8\)"),
        ("mean", torch.zeros(11), r"expected mean of shape \(12,\), got float32\(11,\)"),
        ("blocks", (5, 6), r"expected blocks that sum to 12, got \(5, 6\)"),
    ],
)
def test_wrong_shapes_are_refused(name: str, wrong: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(random_descriptors(5, seed=0), **{name: wrong})


def test_wrong_clips_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected frames as uint8 \(time, 3, height, width\), got float32"):
        replace(CLIP, frames=torch.zeros(4, 3, 8, 8))
    with pytest.raises(ValueError, match=r"expected pts_seconds of shape \(4,\), got float32\(3,\)"):
        replace(CLIP, pts_seconds=torch.zeros(3))
