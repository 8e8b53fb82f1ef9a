"""A jointed figure in every frame of a clip: its proportions, its pose and its place, drawn anew for each clip."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from a2m2.synth.draws import Draws
from a2m2.synth.figure_classes import first_levels, read_class
from a2m2.synth.parts import LIMB, Parts
from a2m2.synth.primitives import ease
from a2m2.synth.skeletons import Lever, Skeleton
from a2m2.synth.timing import Schedule

Track = Float[np.ndarray, "frame"]

_SHARE_OF_STICKS = 0.15

_LARGEST_REST = 0.35
"""Quantities that a class does not use stand still somewhere between 0 and this level, and sway a little."""


def draw_figure(draws: Draws, names: tuple[str, ...], schedule: Schedule, num_frames: int) -> Parts:
    """The figure of one clip of a class.

    Args:
        draws: the stream of the clip's motion.
        names: the class in words, see :mod:`a2m2.synth.figure_classes`.
        schedule: when each phase happens.
        num_frames: number of frames; a frame shows the middle of its display interval.
    """
    skeleton, phases = read_class(names)
    times = (np.arange(num_frames) + 0.5) / num_frames
    levels = _rest(draws, skeleton, first_levels(phases), times)
    for position, moves in enumerate(phases):
        progress = schedule.progress(position, times)
        swings, reach = 1 + draws.index(3), draws.uniform(0.8, 1.2)
        for move in moves:
            if move.kind == "swing":
                away = 1.0 if levels[move.quantity].mean() < 0.5 else -1.0
                levels[move.quantity] += away * reach * np.sin(math.pi * swings * progress) ** 2
            else:
                levels[move.quantity] += (1.0 if move.kind == "up" else -1.0) * ease(progress)
    tracks = _pose(draws, skeleton, levels, num_frames)
    _place(draws, tracks)
    count = len(skeleton.limbs)
    order = np.array(draws.permutation(count))
    return Parts(np.full(count, LIMB), tracks, np.zeros(count, np.int64), order)


def _rest(
    draws: Draws, skeleton: Skeleton, first: dict[str, int], times: Track
) -> dict[str, Float[np.ndarray, "frame"]]:
    """Every quantity before anything happens: at the level its first move needs, or anywhere near rest."""
    sway = draws.uniform(0.0, 0.06)
    levels = {}
    for quantity in skeleton.quantities:
        free, phase, speed = draws.uniform(0.0, _LARGEST_REST), draws.uniform(), draws.uniform(0.3, 1.5)
        start = float(first.get(quantity, free))
        levels[quantity] = start + sway * np.sin(2.0 * math.pi * (speed * times + phase))
    return levels


def _pose(
    draws: Draws, skeleton: Skeleton, levels: dict[str, Track], num_frames: int
) -> Float[np.ndarray, "frame limb 6"]:
    """Start, end and radii of every limb, in units of the figure's height, the root at the origin."""
    changes = _changes(draws, skeleton, levels, num_frames)
    stout, squeeze = math.exp(draws.uniform(-0.5, 0.35)), draws.uniform(0.8, 1.1)
    if draws.flip(_SHARE_OF_STICKS):
        stout *= 0.25
    position = {limb.name: i for i, limb in enumerate(skeleton.limbs)}
    directions, lengths = np.zeros((2, len(skeleton.limbs), num_frames))
    tracks = np.zeros((num_frames, len(skeleton.limbs), 6))
    roots: dict[str, Track] = {}
    for i, limb in enumerate(skeleton.limbs):
        own = changes[limb.name]
        length = limb.length * math.exp(draws.uniform(-0.15, 0.15)) * np.exp(own["length"])
        direction = limb.rest + draws.uniform(-0.1, 0.1) + own["angle"]
        if limb.parent is None:
            size = np.exp(own["size"])
            x, y = own["x"] + draws.uniform(-0.1, 0.1), own["y"] + draws.uniform(-0.1, 0.1)
        else:
            parent = position[limb.parent]
            size = roots[limb.parent]
            direction = direction + directions[parent]
            along, aside = limb.along * lengths[parent], limb.aside * size
            cos, sin = np.cos(directions[parent]), np.sin(directions[parent])
            x = tracks[:, parent, 0] + along * cos - aside * sin
            y = tracks[:, parent, 1] + along * sin + aside * cos
        roots[limb.name] = size
        directions[i], lengths[i] = direction, length * size
        tracks[:, i, 0], tracks[:, i, 1] = x, y
        tracks[:, i, 2] = x + lengths[i] * np.cos(direction)
        tracks[:, i, 3] = y + lengths[i] * np.sin(direction)
        tracks[:, i, 4] = stout * limb.start_radius * size
        tracks[:, i, 5] = stout * limb.end_radius * size
    tracks[:, :, [0, 2]] *= squeeze
    return tracks


def _changes(
    draws: Draws, skeleton: Skeleton, levels: dict[str, Track], num_frames: int
) -> dict[str, dict[str, Track]]:
    """What all quantities together do to each limb."""
    changes = {
        limb.name: {
            "angle": np.zeros(num_frames),
            "length": np.zeros(num_frames),
            "x": np.zeros(num_frames),
            "y": np.zeros(num_frames),
            "size": np.zeros(num_frames),
        }
        for limb in skeleton.limbs
    }
    for quantity, levers in skeleton.quantities.items():
        strength = draws.uniform(0.75, 1.2)
        lever: Lever
        for lever in levers:
            changes[lever.limb][lever.change] += strength * lever.amount * levels[quantity]
    return changes


def _place(draws: Draws, tracks: Float[np.ndarray, "frame limb 6"]) -> None:
    """Turn the figure a little, scale it to a share of the frame, and put it somewhere inside."""
    roll, extent = draws.uniform(-0.2, 0.2), draws.uniform(0.55, 1.05)
    cos, sin = math.cos(roll), math.sin(roll)
    for x, y in ((0, 1), (2, 3)):
        tracks[:, :, [x, y]] = tracks[:, :, [x, y]] @ np.array([[cos, sin], [-sin, cos]])
    radius = tracks[:, :, 4:].max(axis=2)
    low = np.array([(tracks[:, :, [i, i + 2]].min(axis=2) - radius).min() for i in (0, 1)])
    high = np.array([(tracks[:, :, [i, i + 2]].max(axis=2) + radius).max() for i in (0, 1)])
    scale = extent / float((high - low).max())
    tracks *= scale
    room = 1.0 - scale * (high - low)
    shift = room * draws.uniforms(2) - scale * low
    tracks[:, :, [0, 2]] += shift[0]
    tracks[:, :, [1, 3]] += shift[1]
