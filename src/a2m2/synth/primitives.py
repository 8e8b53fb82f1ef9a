"""The motion sub-actions: what each needs, what it leaves behind, and how things move while it happens.

Four independent groups of objects act: one actor, a pair, an item and a visitor. Every lasting change is a
step of a quantity between two **levels** (0 and 1), never a drift: ``right`` takes the actor's x from level 0
to level 1, so it is legal only at level 0. Sub-actions that leave every level as it was (``shake``, ``pass``,
``cover``) are legal anywhere. A group's motion is a function of its own state alone, so sub-actions of
different groups commute, and so do those of one group that set different quantities: any order of a set with
at most one setter a quantity is physically possible.

Units: positions and lengths are fractions of the frame's width, x to the right and y down, angles in radians,
clockwise on the screen. ``p`` is the progress of a sub-action, 0 before it starts and 1 from its end on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float

Group = Literal["actor", "pair", "item", "visitor"]
Quantity = Literal["x", "y", "size", "distance", "visible", "inside"]
Track = Float[np.ndarray, "frame"]

QUANTITIES: tuple[Quantity, ...] = ("x", "y", "size", "distance", "visible", "inside")


@dataclass(frozen=True)
class Steps:
    """How far each motion of one clip goes; drawn a clip, whatever its class.

    Attributes:
        right, down: the actor's steps in x and y.
        growth: its step in log radius.
        turn: angle of a turn.
        shakes, shake: number of swings and their amplitude.
        hops, hop: number of bounces and their height.
        orbit, orbit_phase: radius of an orbit and the place on it where the actor stands.
        near, reach: distance of the pair at level 0, and what level 1 adds.
        lateral: how far the two evade each other in ``pass``.
        shove: how far the one pushes the other once they touch.
    """

    right: float
    down: float
    growth: float
    turn: float
    shakes: int
    shake: float
    hops: int
    hop: float
    orbit: float
    orbit_phase: float
    near: float
    reach: float
    lateral: float
    shove: float


@dataclass
class State:
    """Where everything is, one value a frame; the motions below change it in place.

    Attributes:
        x, y, log_size, angle: the actor, relative to its level 0 (log radius likewise).
        pair_x, pair_y: centre of the pair.
        axis: direction from the first of the pair to the second.
        distance: between the two.
        aside: how far each has stepped aside from the axis.
        visible: share of its radius that the item shows.
        inside: position of the visitor between outside the frame (0) and its place (1).
    """

    x: Track
    y: Track
    log_size: Track
    angle: Track
    pair_x: Track
    pair_y: Track
    axis: Track
    distance: Track
    aside: Track
    visible: Track
    inside: Track

    @classmethod
    def at_rest(cls, levels: dict[Quantity, int], steps: Steps, axis: float, num_frames: int) -> State:
        """Everything standing still at the given levels."""

        def constant(value: float) -> Track:
            return np.full(num_frames, float(value))

        return cls(
            x=constant(levels["x"] * steps.right),
            y=constant(levels["y"] * steps.down),
            log_size=constant(levels["size"] * steps.growth),
            angle=constant(0.0),
            pair_x=constant(0.0),
            pair_y=constant(0.0),
            axis=constant(axis),
            distance=constant(steps.near + levels["distance"] * steps.reach),
            aside=constant(0.0),
            visible=constant(levels["visible"]),
            inside=constant(levels["inside"]),
        )

    def slide_pair(self, along: Track) -> None:
        """Move the centre of the pair along its axis."""
        self.pair_x += along * np.cos(self.axis)
        self.pair_y += along * np.sin(self.axis)


Motion = Callable[[State, Track, Steps], None]


@dataclass(frozen=True)
class Primitive:
    """A sub-action.

    Attributes:
        name: its word in class names and spans.
        group: who acts.
        inverse: name of the sub-action that it becomes when a clip runs backwards.
        motion: changes a state by the motion at progress ``p``; nothing changes where ``p`` is 0.
        quantity, level: the quantity it sets and to which level, or None and 0 where it leaves all levels
        alone.
    """

    name: str
    group: Group
    inverse: str
    motion: Motion = field(repr=False, compare=False)
    quantity: Quantity | None = None
    level: int = 0


def ease(p: Track) -> Track:
    """Smooth start and stop: 3p² − 2p³, the same backwards."""
    return p * p * (3.0 - 2.0 * p)


def _step_x(sign: int) -> Motion:
    def motion(state: State, p: Track, steps: Steps) -> None:
        state.x += sign * steps.right * ease(p)

    return motion


def _step_y(sign: int) -> Motion:
    def motion(state: State, p: Track, steps: Steps) -> None:
        state.y += sign * steps.down * ease(p)

    return motion


def _resize(sign: int) -> Motion:
    def motion(state: State, p: Track, steps: Steps) -> None:
        state.log_size += sign * steps.growth * ease(p)

    return motion


def _turn(sign: int) -> Motion:
    def motion(state: State, p: Track, steps: Steps) -> None:
        state.angle += sign * steps.turn * ease(p)

    return motion


def _shake(state: State, p: Track, steps: Steps) -> None:
    state.x += steps.shake * np.sin(2.0 * math.pi * steps.shakes * p)


def _bounce(state: State, p: Track, steps: Steps) -> None:
    state.y -= steps.hop * np.abs(np.sin(math.pi * steps.hops * p))


def _orbit(sign: int) -> Motion:
    def motion(state: State, p: Track, steps: Steps) -> None:
        place = steps.orbit_phase + sign * 2.0 * math.pi * ease(p)
        state.x += steps.orbit * (np.cos(place) - math.cos(steps.orbit_phase))
        state.y += steps.orbit * (np.sin(place) - math.sin(steps.orbit_phase))

    return motion


def _change_distance(sign: int) -> Motion:
    def motion(state: State, p: Track, steps: Steps) -> None:
        state.distance += sign * steps.reach * ease(p)

    return motion


def _swap(sign: int) -> Motion:
    def motion(state: State, p: Track, steps: Steps) -> None:
        state.axis += sign * math.pi * ease(p)

    return motion


def _pass(state: State, p: Track, steps: Steps) -> None:
    """Change places on a straight line, each stepping a little aside."""
    state.aside += steps.lateral * np.sin(math.pi * p)
    arrived = p >= 1.0
    state.distance = np.where(arrived, state.distance, state.distance * (1.0 - 2.0 * ease(p)))
    state.axis = np.where(arrived, state.axis + math.pi, state.axis)


def _cover(state: State, p: Track, steps: Steps) -> None:
    """The first slides over the second, rests there and slides back; the second stays."""
    over = ease(np.clip(p / 0.35, 0.0, 1.0)) * ease(np.clip((1.0 - p) / 0.35, 0.0, 1.0))
    nearer = 0.92 * over * state.distance
    state.slide_pair(nearer / 2.0)
    state.distance = state.distance - nearer


def _push(state: State, p: Track, steps: Steps) -> None:
    """The first runs into the second and shoves it on."""
    travel = (steps.reach + steps.shove) * ease(p)
    nearer = np.minimum(travel, steps.reach)
    state.slide_pair(nearer / 2.0 + (travel - nearer))
    state.distance -= nearer


def _pull(state: State, p: Track, steps: Steps) -> None:
    """``push`` backwards: the first drags the second along, lets go and moves on."""
    travel = (steps.reach + steps.shove) * ease(p)
    together = np.minimum(travel, steps.shove)
    state.slide_pair(-together - (travel - together) / 2.0)
    state.distance += travel - together


def _show(sign: int) -> Motion:
    def motion(state: State, p: Track, steps: Steps) -> None:
        state.visible += sign * ease(p)

    return motion


def _walk(sign: int) -> Motion:
    def motion(state: State, p: Track, steps: Steps) -> None:
        state.inside += sign * ease(p)

    return motion


_ALL = (
    Primitive("right", "actor", "left", _step_x(+1), "x", 1),
    Primitive("left", "actor", "right", _step_x(-1), "x", 0),
    Primitive("down", "actor", "up", _step_y(+1), "y", 1),
    Primitive("up", "actor", "down", _step_y(-1), "y", 0),
    Primitive("grow", "actor", "shrink", _resize(+1), "size", 1),
    Primitive("shrink", "actor", "grow", _resize(-1), "size", 0),
    Primitive("turn_cw", "actor", "turn_ccw", _turn(+1)),
    Primitive("turn_ccw", "actor", "turn_cw", _turn(-1)),
    Primitive("shake", "actor", "shake", _shake),
    Primitive("bounce", "actor", "bounce", _bounce),
    Primitive("orbit_cw", "actor", "orbit_ccw", _orbit(+1)),
    Primitive("orbit_ccw", "actor", "orbit_cw", _orbit(-1)),
    Primitive("approach", "pair", "part", _change_distance(-1), "distance", 0),
    Primitive("part", "pair", "approach", _change_distance(+1), "distance", 1),
    Primitive("push", "pair", "pull", _push, "distance", 0),
    Primitive("pull", "pair", "push", _pull, "distance", 1),
    Primitive("swap_cw", "pair", "swap_ccw", _swap(+1)),
    Primitive("swap_ccw", "pair", "swap_cw", _swap(-1)),
    Primitive("pass", "pair", "pass", _pass),
    Primitive("cover", "pair", "cover", _cover),
    Primitive("appear", "item", "vanish", _show(+1), "visible", 1),
    Primitive("vanish", "item", "appear", _show(-1), "visible", 0),
    Primitive("enter", "visitor", "leave", _walk(+1), "inside", 1),
    Primitive("leave", "visitor", "enter", _walk(-1), "inside", 0),
)

PRIMITIVES: dict[str, Primitive] = {primitive.name: primitive for primitive in _ALL}
"""Every sub-action by name, in a fixed order."""


def first_levels(names: tuple[str, ...]) -> dict[Quantity, int]:
    """The levels that these sub-actions, in this order, must start from; free quantities are left out.

    Raises:
        ValueError: a level would be set twice to the same value.
    """
    first: dict[Quantity, int] = {}
    now: dict[Quantity, int] = {}
    for name in names:
        primitive = PRIMITIVES[name]
        if primitive.quantity is None:
            continue
        first.setdefault(primitive.quantity, 1 - primitive.level)
        if now.get(primitive.quantity) == primitive.level:
            raise ValueError(
                f"expected a legal order of sub-actions, got {'-'.join(names)}: '{name}' finds "
                f"{primitive.quantity} at level {primitive.level} already"
            )
        now[primitive.quantity] = primitive.level
    return first


def is_permutable(names: tuple[str, ...]) -> bool:
    """Whether any order of these is legal and none undoes another: one setter a quantity, no inverses."""
    quantities = [q for q in (PRIMITIVES[name].quantity for name in names) if q is not None]
    undone = any(PRIMITIVES[name].inverse in names and PRIMITIVES[name].inverse != name for name in names)
    return len(set(quantities)) == len(quantities) and len(set(names)) == len(names) and not undone
