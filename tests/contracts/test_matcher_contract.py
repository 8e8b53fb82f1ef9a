"""Laws that every matcher keeps, one battery for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from a2m2.matching import (
    A2Matcher,
    BiMHMMatcher,
    ChamferMatcher,
    DiagonalMatcher,
    HyRSMMatcher,
    LinearProbeMatcher,
    Matcher,
    OTAMMatcher,
    ProtoNetMatcher,
    TRXMatcher,
)
from matching_fixtures import random_descriptors

MATCHERS: dict[str, Callable[[], Matcher]] = {
    "a2 cross_reference": lambda: A2Matcher(),
    "a2 uniform": lambda: A2Matcher(weights="uniform"),
    "a2 softmax": lambda: A2Matcher(weights="softmax"),
    "a2 energy": lambda: A2Matcher(weights="energy"),
    "a2 gate": lambda: A2Matcher(weights="gate", dim=12),
    "a2 prototype": lambda: A2Matcher(shots="prototype"),
    "a2 union": lambda: A2Matcher(shots="union"),
    "a2 order on time": lambda: A2Matcher(order_prior=0.3),
    "a2 order on progress": lambda: A2Matcher(order_prior=0.3, order_axis="progress"),
    "diagonal": lambda: DiagonalMatcher(),
    "protonet cosine": lambda: ProtoNetMatcher(),
    "protonet euclidean": lambda: ProtoNetMatcher(metric="euclidean"),
    "otam": lambda: OTAMMatcher(),
    "bi_mhm": lambda: BiMHMMatcher(),
    "chamfer query": lambda: ChamferMatcher(),
    "chamfer support": lambda: ChamferMatcher(direction="support"),
    "chamfer both": lambda: ChamferMatcher(direction="both"),
    "chamfer max": lambda: ChamferMatcher(form="max"),
    "linear probe": lambda: LinearProbeMatcher(),
    "trx": lambda: TRXMatcher(dim=12, width=8),
    "hyrsm": lambda: HyRSMMatcher(dim=12, width=8),
}
WITHOUT_PLAN = (ProtoNetMatcher, LinearProbeMatcher, TRXMatcher)
LABELS = torch.tensor([0, 2, 1, 1, 0, 2])


@pytest.fixture(params=MATCHERS, ids=lambda name: name.replace(" ", "_"))
def matcher(request: pytest.FixtureRequest) -> Matcher:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MATCHERS[request.param]().double()


def test_shape_and_determinism(matcher: Matcher) -> None:
    support, query = random_descriptors(6, seed=1), random_descriptors(4, seed=2)
    first = matcher(support, LABELS, query, num_classes=3).logits
    assert first.shape == (4, 3)
    assert torch.isfinite(first).all()
    torch.testing.assert_close(matcher(support, LABELS, query, num_classes=3).logits, first, rtol=0, atol=0)


def test_renaming_classes_permutes_scores(matcher: Matcher) -> None:
    support, query = random_descriptors(6, seed=3), random_descriptors(4, seed=4)
    logits = matcher(support, LABELS, query, num_classes=3).logits
    renamed = torch.tensor([2, 0, 1])
    permuted = matcher(support, renamed[LABELS], query, num_classes=3).logits
    torch.testing.assert_close(permuted[:, renamed], logits)


def test_order_of_supports_does_not_matter(matcher: Matcher) -> None:
    support, query = random_descriptors(6, seed=5), random_descriptors(4, seed=6)
    shuffle = torch.tensor([3, 5, 0, 1, 4, 2])
    logits = matcher(support, LABELS, query, num_classes=3).logits
    shuffled = matcher(support[shuffle], LABELS[shuffle], query, num_classes=3).logits
    torch.testing.assert_close(shuffled, logits)


def test_queries_do_not_see_each_other(matcher: Matcher) -> None:
    assert not matcher.uses_query_set
    support, query = random_descriptors(6, seed=7), random_descriptors(4, seed=8)
    together = matcher(support, LABELS, query, num_classes=3).logits
    alone = torch.cat(
        [matcher(support, LABELS, query[torch.tensor([i])], num_classes=3).logits for i in range(4)]
    )
    torch.testing.assert_close(alone, together)


def test_order_of_candidates_matters_only_where_declared(matcher: Matcher) -> None:
    support, query = random_descriptors(6, seed=9), random_descriptors(4, seed=10)
    shuffle = torch.tensor([3, 1, 5, 0, 2, 4])
    shuffled = replace(query, values=query.values[:, shuffle])
    logits = matcher(support, LABELS, query, num_classes=3).logits
    same = torch.allclose(matcher(support, LABELS, shuffled, num_classes=3).logits, logits)
    assert same != matcher.uses_order


def test_two_videos_have_one_score_either_way_only_where_declared(matcher: Matcher) -> None:
    one, other = random_descriptors(1, seed=15), random_descriptors(1, seed=16)
    label = torch.tensor([0])
    forward = matcher(one, label, other, num_classes=1).logits
    same = torch.allclose(matcher(other, label, one, num_classes=1).logits, forward)
    assert same or not matcher.symmetric


def test_a_video_is_nearest_to_itself(matcher: Matcher) -> None:
    support = random_descriptors(3, seed=11)
    logits = matcher(support, torch.arange(3), support, num_classes=3).logits
    assert logits.argmax(1).tolist() == [0, 1, 2]


def test_gradients_are_finite(matcher: Matcher) -> None:
    support, query = random_descriptors(6, seed=12), random_descriptors(4, seed=13)
    values = support.values.clone().requires_grad_()
    match = matcher(replace(support, values=values), LABELS, query, num_classes=3)
    match.logits.softmax(1)[:, 0].sum().backward()
    assert values.grad is not None
    assert torch.isfinite(values.grad).all()
    assert values.grad.abs().sum() > 0


def test_a_zero_candidate_gives_finite_scores_and_gradients(matcher: Matcher) -> None:
    support, query = (
        random_descriptors(3, seed=14, centred=False),
        random_descriptors(2, seed=15, centred=False),
    )
    values = support.values.clone()
    values[0, 2] = 0
    values.requires_grad_()
    match = matcher(replace(support, values=values), torch.arange(3), query, num_classes=3)
    match.logits.sum().backward()
    assert torch.isfinite(match.logits).all()
    assert torch.isfinite(values.grad).all()


def test_evidence_carries_all_mass(matcher: Matcher) -> None:
    support, query = random_descriptors(6, seed=16), random_descriptors(4, seed=17)
    evidence = matcher(support, LABELS, query, num_classes=3).evidence
    if evidence is None:
        assert isinstance(matcher, WITHOUT_PLAN)
        assert not matcher.aligns
        return
    total = evidence.plan.sum((-1, -2))
    torch.testing.assert_close(total, torch.ones_like(total))
    assert evidence.similarity.shape == evidence.plan.shape
    assert evidence.target_labels.shape == (evidence.plan.shape[1],)


@pytest.mark.parametrize("way", [2, 5])
@pytest.mark.parametrize("shot", [1, 5])
def test_any_way_and_shot(matcher: Matcher, way: int, shot: int) -> None:
    support, query = random_descriptors(way * shot, seed=30), random_descriptors(3, seed=31)
    labels = torch.arange(way).repeat_interleave(shot)
    values = query.values.clone().requires_grad_()
    logits = matcher(support, labels, replace(query, values=values), num_classes=way).logits
    assert logits.shape == (3, way)
    logits.softmax(1)[:, 0].sum().backward()
    assert torch.isfinite(values.grad).all()
    assert values.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", ["constant", "duplicate", "mean"])
def test_gradients_are_finite_where_descriptors_coincide(matcher: Matcher, kind: str) -> None:
    """A clip in which nothing changes, the same clip everywhere, and clips that are the mean descriptor itself."""
    support, query = random_descriptors(4, seed=32), random_descriptors(2, seed=33)
    if kind == "constant":
        same = [x.values[:, :1].expand_as(x.values) for x in (support, query)]
    elif kind == "duplicate":
        same = [support.values[:1].expand_as(x.values) for x in (support, query)]
    else:
        same = [torch.full_like(x.values, 1.5) for x in (support, query)]
    leaves = [value.clone().requires_grad_() for value in same]
    match = matcher(
        replace(support, values=leaves[0]),
        torch.tensor([0, 1, 1, 0]),
        replace(query, values=leaves[1]),
        num_classes=2,
    )
    match.logits.softmax(1)[:, 0].sum().backward()
    assert torch.isfinite(match.logits).all()
    for leaf in leaves:
        assert torch.isfinite(leaf.grad).all()
    for parameter in matcher.parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all()


def test_learnt_is_what_has_weights_besides_its_temperature(matcher: Matcher) -> None:
    names = {name for name, _ in matcher.named_parameters()}
    assert bool(names) == matcher.learnt


@pytest.mark.parametrize("labels", [[0, 1, 1], [0, 1, 3], [1, 2, 3]])
def test_labels_must_cover_the_classes(matcher: Matcher, labels: list[int]) -> None:
    support = random_descriptors(3, seed=18)
    with pytest.raises(ValueError, match=r"support labels to cover the classes 0 … 2, got"):
        matcher(support, torch.tensor(labels), support, num_classes=3)


def test_number_of_labels_must_fit(matcher: Matcher) -> None:
    support = random_descriptors(3, seed=19)
    with pytest.raises(ValueError, match=r"expected 3 support labels, got shape \(2,\)"):
        matcher(support, torch.tensor([0, 1]), support, num_classes=2)


def test_means_of_pairs_are_where_declared(matcher: Matcher) -> None:
    """The score of a class is the mean over its supports of the score of each alone, in any company."""
    support, query = random_descriptors(6, seed=20), random_descriptors(4, seed=21)
    logits = matcher(support, LABELS, query, num_classes=3).logits
    every = torch.arange(6)
    pairs = matcher(support, every, query, num_classes=6).logits
    alone = [matcher(support[every[i : i + 1]], every[:1], query, num_classes=1).logits for i in range(6)]
    apart = torch.allclose(pairs, torch.cat(alone, dim=1))
    means = torch.stack([pairs[:, label == LABELS].mean(1) for label in range(3)], dim=1)
    assert (apart and torch.allclose(means, logits)) == matcher.mean_of_pairs
