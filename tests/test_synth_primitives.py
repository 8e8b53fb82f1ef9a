"""Sub-actions move what their names say, by the steps of the clip, and undo each other."""

from __future__ import annotations

import itertools
import math
from dataclasses import fields

import numpy as np
import pytest

from a2m2.synth.draws import Draws
from a2m2.synth.primitives import PRIMITIVES, QUANTITIES, State, Steps, ease, first_levels, is_permutable
from a2m2.synth.scene import draw_steps

NUM_FRAMES = 33
PROGRESS = np.linspace(0.0, 1.0, NUM_FRAMES)


def steps() -> Steps:
    return draw_steps(Draws("test"), np.full(7, 0.08))


def run(names: tuple[str, ...], *, axis: float = 0.3) -> State:
    """The sub-actions one after the other in equal shares of the frames, from the levels they need."""
    levels = dict.fromkeys(QUANTITIES, 0) | first_levels(names)
    state = State.at_rest(levels, steps(), axis, NUM_FRAMES)
    for position, name in enumerate(names):
        progress = np.clip(PROGRESS * len(names) - position, 0.0, 1.0)
        PRIMITIVES[name].motion(state, progress, steps())
    return state


def pair(state: State) -> np.ndarray:
    """Positions of the two of the pair, ``(frame, 2 objects, 2)``."""
    u = np.stack([np.cos(state.axis), np.sin(state.axis)], axis=1)
    v = np.stack([-u[:, 1], u[:, 0]], axis=1)
    centre = np.stack([state.pair_x, state.pair_y], axis=1)
    half = u * state.distance[:, None] / 2.0 - v * state.aside[:, None]
    return np.stack([centre - half, centre + half], axis=1)


def test_there_are_at_least_sixteen_primitives_and_every_inverse_exists():
    assert len(PRIMITIVES) >= 16
    for primitive in PRIMITIVES.values():
        inverse = PRIMITIVES[primitive.inverse]
        assert inverse.inverse == primitive.name
        assert (inverse.group, inverse.quantity) == (primitive.group, primitive.quantity)
        if primitive.quantity is not None:
            assert inverse.level == 1 - primitive.level


@pytest.mark.parametrize(
    ("name", "track", "change"),
    [
        ("right", "x", steps().right),
        ("left", "x", -steps().right),
        ("down", "y", steps().down),
        ("up", "y", -steps().down),
        ("grow", "log_size", steps().growth),
        ("shrink", "log_size", -steps().growth),
        ("turn_cw", "angle", steps().turn),
        ("turn_ccw", "angle", -steps().turn),
        ("approach", "distance", -steps().reach),
        ("part", "distance", steps().reach),
        ("push", "distance", -steps().reach),
        ("pull", "distance", steps().reach),
        ("swap_cw", "axis", math.pi),
        ("swap_ccw", "axis", -math.pi),
        ("pass", "axis", math.pi),
        ("appear", "visible", 1.0),
        ("vanish", "visible", -1.0),
        ("enter", "inside", 1.0),
        ("leave", "inside", -1.0),
    ],
)
def test_a_step_goes_from_one_level_to_the_other(name, track, change):
    values = getattr(run((name,)), track)
    assert values[-1] - values[0] == pytest.approx(change)


@pytest.mark.parametrize("name", ["shake", "bounce", "orbit_cw", "orbit_ccw", "cover"])
def test_sub_actions_without_a_level_come_back(name):
    state = run((name,))
    for each in fields(State):
        track = getattr(state, each.name)
        assert track[-1] == pytest.approx(track[0], abs=1e-12), each.name
    moved = max(float(np.ptp(getattr(state, each.name))) for each in fields(State))
    assert moved > 0.05


def test_shake_is_sideways_and_bounce_is_upwards():
    shake, bounce = run(("shake",)), run(("bounce",))
    assert np.ptp(shake.y) == 0.0
    assert np.ptp(shake.x) == pytest.approx(2.0 * steps().shake, rel=0.05)
    assert np.ptp(bounce.x) == 0.0
    assert bounce.y.max() <= 0.0
    assert bounce.y.min() == pytest.approx(-steps().hop, rel=0.05)


@pytest.mark.parametrize(("name", "sign"), [("orbit_cw", 1.0), ("orbit_ccw", -1.0)])
def test_orbits_run_the_named_way_on_the_screen(name, sign):
    state = run((name,))
    x = state.x - state.x[0] + steps().orbit * math.cos(steps().orbit_phase)
    y = state.y - state.y[0] + steps().orbit * math.sin(steps().orbit_phase)
    np.testing.assert_allclose(np.hypot(x, y), steps().orbit)
    # y points down, so a growing angle is clockwise to the eye.
    angle = np.unwrap(np.arctan2(y, x))
    assert angle[-1] - angle[0] == pytest.approx(sign * 2.0 * math.pi)


@pytest.mark.parametrize("name", ["swap_cw", "swap_ccw", "pass"])
def test_swaps_exchange_the_places_of_the_pair(name):
    places = pair(run((name,)))
    np.testing.assert_allclose(places[-1], places[0, ::-1], atol=1e-12)
    assert np.linalg.norm(np.diff(places, axis=0), axis=2).max() < 0.1, "a jump"


def test_push_shoves_the_second_only_once_the_first_touches_it():
    first, second = pair(run(("push",))).transpose(1, 0, 2)
    travel = np.linalg.norm(first - first[0], axis=1)
    shoved = np.linalg.norm(second - second[0], axis=1)
    np.testing.assert_allclose(shoved[travel < steps().reach], 0.0, atol=1e-12)
    assert shoved[-1] == pytest.approx(steps().shove)
    assert np.linalg.norm(first[-1] - second[-1]) == pytest.approx(steps().near)


def test_cover_lays_the_first_over_the_second_which_stays():
    first, second = pair(run(("cover",))).transpose(1, 0, 2)
    np.testing.assert_allclose(second, second[:1].repeat(NUM_FRAMES, axis=0), atol=1e-12)
    distance = np.linalg.norm(first - second, axis=1)
    assert distance.min() < 0.1 * distance[0]


@pytest.mark.parametrize("name", [n for n in PRIMITIVES if n not in {"shake", "pass"}])
def test_a_film_run_backwards_shows_the_inverse(name):
    # shake and pass run backwards are their own mirror images, the same for every eye.
    primitive, inverse = PRIMITIVES[name], PRIMITIVES[PRIMITIVES[name].inverse]
    state = run((name,))
    start = State(**{f.name: np.full(NUM_FRAMES, getattr(state, f.name)[-1]) for f in fields(State)})
    inverse.motion(start, PROGRESS, steps())
    for each in fields(State):
        if primitive.group == "pair" and each.name in {"pair_x", "pair_y", "axis", "distance"}:
            continue
        np.testing.assert_allclose(getattr(start, each.name), getattr(state, each.name)[::-1], atol=1e-12)
    np.testing.assert_allclose(pair(start), pair(state)[::-1], atol=1e-12)


def test_any_order_of_a_permutable_set_is_legal_and_ends_at_the_same_levels():
    draws = Draws("permutable")
    names = tuple(PRIMITIVES)
    checked = 0
    while checked < 40:
        group = tuple(names[i] for i in draws.permutation(len(names))[: 2 + draws.index(3)])
        if not is_permutable(group):
            continue
        checked += 1
        start, ends = first_levels(group), []
        for order in itertools.permutations(group):
            assert first_levels(order) == start
            state = run(order)
            ends.append([state.x[-1], state.y[-1], state.log_size[-1], state.distance[-1], state.visible[-1]])
        np.testing.assert_allclose(ends, ends[:1] * len(ends), atol=1e-9)


def test_setting_a_level_twice_to_the_same_value_is_illegal():
    with pytest.raises(ValueError, match="got push-turn_cw-approach: 'approach' finds distance at level 0"):
        first_levels(("push", "turn_cw", "approach"))
    assert first_levels(("push", "part", "approach")) == {"distance": 1}


@pytest.mark.parametrize(
    "names", [("right", "left"), ("push", "approach"), ("turn_cw", "turn_ccw"), ("pass", "pass")]
)
def test_sets_that_undo_or_repeat_are_not_permutable(names):
    assert not is_permutable(names)


def test_ease_is_the_same_backwards():
    np.testing.assert_allclose(ease(PROGRESS) + ease(PROGRESS[::-1]), 1.0)
