"""Jointed figures: classes that do not overlap, limbs that hang together, clips that are functions of their seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from a2m2.synth import SynthConfig, draw_classes, family_of, make_clip
from a2m2.synth.classes import SPLIT_SIZES
from a2m2.synth.draws import Draws
from a2m2.synth.figure import draw_figure
from a2m2.synth.figure_classes import first_levels, read_class, read_moves
from a2m2.synth.skeletons import SKELETONS
from a2m2.synth.timing import draw_schedule

SEEDS = (1, 2, 1005)


def figure(words: tuple[str, ...], key: int = 0, timing: float = 0.0, num_frames: int = 33):
    return draw_figure(Draws("figure", key), words, draw_schedule(Draws(key), len(words), timing), num_frames)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hundred_classes_and_no_family_in_two_of_them(seed):
    classes = draw_classes("figures", seed)
    assert Counter(c.split for c in classes) == SPLIT_SIZES
    assert len({family_of(c) for c in classes}) == 100


@pytest.mark.parametrize("seed", SEEDS)
def test_classes_are_legal(seed):
    for definition in draw_classes("figures", seed):
        skeleton, phases = read_class(definition.names)
        levels = first_levels(phases)
        for move in (move for moves in phases for move in moves):
            assert move.quantity in skeleton.quantities
            if move.kind != "swing":
                wanted = 0 if move.kind == "up" else 1
                assert levels[move.quantity] == wanted, definition.name
                levels[move.quantity] = 1 - wanted


def test_moves_are_written_as_words():
    moves = read_moves("waist_up&left_elbow_swing")
    assert [move.word for move in moves] == ["waist_up", "left_elbow_swing"]
    with pytest.raises(ValueError, match="expected moves such as waist_up, got 'waist'"):
        read_moves("waist")


@pytest.mark.parametrize("name", SKELETONS)
def test_quantities_move_limbs_that_are_there(name):
    skeleton = SKELETONS[name]
    limbs = {limb.name: limb for limb in skeleton.limbs}
    seen: set[str] = set()
    for limb in skeleton.limbs:
        assert limb.parent is None or limb.parent in seen
        seen.add(limb.name)
    for levers in skeleton.quantities.values():
        for lever in levers:
            assert lever.change in ("angle", "length") or limbs[lever.limb].parent is None
    assert {quantity for pair in skeleton.pairs for quantity in pair} <= set(skeleton.quantities)


@pytest.mark.parametrize("key", range(4))
def test_forearms_hang_on_upper_arms(key):
    parts = figure(("body.left_shoulder_up", "left_elbow_swing&waist_swing"), key, timing=1.0)
    names = [limb.name for limb in SKELETONS["body"].limbs]
    upper, fore = names.index("left_upper_arm"), names.index("left_forearm")
    np.testing.assert_allclose(parts.tracks[:, upper, 2:4], parts.tracks[:, fore, :2], atol=1e-9)
    lengths = np.linalg.norm(parts.tracks[:, fore, 2:4] - parts.tracks[:, fore, :2], axis=1)
    # Seen from a narrow side a turning limb looks shorter, by no more than the squeeze.
    assert lengths.max() / lengths.min() < 1.4


@pytest.mark.parametrize(
    ("words", "limb", "returns"), [("hand.bent_swing", "palm", True), ("hand.bent_up", "palm", False)]
)
def test_a_swing_comes_back_and_a_step_does_not(words, limb, returns):
    i = [one.name for one in SKELETONS["hand"].limbs].index(limb)
    for key in range(5):
        track = figure((words,), key, num_frames=201).tracks[:, i]
        direction = np.arctan2(track[:, 3] - track[:, 1], track[:, 2] - track[:, 0])
        moved = np.unwrap(direction)
        assert np.ptp(moved) > 0.4
        assert (abs(moved[-1] - moved[0]) < 0.2) == returns


def test_a_clip_depends_on_nothing_but_its_key():
    definition = draw_classes("figures", 5)[3]
    for style in ("plain", "varied"):
        config = SynthConfig(stratum="figures", style=style, seed=5, size=48, num_frames=12)
        clip = make_clip(config, definition, 4)
        frames = clip.frames()
        assert frames.shape == (12, 3, 48, 48)
        assert frames.tobytes() == make_clip(config, definition, 4).frames().tobytes()
        assert frames.tobytes() != make_clip(config, definition, 5).frames().tobytes()
        chosen = np.array([7, 2])
        np.testing.assert_array_equal(clip.frames(chosen), frames[chosen])
