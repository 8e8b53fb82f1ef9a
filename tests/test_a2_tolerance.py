"""The A² matcher with a tolerance: near the exact scores, and exact wherever that is asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from a2m2.config import load
from a2m2.errors import ConfigError
from a2m2.matching import A2Matcher
from a2m2.methods import find_method
from a2m2.settings import A2Settings, EvaluateSettings, M2Settings
from a2m2.structures import Descriptors

LABELS = torch.tensor([0, 1, 1])
TOLERANCE = 0.01


def _long_clips(count: int, *, seed: int, nodes: int = 90) -> Descriptors:
    """Random walks over so many candidates that the transport does not turn to the exact solver at once."""
    values = torch.randn(count, nodes, 24, generator=torch.Generator().manual_seed(seed)).cumsum(1)
    windows = torch.stack([torch.arange(nodes), torch.arange(1, nodes + 1)], dim=1)
    return Descriptors(
        values=values,
        spans=windows.float().repeat(count, 1, 1),
        windows=windows,
        scale=torch.zeros(nodes, dtype=torch.int64),
        energy=torch.ones(count, nodes),
    )


@pytest.mark.parametrize("shots", ["per_video", "prototype", "union"])
@pytest.mark.parametrize("order_prior", [0.0, 0.3])
def test_scores_lie_below_the_exact_ones_by_no_more_than_the_tolerance(
    shots: str, order_prior: float
) -> None:
    support, query = _long_clips(3, seed=1), _long_clips(2, seed=2)
    options = {"shots": shots, "order_prior": order_prior, "temperature": 1.0}
    exact = A2Matcher(**options)(support, LABELS, query, num_classes=2)
    near = A2Matcher(tolerance=TOLERANCE, **options)(support, LABELS, query, num_classes=2)
    lost = exact.logits - near.logits

    assert lost.min() >= -1e-6
    assert (lost <= TOLERANCE * (1 - near.logits) + 1e-6).all()
    assert lost.max() > 1e-6, "the tolerance was not used"
    assert near.evidence is not None
    assert exact.evidence is not None
    for side in (2, 3):
        masses = (match.evidence.plan.sum(side) for match in (near, exact))
        torch.testing.assert_close(*masses, rtol=0, atol=1e-6)


def test_tolerance_zero_and_short_clips_give_the_bits_of_the_exact_matcher() -> None:
    for nodes, tolerance in ((90, 0.0), (20, TOLERANCE)):
        support, query = _long_clips(3, seed=1, nodes=nodes), _long_clips(2, seed=2, nodes=nodes)
        exact = A2Matcher()(support, LABELS, query, num_classes=2).logits
        assert torch.equal(
            A2Matcher(tolerance=tolerance)(support, LABELS, query, num_classes=2).logits, exact
        )


def test_with_gradients_scores_and_gradients_are_those_of_the_exact_matcher() -> None:
    query = _long_clips(2, seed=2)
    results = []
    for tolerance in (0.0, TOLERANCE):
        own = _long_clips(3, seed=1)
        support = replace(own, values=own.values.requires_grad_())
        logits = A2Matcher(tolerance=tolerance)(support, LABELS, query, num_classes=2).logits
        logits.square().sum().backward()
        assert support.values.grad is not None
        results.append((logits.detach(), support.values.grad))
    for near, exact in zip(results[1], results[0], strict=True):
        assert torch.equal(near, exact)


def test_the_setting_reaches_the_matcher_and_is_refused_outside_its_range() -> None:
    method = find_method("a2m2_net")(M2Settings(), A2Settings(tolerance=TOLERANCE))
    assert isinstance(method.matcher, A2Matcher)
    assert method.matcher.tolerance == TOLERANCE
    assert "within 0.01 of the optimum" in method.description
    with pytest.raises(ValueError, match="tolerance"):
        A2Matcher(tolerance=1.0)
    with pytest.raises(ConfigError, match="tolerance"):
        load(EvaluateSettings, None, ["a2.tolerance=1"], data="nowhere")
