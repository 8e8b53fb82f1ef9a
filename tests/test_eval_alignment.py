"""Alignment truth on plans small enough to count by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from a2m2.eval.alignment import IDLE, UNIFORM, AlignmentTruth, frame_labels
from a2m2.records import Episode, SubActionSpan
from a2m2.structures import Evidence

WINDOWS = torch.tensor([[0, 1], [1, 2], [2, 3], [0, 2]])
EPISODE = Episode(0, (0, 1), ((0,), (1,)), ((2,), (3,)))
# Videos 0 and 2 belong together, 1 and 3 too; three sampled frames each.
LABELS = torch.tensor([[0, 1, IDLE], [0, IDLE, IDLE], [0, 1, IDLE], [IDLE, IDLE, 0]])


def evidence(plan_of_first: torch.Tensor, plan_of_second: torch.Tensor) -> Evidence:
    """Plans of the two queries with their own class; pairs of different classes hold what must not be counted."""
    plan = torch.full((2, 2, 4, 4), 1 / 16)
    plan[0, 0], plan[1, 1] = plan_of_first, plan_of_second
    return Evidence(plan, torch.zeros_like(plan), torch.tensor([0, 1]))


def test_frames_take_the_span_they_lie_in() -> None:
    spans = [SubActionSpan("up", 0.1, 0.3), SubActionSpan("left", 0.3, 0.5)]
    got = frame_labels(
        [spans, [SubActionSpan("left", 0.0, 0.2)]], [[0.0, 0.1, 0.3, 0.5], [0.0, 0.1, 0.2, 0.3]]
    )
    assert got.tolist() == [[IDLE, 1, 0, IDLE], [0, 0, IDLE, IDLE]]


def test_shares_of_known_plans() -> None:
    truth = AlignmentTruth(LABELS, {"a": WINDOWS})
    first = torch.zeros(4, 4)
    first[0, 0], first[1, 0], first[2, 2], first[3, 3] = 0.3, 0.1, 0.2, 0.4
    second = torch.zeros(4, 4)
    second[2, 0], second[0, 1] = 0.25, 0.75
    truth("a", EPISODE, evidence(first, second))
    shares = truth.summary()
    # Between non-idle single frames: 0.3 right and 0.1 wrong, and 0.25 right. All single frames: 0.6 and 1.0.
    assert shares["a"]["non_idle"]["share"] == pytest.approx(0.55 / 0.65)
    assert shares["a"]["all"]["share"] == pytest.approx(0.55 / 1.6)
    # The uniform plan: pairs (0,0), (1,1) of four right in the first, the only one in the second; 18 in all.
    assert shares[UNIFORM]["non_idle"]["share"] == pytest.approx(3 / 5)
    assert shares[UNIFORM]["all"]["share"] == pytest.approx(3 / 18)
    assert shares["a"]["all"]["episodes"] == 1


def test_episodes_without_mass_between_actions_are_left_out() -> None:
    labels = LABELS.clone()
    truth = AlignmentTruth(labels, {"a": WINDOWS})
    truth("a", EPISODE, evidence(torch.eye(4) / 4, torch.eye(4) / 4))
    labels.fill_(IDLE)
    truth("a", replace(EPISODE, index=1), evidence(torch.eye(4) / 4, torch.eye(4) / 4))
    truth("b", EPISODE, evidence(torch.eye(4) / 4, torch.eye(4) / 4))
    shares = truth.summary()
    assert list(shares) == ["a", UNIFORM]
    assert shares["a"]["non_idle"] == {"share": 1.0, "interval95": 0.0, "episodes": 1}


def test_merged_shots_are_not_measured() -> None:
    truth = AlignmentTruth(LABELS, {"a": WINDOWS})
    plan = torch.full((2, 1, 4, 4), 1 / 16)
    truth("a", EPISODE, Evidence(plan, plan, torch.tensor([0])))
    assert truth.summary() == {}
