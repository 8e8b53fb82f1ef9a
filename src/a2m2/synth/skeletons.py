"""Jointed figures seen from one side: a body, a hand, and an arm with a tool and an item beside it.

A figure is a tree of limbs. What can change in it are **quantities**, each with two levels like those of the shapes'
sub-actions: a joint bent or not, a finger stretched or curled, the whole figure here or there. Lengths are shares of
the figure's height, angles radians, clockwise on the screen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Change = Literal["angle", "length", "x", "y", "size"]

_UP = -math.pi / 2.0


@dataclass(frozen=True)
class Limb:
    """A part of a figure, thick at its start and its end.

    Attributes:
        name: unique in its figure.
        parent: name of the limb that it hangs on, None where it stands for itself.
        along, aside: where on the parent it begins: share of the parent's length, and distance to its right.
        rest: its direction, relative to the parent's, or on the screen where there is none.
        length: from start to end.
        start_radius, end_radius: half of its thickness there.
    """

    name: str
    parent: str | None
    along: float
    aside: float
    rest: float
    length: float
    start_radius: float
    end_radius: float


@dataclass(frozen=True)
class Lever:
    """What one quantity does to one limb between its level 0 and its level 1.

    Attributes:
        limb: name of the limb.
        change: which property changes; ``x``, ``y`` and ``size`` are for limbs without a parent.
        amount: by how much: radians, log of a length or a size, or a distance.
    """

    limb: str
    change: Change
    amount: float


@dataclass(frozen=True)
class Skeleton:
    """A kind of figure.

    Attributes:
        name: what classes of it begin with.
        limbs: parents before their children.
        quantities: levers of each quantity by name.
        pairs: quantities that often move together.
    """

    name: str
    limbs: tuple[Limb, ...]
    quantities: dict[str, tuple[Lever, ...]]
    pairs: tuple[tuple[str, str], ...]


def _whole(root: str) -> dict[str, tuple[Lever, ...]]:
    """The figure as a whole goes right, down, tips over, or comes nearer."""
    return {
        "aside": (Lever(root, "x", 0.45),),
        "below": (Lever(root, "y", 0.3),),
        "tipped": (Lever(root, "angle", 1.2),),
        "near": (Lever(root, "size", 0.5),),
    }


def _arm(side: str, sign: float) -> tuple[Limb, ...]:
    return (
        Limb(f"{side}_upper_arm", "torso", 0.93, sign * 0.09, math.pi, 0.17, 0.032, 0.026),
        Limb(f"{side}_forearm", f"{side}_upper_arm", 1.0, 0.0, 0.0, 0.19, 0.025, 0.024),
    )


def _leg(side: str, sign: float) -> tuple[Limb, ...]:
    return (
        Limb(f"{side}_thigh", "hips", 0.0, sign * 0.05, math.pi, 0.24, 0.048, 0.034),
        Limb(f"{side}_shin", f"{side}_thigh", 1.0, 0.0, 0.0, 0.25, 0.032, 0.024),
    )


def _side(side: str, sign: float) -> dict[str, tuple[Lever, ...]]:
    return {
        f"{side}_shoulder": (Lever(f"{side}_upper_arm", "angle", -sign * 2.1),),
        f"{side}_elbow": (Lever(f"{side}_forearm", "angle", -sign * 1.9),),
        f"{side}_hip": (Lever(f"{side}_thigh", "angle", -sign * 1.3),),
        f"{side}_knee": (Lever(f"{side}_shin", "angle", sign * 1.6),),
    }


BODY = Skeleton(
    "body",
    (
        Limb("hips", None, 0.0, 0.0, _UP, 0.02, 0.07, 0.07),
        Limb("torso", "hips", 0.0, 0.0, 0.0, 0.31, 0.07, 0.085),
        Limb("head", "torso", 1.25, 0.0, 0.0, 0.07, 0.06, 0.065),
        *_arm("left", -1.0),
        *_arm("right", 1.0),
        *_leg("left", -1.0),
        *_leg("right", 1.0),
    ),
    {
        **_side("left", -1.0),
        **_side("right", 1.0),
        "waist": (Lever("torso", "angle", 0.9),),
        "neck": (Lever("head", "angle", 0.8),),
        "crouched": (
            Lever("hips", "y", 0.16),
            Lever("left_thigh", "angle", 1.0),
            Lever("right_thigh", "angle", -1.0),
            Lever("left_shin", "angle", -1.5),
            Lever("right_shin", "angle", 1.5),
        ),
        **_whole("hips"),
    },
    (
        ("left_shoulder", "right_shoulder"),
        ("left_elbow", "right_elbow"),
        ("left_hip", "right_hip"),
        ("left_shoulder", "left_elbow"),
        ("right_shoulder", "right_elbow"),
        ("left_hip", "left_knee"),
        ("right_hip", "right_knee"),
    ),
)

_FINGERS = ("fore", "middle", "ring", "little")


def _finger(name: str, number: int) -> tuple[Limb, ...]:
    aside, spread = -0.09 + 0.06 * number, -0.18 + 0.12 * number
    return (
        Limb(f"{name}_near", "palm", 1.0, aside, spread, 0.13, 0.03, 0.027),
        Limb(f"{name}_far", f"{name}_near", 1.0, 0.0, 0.0, 0.11, 0.027, 0.022),
    )


def _curl(name: str) -> tuple[Lever, ...]:
    """A finger that curls towards the camera looks shorter."""
    return (Lever(f"{name}_near", "length", -0.9), Lever(f"{name}_far", "length", -2.0))


HAND = Skeleton(
    "hand",
    (
        Limb("wrist", None, 0.0, 0.0, _UP, 0.3, 0.075, 0.065),
        Limb("palm", "wrist", 1.0, 0.0, 0.0, 0.2, 0.08, 0.115),
        Limb("thumb_near", "palm", 0.2, -0.1, -0.9, 0.13, 0.036, 0.03),
        Limb("thumb_far", "thumb_near", 1.0, 0.0, 0.4, 0.1, 0.03, 0.024),
        *(limb for number, name in enumerate(_FINGERS) for limb in _finger(name, number)),
    ),
    {
        **{f"{name}_curled": _curl(name) for name in _FINGERS},
        "fist": tuple(lever for name in _FINGERS for lever in _curl(name)),
        "thumb": (Lever("thumb_near", "angle", 1.1),),
        "spread": tuple(
            Lever(f"{name}_near", "angle", 0.2 * (number - 1.5)) for number, name in enumerate(_FINGERS)
        ),
        "bent": (Lever("palm", "angle", 0.9),),
        "foreshortened": (Lever("palm", "length", -1.2),),
        **_whole("wrist"),
    },
    (
        ("fore_curled", "middle_curled"),
        ("ring_curled", "little_curled"),
        ("fist", "thumb"),
        ("bent", "aside"),
    ),
)

ARM = Skeleton(
    "arm",
    (
        Limb("upper", None, 0.0, 0.0, _UP + 0.5, 0.5, 0.09, 0.07),
        Limb("lower", "upper", 1.0, 0.0, -0.9, 0.42, 0.065, 0.05),
        Limb("grip", "lower", 1.0, 0.0, 0.0, 0.1, 0.06, 0.06),
        Limb("first_finger", "grip", 0.9, -0.05, -0.25, 0.12, 0.028, 0.022),
        Limb("second_finger", "grip", 0.9, 0.05, 0.25, 0.12, 0.028, 0.022),
        Limb("tool", "grip", 0.8, 0.0, 1.2, 0.22, 0.03, 0.05),
        Limb("item", None, 0.0, 0.0, 0.3, 0.14, 0.1, 0.08),
    ),
    {
        "shoulder": (Lever("upper", "angle", 0.7),),
        "elbow": (Lever("lower", "angle", -1.1),),
        "wrist": (Lever("grip", "angle", 1.2),),
        "grasp": (Lever("first_finger", "angle", 0.5), Lever("second_finger", "angle", -0.5)),
        "tool": (Lever("tool", "angle", 1.5),),
        "reach": (Lever("upper", "x", -0.35),),
        "sunk": (Lever("upper", "y", 0.3),),
        "item_aside": (Lever("item", "x", 0.4),),
        "item_lifted": (Lever("item", "y", -0.35),),
        "item_turned": (Lever("item", "angle", 1.6),),
        "item_near": (Lever("item", "size", 0.6),),
        "item_carried": (Lever("item", "x", -0.35), Lever("upper", "x", -0.35)),
        "item_raised": (Lever("item", "y", -0.3), Lever("upper", "y", -0.3)),
    },
    (("shoulder", "elbow"), ("wrist", "tool"), ("item_raised", "item_turned"), ("reach", "item_aside")),
)

SKELETONS: dict[str, Skeleton] = {skeleton.name: skeleton for skeleton in (BODY, HAND, ARM)}
"""Every kind of figure by name."""
