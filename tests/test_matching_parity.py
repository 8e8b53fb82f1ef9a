"""Fast matchers against slow loops from the equations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from a2m2.matching import A2Matcher, DiagonalMatcher, ProtoNetMatcher, pair_cosines
from a2m2.matching.order import candidate_positions
from a2m2.structures import Descriptors
from matching_fixtures import random_descriptors
from reference import matching as slow

LABELS = torch.tensor([0, 1, 1, 0])


@pytest.mark.parametrize("blocks", [(), (5, 7)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_both_cosines_from_one_gram_matrix(blocks: tuple[int, ...], dtype: torch.dtype) -> None:
    query = random_descriptors(3, seed=1, blocks=blocks, dtype=dtype)
    target = random_descriptors(2, seed=2, blocks=blocks, dtype=dtype)
    got = pair_cosines(query, target)
    tolerance = 1e-10 if dtype == torch.float64 else 2e-5
    np.testing.assert_allclose(got.centred, slow.cosines(query, target, centred=True), atol=tolerance)
    np.testing.assert_allclose(got.raw, slow.cosines(query, target, centred=False), atol=tolerance)


@pytest.mark.parametrize("axis", ["time", "progress"])
@pytest.mark.parametrize("order_prior", [0.0, 0.4])
def test_a2_equals_the_equations(axis: str, order_prior: float) -> None:
    support, query = random_descriptors(4, seed=3), random_descriptors(2, seed=4)
    matcher = A2Matcher(order_prior=order_prior, order_axis=axis, temperature=7.0)
    got = matcher(support, LABELS, query, num_classes=2).logits

    centred, raw = slow.cosines(query, support, centred=True), slow.cosines(query, support, centred=False)
    t_query, t_support = candidate_positions(query, axis), candidate_positions(support, axis)
    scores = np.zeros((2, 4))
    for i, j in np.ndindex(2, 4):
        distance = np.abs(t_query[i].numpy()[:, None] - t_support[j].numpy()[None, :])
        a, b = slow.cross_reference(raw[i, j])
        scores[i, j] = 7.0 * (1 - slow.transport(1 - centred[i, j] + order_prior * distance, a, b))
    np.testing.assert_allclose(got, slow.class_average(scores, LABELS.numpy(), 2), atol=1e-5)


def test_softmax_weights_equal_the_equations() -> None:
    support, query = random_descriptors(2, seed=5), random_descriptors(2, seed=6)
    got = A2Matcher(weights="softmax", sharpness=3.0)(support, torch.arange(2), query, num_classes=2).logits
    centred, raw = slow.cosines(query, support, centred=True), slow.cosines(query, support, centred=False)
    for i, j in np.ndindex(2, 2):
        a, b = np.exp(3 * raw[i, j].mean(1)), np.exp(3 * raw[i, j].mean(0))
        expected = 12.5 * (1 - slow.transport(1 - centred[i, j], a, b))
        assert got[i, j].item() == pytest.approx(expected, abs=1e-5)


def slow_energy(video: int, descriptors: Descriptors) -> np.ndarray:
    """Mean energy of each candidate's frames over that of the video, plus the floor."""
    energy = descriptors.energy[video].tolist()
    mean = sum(energy) / len(energy)
    shares = [sum(energy[a:b]) / (b - a) / mean if mean > 0 else 0.0 for a, b in descriptors.windows.tolist()]
    return np.array(shares) + 1e-3


@pytest.mark.parametrize("shots", ["per_video", "prototype", "union"])
def test_energy_weights_equal_the_equations(shots: str) -> None:
    support, query = random_descriptors(4, seed=21), random_descriptors(2, seed=22)
    support.energy[2] = 0  # nothing moves: all candidates weigh the same
    got = A2Matcher(weights="energy", shots=shots)(support, LABELS, query, num_classes=2).logits
    for i, label in np.ndindex(2, 2):
        members = [j for j in range(4) if LABELS[j] == label]
        weights = [slow_energy(j, support) for j in members]
        if shots == "prototype":
            merged = replace(support[torch.tensor([0])], values=support.values[members].mean(0, keepdim=True))
            problems = [(slow.cosines(query, merged, centred=True)[i, 0], np.mean(weights, axis=0))]
        else:
            centred = slow.cosines(query, support, centred=True)
            problems = [(centred[i, j], w) for j, w in zip(members, weights, strict=True)]
            if shots == "union":
                problems = [(np.concatenate([c for c, _ in problems], axis=1), np.concatenate(weights))]
        scores = [12.5 * (1 - slow.transport(1 - c, slow_energy(i, query), w)) for c, w in problems]
        assert got[i, label].item() == pytest.approx(np.mean(scores), abs=1e-5)


def test_prototype_is_the_candidatewise_mean() -> None:
    support, query = random_descriptors(4, seed=7), random_descriptors(2, seed=8)
    merged = replace(
        support[torch.arange(2)],
        values=torch.stack([support.values[LABELS == label].mean(0) for label in range(2)]),
    )
    expected = A2Matcher()(merged, torch.arange(2), query, num_classes=2).logits
    got = A2Matcher(shots="prototype")(support, LABELS, query, num_classes=2).logits
    torch.testing.assert_close(got, expected)


def test_union_is_one_problem_over_all_nodes_of_a_class() -> None:
    support, query = random_descriptors(5, seed=9), random_descriptors(2, seed=10)
    labels = torch.tensor([0, 1, 1, 0, 0])  # three shots against two: the smaller class is padded
    matcher = A2Matcher(shots="union", weights="uniform", order_prior=0.2)
    match = matcher(support, labels, query, num_classes=2)
    centred = slow.cosines(query, support, centred=True)
    time = candidate_positions(query, "time")[0].numpy()
    for i, label in np.ndindex(2, 2):
        members = np.flatnonzero(labels.numpy() == label)
        cost = np.concatenate(
            [1 - centred[i, j] + 0.2 * np.abs(time[:, None] - time) for j in members], axis=1
        )
        value = slow.transport(cost, np.ones(6), np.ones(cost.shape[1]))
        assert match.logits[i, label].item() == pytest.approx(12.5 * (1 - value), abs=1e-5)
    assert match.evidence.plan[:, 1, :, 12:].abs().max() == 0


def test_diagonal_equals_the_equations() -> None:
    support, query = random_descriptors(4, seed=11), random_descriptors(2, seed=12)
    got = DiagonalMatcher(temperature=3.0)(support, LABELS, query, num_classes=2).logits
    centred = slow.cosines(query, support, centred=True)
    scores = np.array(
        [[np.mean([centred[i, j, k, k] for k in range(6)]) for j in range(4)] for i in range(2)]
    )
    np.testing.assert_allclose(got, 3 * slow.class_average(scores, LABELS.numpy(), 2), atol=1e-9)


def test_protonet_equals_the_equations() -> None:
    support, query = (
        random_descriptors(4, seed=13, blocks=(5, 7)),
        random_descriptors(2, seed=14, blocks=(5, 7)),
    )
    cosine = ProtoNetMatcher(temperature=1.0)(support, LABELS, query, num_classes=2).logits
    euclidean = ProtoNetMatcher(metric="euclidean")(support, LABELS, query, num_classes=2).logits

    def unit(video: np.ndarray) -> np.ndarray:
        vector = video.mean(0) - 1.5
        return np.concatenate([p / np.linalg.norm(p) for p in (vector[:5], vector[5:])]) / np.sqrt(2)

    for i, label in np.ndindex(2, 2):
        members = support.values[LABELS == label].numpy()
        video = query.values[i].numpy()
        prototype = np.mean([unit(member) for member in members], axis=0)
        expected = unit(video) @ prototype / np.linalg.norm(prototype)
        assert cosine[i, label].item() == pytest.approx(expected, abs=1e-9)
        distance = np.sum((video.mean(0) - np.mean([m.mean(0) for m in members], axis=0)) ** 2)
        assert euclidean[i, label].item() == pytest.approx(-distance, rel=1e-9)


def test_temperature_and_gate_receive_gradients() -> None:
    support, query = random_descriptors(2, seed=15), random_descriptors(2, seed=16)
    matcher = A2Matcher(weights="gate", dim=12, learn_temperature=True).double()
    matcher(support, torch.arange(2), query, num_classes=2).logits.softmax(1)[:, 0].sum().backward()
    assert matcher.temperature.log_value.grad.abs() > 0
    assert matcher.gate.linear.weight.grad.abs().sum() > 0


def test_positions_on_time_and_progress() -> None:
    descriptors = random_descriptors(2, seed=17)
    descriptors = replace(
        descriptors, energy=torch.tensor([[0.0, 1.0, 0.0, 3.0], [0.0, 0.0, 0.0, 0.0]]).double()
    )
    time = torch.tensor([0.125, 0.375, 0.625, 0.875, 0.25, 0.75]).double()
    progress = torch.tensor([0.0, 0.25, 0.25, 1.0, 0.125, 0.625]).double()
    torch.testing.assert_close(candidate_positions(descriptors, "time"), time.expand(2, -1))
    torch.testing.assert_close(candidate_positions(descriptors, "progress"), torch.stack([progress, time]))


def test_wrong_use_is_refused() -> None:
    support, query = random_descriptors(2, seed=18), random_descriptors(2, seed=19)
    other = random_descriptors(2, seed=20, blocks=(5, 7))
    with pytest.raises(ValueError, match=r"from one encoder, got blocks \(5, 7\) and \(12,\)"):
        pair_cosines(other, support)
    with pytest.raises(ValueError, match="share one mean descriptor"):
        pair_cosines(replace(query, mean=None), support)
    with pytest.raises(ValueError, match="expected dim, the descriptor length, for weights='gate', got None"):
        A2Matcher(weights="gate")
    with pytest.raises(ValueError, match=r"expected order_prior ≥ 0, got -1"):
        A2Matcher(order_prior=-1)
    with pytest.raises(ValueError, match=r"expected temperature > 0, got 0"):
        A2Matcher(temperature=0)
    with pytest.raises(ValueError, match="expected metric cosine or euclidean, got 'manhattan'"):
        ProtoNetMatcher(metric="manhattan")
    fewer = replace(
        support,
        values=support.values[:, :3],
        spans=support.spans[:, :3],
        windows=support.windows[:3],
        scale=support.scale[:3],
    )
    with pytest.raises(ValueError, match=r"as many support candidates as query candidates \(6\), got 3"):
        DiagonalMatcher()(fewer, torch.arange(2), query, num_classes=2)
