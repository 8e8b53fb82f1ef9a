"""The field's methods against slow loops from the papers' equations."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from a2m2.matching import (
    BiMHMMatcher,
    ChamferMatcher,
    HyRSMMatcher,
    LinearProbeMatcher,
    Matcher,
    OTAMMatcher,
    TRXMatcher,
)
from a2m2.matching.linear_probe import probe_coefficients
from a2m2.matching.nearest import mean_nearest
from a2m2.matching.otam import ordered_alignment
from a2m2.matching.sequences import shared_sequences, time_encoding
from a2m2.structures import Descriptors
from matching_fixtures import WINDOWS, random_descriptors
from reference import field_methods as field
from reference import matching as slow

LABELS = torch.tensor([0, 1, 1, 0, 0])
SCALES = [[0, 1, 2, 3], [4, 5]]
MIDDLES = np.array([0.0, 1.0, 2.0, 3.0, 0.5, 2.5])
BLOCKS = (5, 7)


def pair(seed: int) -> tuple[Descriptors, Descriptors]:
    """Five supports and three queries, in two blocks."""
    return random_descriptors(5, seed=seed, blocks=BLOCKS), random_descriptors(
        3, seed=seed + 1, blocks=BLOCKS
    )


def randomised(matcher: Matcher, seed: int = 0) -> Matcher:
    """Float64 with every weight away from its start, norms and biases too."""
    generator = torch.Generator().manual_seed(seed)
    matcher = matcher.double()
    with torch.no_grad():
        for parameter in matcher.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return matcher


def numpy_weights(module: torch.nn.Module) -> field.Weights:
    return {name: value.detach().numpy() for name, value in module.state_dict().items()}


def units(descriptors: Descriptors) -> np.ndarray:
    return np.array([[field.unit(u, 1.5, BLOCKS) for u in video] for video in descriptors.values.numpy()])


# --- OTAM ---


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (3, 5), (5, 3), (6, 6)])
@pytest.mark.parametrize("smoothness", [0.1, 0.7])
def test_otam_equals_the_recurrence(shape: tuple[int, int], smoothness: float) -> None:
    cost = 2 * torch.rand(2, 3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    distance, _ = ordered_alignment(cost, smoothness=smoothness)
    for index in np.ndindex(2, 3):
        expected = field.otam_distance(cost[index].numpy(), smoothness)
        assert distance[index].item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shape", [(1, 3), (3, 1), (3, 4), (4, 3)])
def test_otam_visits_are_those_of_all_paths(shape: tuple[int, int]) -> None:
    cost = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    distance, visits = ordered_alignment(cost, smoothness=0.3)
    expected_distance, expected_visits = field.otam_paths(cost.numpy(), 0.3)
    assert distance.item() == pytest.approx(expected_distance, abs=1e-9)
    np.testing.assert_allclose(visits, expected_visits, atol=1e-9)
    assert (visits.sum(0) >= 1 - 1e-9).all()  # every column is paid


def test_otam_gradient_equals_finite_differences() -> None:
    cost = torch.rand(2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: ordered_alignment(c, smoothness=0.2)[0], cost)


def test_otam_follows_the_order_of_a_stretched_copy() -> None:
    """A video against itself with one frame dwelt upon: little smoothness leaves one path, along equal frames."""
    same = torch.tensor([[0, 0, 1, 2], [1, 1, 0, 1], [2, 2, 1, 0]]).double()
    distance, visits = ordered_alignment(same, smoothness=1e-3)
    assert distance.item() == pytest.approx(0, abs=1e-2)
    assert visits[same > 0].max() < 1e-6
    reversed_distance, _ = ordered_alignment(same.flip(1), smoothness=1e-3)
    assert reversed_distance.item() > 1


def test_otam_does_not_overflow_on_long_sequences() -> None:
    distance, visits = ordered_alignment(torch.full((64, 64), 2.0), smoothness=0.01)
    assert torch.isfinite(distance)
    assert torch.isfinite(visits).all()


def test_otam_matcher_equals_the_equations() -> None:
    support, query = pair(30)
    match = OTAMMatcher(temperature=3.0)(support, LABELS, query, num_classes=2)
    cost = 1 - slow.cosines(query, support, centred=True)
    scores = np.zeros((3, 5))
    for i, j in np.ndindex(3, 5):
        parts = []
        for nodes in SCALES:
            block = cost[i, j][np.ix_(nodes, nodes)]
            both = field.otam_distance(block, 0.1) + field.otam_distance(block.T, 0.1)
            parts.append(1 - both / 2 / len(nodes))
        scores[i, j] = 3 * np.mean(parts)
        block = cost[i, j][np.ix_(SCALES[0], SCALES[0])]
        forth, back = field.otam_paths(block, 0.1)[1], field.otam_paths(block.T, 0.1)[1].T
        expected = (forth / forth.sum() + back / back.sum()) / 4
        np.testing.assert_allclose(match.evidence.plan[i, j, :4, :4], expected, atol=1e-9)
    np.testing.assert_allclose(match.logits, slow.class_average(scores, LABELS.numpy(), 2), atol=1e-9)
    assert (match.evidence.plan[:, :, :4, 4:] == 0).all()


# --- sequences ---


def test_each_scale_and_region_is_a_sequence_in_order_of_time() -> None:
    descriptors = random_descriptors(1, seed=0)
    assert [nodes.tolist() for nodes in shared_sequences(descriptors, descriptors)] == SCALES
    windows = torch.tensor([[2, 4], [2, 4], [0, 2], [0, 2], [0, 4], [0, 2]])
    regions = replace(descriptors, windows=windows, scale=torch.tensor([0, 0, 0, 0, 1, 2]))
    assert [nodes.tolist() for nodes in shared_sequences(regions, regions)] == [[2, 0], [3, 1], [4], [5]]


@pytest.mark.parametrize("matcher", [OTAMMatcher(), TRXMatcher(dim=12, width=8)])
def test_sequences_that_do_not_fit_are_refused(matcher: Matcher) -> None:
    support, query = random_descriptors(2, seed=1), random_descriptors(2, seed=2)
    other = replace(query, windows=WINDOWS.flip(0))
    with pytest.raises(
        ValueError, match=r"same windows and scales, got 6 and 6 candidates that lie elsewhere"
    ):
        matcher(support, torch.arange(2), other, num_classes=2)


def test_time_encoding_equals_the_sines() -> None:
    expected = [field.sines(middle, 11) for middle in MIDDLES]
    np.testing.assert_allclose(time_encoding(random_descriptors(1, seed=0), 11), expected, atol=1e-12)


# --- nearest candidates ---


def test_bi_mhm_equals_the_equations() -> None:
    support, query = pair(40)
    got = BiMHMMatcher(temperature=3.0)(support, LABELS, query, num_classes=2).logits
    distance = 1 - slow.cosines(query, support, centred=True)
    scores = np.array([[3 * (1 - field.bi_mhm_distance(d) / 2) for d in row] for row in distance])
    np.testing.assert_allclose(got, slow.class_average(scores, LABELS.numpy(), 2), atol=1e-9)


@pytest.mark.parametrize("direction", ["query", "support", "both"])
@pytest.mark.parametrize("form", ["mean", "max"])
def test_chamfer_equals_the_equations(direction: str, form: str) -> None:
    support, query = pair(42)
    matcher = ChamferMatcher(direction=direction, form=form, temperature=3.0)
    got = matcher(support, LABELS, query, num_classes=2).logits
    cosines = slow.cosines(query, support, centred=True)
    scores = np.array(
        [[3 * (c.max() if form == "max" else field.chamfer(c, direction)) for c in row] for row in cosines]
    )
    np.testing.assert_allclose(got, slow.class_average(scores, LABELS.numpy(), 2), atol=1e-9)


def test_the_directions_of_chamfer_differ() -> None:
    """One candidate of the support has no partner in the query: only the support's side pays for it."""
    similarity = torch.tensor([[1.0, 0.0], [1.0, 0.0]])[None, None]
    scores = {way: float(mean_nearest(similarity, way)[0]) for way in ("query", "support", "both")}
    assert scores == {"query": 1.0, "support": 0.5, "both": 0.75}


def test_links_go_from_each_candidate_to_its_nearest() -> None:
    similarity = torch.tensor([[0.9, 0.2, 0.9], [0.1, 0.8, 0.3]])[None, None]
    _, query_plan = mean_nearest(similarity, "query")
    _, support_plan = mean_nearest(similarity, "support")
    torch.testing.assert_close(query_plan[0, 0], torch.tensor([[0.25, 0, 0.25], [0, 0.5, 0]]))
    torch.testing.assert_close(support_plan[0, 0], torch.tensor([[1, 0, 1], [0, 1, 0]]) / 3)


def test_wrong_choices_are_refused() -> None:
    with pytest.raises(ValueError, match="expected direction query, support or both, got 'left'"):
        ChamferMatcher(direction="left")
    with pytest.raises(ValueError, match="expected form mean or max, got 'least'"):
        ChamferMatcher(form="least")
    with pytest.raises(ValueError, match="expected smoothness > 0, got 0"):
        OTAMMatcher(smoothness=0)
    with pytest.raises(ValueError, match="expected width to be a multiple of 8 heads, got 12"):
        HyRSMMatcher(dim=12, width=12)
    with pytest.raises(ValueError, match=r"expected cardinalities of at least 1, got \(\)"):
        TRXMatcher(dim=12, cardinalities=())
    support = random_descriptors(2, seed=1)
    with pytest.raises(
        ValueError, match=r"scale of at least 5 candidates for tuples of 5, got scales of 4, 2"
    ):
        TRXMatcher(dim=12, cardinalities=(5,))(support, torch.arange(2), support, num_classes=2)


# --- TRX ---


def test_trx_equals_the_equations() -> None:
    support, query = pair(50)
    matcher = randomised(TRXMatcher(dim=12, width=6))
    got = matcher(support, LABELS, query, num_classes=2).logits.detach()
    time = np.stack([0.1 * field.sines(middle, 12) for middle in MIDDLES])
    supports, queries = (units(x) * math.sqrt(12) + time for x in (support, query))
    for i, label in np.ndindex(3, 2):
        members = [supports[j] for j in range(5) if LABELS[j] == label]
        expected = sum(
            field.trx_distance(queries[i], members, SCALES, numpy_weights(transformer), size)
            for size, transformer in zip((2, 3), matcher.transformers, strict=True)
        )
        assert got[i, label].item() == pytest.approx(-expected, rel=1e-9)


# --- HyRSM ---


def test_hyrsm_equals_the_equations() -> None:
    support, query = pair(60)
    matcher = randomised(HyRSMMatcher(dim=12, width=6, heads=2, temperature=3.0))
    tau = float(matcher.temperature())
    match = matcher(support, LABELS, query, num_classes=2)
    supports, queries = units(support), units(query)
    scores = np.zeros((3, 5))
    for i in range(3):
        *shown, asked = field.hyrsm_enriched(
            [*supports, queries[i]], MIDDLES, numpy_weights(matcher.relation), heads=2
        )
        for j, other in enumerate(shown):
            distance = np.array([[1 - slow.cosine(u, v, (6,)) for v in other] for u in asked])
            np.testing.assert_allclose(match.evidence.similarity[i, j], 1 - distance, atol=1e-9)
            scores[i, j] = tau * (1 - field.bi_mhm_distance(distance) / 2)
    np.testing.assert_allclose(
        match.logits.detach(), slow.class_average(scores, LABELS.numpy(), 2), atol=1e-8
    )


def test_hyrsm_depends_on_the_company_of_supports() -> None:
    support, query = pair(62)
    matcher = randomised(HyRSMMatcher(dim=12, width=6, heads=2))
    before = matcher(support, LABELS, query, num_classes=2).logits[:, 0]
    other = support.values.clone()
    other[LABELS == 1] += 1
    after = matcher(replace(support, values=other), LABELS, query, num_classes=2).logits[:, 0]
    assert (before - after).abs().min() > 1e-6


# --- linear probe ---


@pytest.mark.parametrize("temperature", [0.5, 12.5, 500.0])
def test_linear_probe_equals_the_regression_over_all_its_weights(temperature: float) -> None:
    support, query = pair(70)
    got = LinearProbeMatcher(temperature=temperature).double()(support, LABELS, query, num_classes=2).logits

    def features(descriptors: Descriptors) -> np.ndarray:
        means = [field.unit(video.mean(0), 1.5, BLOCKS) for video in descriptors.values.numpy()]
        return math.sqrt(temperature) * np.stack(means)

    weights = field.logistic_regression(features(support), LABELS.numpy(), 2)
    np.testing.assert_allclose(got, features(query) @ weights.T, rtol=1e-5, atol=1e-5)


def test_the_probe_separates_what_a_nearest_mean_does_not() -> None:
    """Two classes on one line, the second on both sides of the first's mean along a weak direction."""
    x = torch.tensor([[1.0, 0.1], [-1.0, 0.1], [1.0, -0.1], [-1.0, -0.1]]).double() * 40
    targets = torch.tensor([[1, 0], [1, 0], [0, 1], [0, 1]]).double()
    weights = probe_coefficients(x @ x.T, targets).T @ x
    assert weights[0, 1] > 0 > weights[1, 1]
    assert weights[:, 0].abs().max() < 1e-9


@pytest.mark.parametrize("temperature", [1e-3, 1.0, 1e5])
def test_the_probe_is_at_the_minimum_for_any_penalty(temperature: float) -> None:
    """α = Y − softmax(X Wᵀ), also where a clip was given two names and no classifier can be right."""
    x = torch.randn(12, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    x[1::3] = x[0]
    targets = torch.eye(3, dtype=torch.float64)[torch.arange(12) % 3]
    gram = temperature * x @ x.T
    alpha = probe_coefficients(gram, targets)
    torch.testing.assert_close(alpha, targets - (gram @ alpha).softmax(-1), rtol=0, atol=1e-8)


def test_the_gradient_of_the_probe_equals_finite_differences() -> None:
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(6, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.eye(3, dtype=torch.float64)[torch.tensor([0, 1, 2, 2, 1, 0])]
    assert torch.autograd.gradcheck(lambda v: probe_coefficients(v @ v.T, targets), x)


def test_the_probe_is_the_same_in_any_run_and_precision() -> None:
    support, query = (random_descriptors(n, seed=72 + n, dtype=torch.float32) for n in (5, 3))
    runs = [LinearProbeMatcher()(support, LABELS, query, num_classes=2).logits for _ in range(2)]
    assert torch.equal(*runs)
    assert runs[0].dtype == torch.float32
