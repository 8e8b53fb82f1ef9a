"""What a clip shows, before any pixel: which objects, where they are in every frame, the camera's drift.

Every clip has the same cast: actor, pair, item and visitor, plus up to two bystanders that never move.
Sizes, distances, steps and places are drawn alike for every class; objects that the class does not use stay
as distractors, at random levels. The whole trajectory is placed at random, then zoomed and shifted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numba import njit

from a2m2.synth.draws import Draws
from a2m2.synth.primitives import PRIMITIVES, QUANTITIES, Quantity, State, Steps, first_levels
from a2m2.synth.timing import Schedule

ACTOR, FIRST, SECOND, ITEM, VISITOR = range(5)
NUM_CAST = 5
MAX_BYSTANDERS = 2

# Which objects are placed together: the pair keeps its distance.
_PLACED_TOGETHER = (0, 1, 1, 2, 3, 4, 5)
_NUM_LAYOUTS = 16
_MARGIN = 0.01


@dataclass(frozen=True, eq=False)
class Scene:
    """Objects in all frames of a clip.

    Attributes:
        x, y: centres, fractions of the frame's width, ``(frame, object)``.
        radius: mean radius of the outline likewise; 0 where an object is not to be seen.
        angle: turn of the outline and its pattern, radians.
        camera: shift of the background (the objects' is contained in x and y), ``(frame, 2)``.
        start_levels: level of every quantity before the first sub-action.
        steps: how far each motion goes.
    """

    x: Float[np.ndarray, "frame object"]
    y: Float[np.ndarray, "frame object"]
    radius: Float[np.ndarray, "frame object"]
    angle: Float[np.ndarray, "frame object"]
    camera: Float[np.ndarray, "frame 2"]
    start_levels: dict[Quantity, int]
    steps: Steps

    @property
    def num_objects(self) -> int:
        """Cast and bystanders, seen or not."""
        return self.x.shape[1]


def draw_scene(draws: Draws, names: tuple[str, ...], schedule: Schedule, num_frames: int) -> Scene:
    """The scene of one clip.

    Args:
        draws: the stream of the clip's motion; the number of draws before the layout does not depend on
        ``names``.
        names: its sub-actions in the order in which they happen.
        schedule: their times; a frame shows the middle of its display interval.
        num_frames: number of frames.

    Raises:
        ValueError: ``names`` set a level twice to the same value.
    """
    levels = {quantity: draws.index(2) for quantity in QUANTITIES} | first_levels(names)
    num_objects = NUM_CAST + draws.index(MAX_BYSTANDERS + 1)
    radii = np.exp(draws.uniforms(num_objects, math.log(0.078), math.log(0.13)))
    steps = draw_steps(draws, radii)
    # The actor's two sizes lie around the radius that it would otherwise have.
    radii[ACTOR] *= math.exp(-0.45 * steps.growth)
    # The others' sizes are spread as the actor's two are: an extreme size must not tell who can change it.
    for i in range(ITEM, num_objects):
        radii[i] *= math.exp((draws.index(2) - 0.45) * draws.uniform(0.55, 0.85))
    axis, angles = draws.uniform(0.0, 2.0 * math.pi), draws.uniforms(num_objects, 0.0, 2.0 * math.pi)
    zoom, shift = draws.uniform(0.82, 1.0), draws.uniforms(2, -0.5, 0.5)
    side, camera = draws.index(4), draw_camera(draws, num_frames)

    times = (np.arange(num_frames) + 0.5) / num_frames
    state = State.at_rest(levels, steps, axis, num_frames)
    for position, name in enumerate(names):
        PRIMITIVES[name].motion(state, schedule.progress(position, times), steps)

    x, y, radius = _relative_tracks(state, radii, num_frames)
    _place(draws, x, y, radius)
    centre = 0.5 + (1.0 - zoom) * shift
    x, y, radius = centre[0] + zoom * (x - 0.5), centre[1] + zoom * (y - 0.5), zoom * radius
    x, y = x + camera[:, :1], y + camera[:, 1:]
    _walk_in(x, y, radius, side, state.inside)
    radius[:, ITEM] *= np.clip(state.visible, 0.0, 1.0)
    angle = np.tile(angles, (num_frames, 1))
    angle[:, ACTOR] += state.angle
    return Scene(x, y, radius, angle, camera, levels, steps)


def draw_steps(draws: Draws, radii: Float[np.ndarray, "object"]) -> Steps:
    """How far each motion goes; the same distribution for every class."""
    touching = float(radii[FIRST] + radii[SECOND])
    return Steps(
        right=draws.uniform(0.3, 0.48),
        down=draws.uniform(0.3, 0.48),
        growth=draws.uniform(0.55, 0.85),
        turn=draws.uniform(0.55, 1.0) * 2.0 * math.pi,
        shakes=2 + draws.index(2),
        shake=draws.uniform(0.07, 0.11),
        hops=1 + draws.index(2),
        hop=draws.uniform(0.16, 0.26),
        orbit=draws.uniform(0.11, 0.16),
        orbit_phase=draws.uniform(0.0, 2.0 * math.pi),
        near=touching * draws.uniform(0.9, 1.2),
        reach=draws.uniform(0.2, 0.32),
        lateral=0.5 * touching * draws.uniform(0.8, 1.2),
        shove=draws.uniform(0.14, 0.22),
    )


def draw_camera(draws: Draws, num_frames: int) -> Float[np.ndarray, "frame 2"]:
    """A slow drift: a straight line and one slow swing in each direction, within 0.02 of the frame."""
    times = np.linspace(-0.5, 0.5, num_frames)
    tracks = []
    for _ in range(2):
        slope, swing = draws.uniform(-0.025, 0.025), draws.uniform(0.0, 0.006)
        phase = draws.uniform(0.0, 2.0 * math.pi)
        tracks.append(slope * times + swing * np.sin(2.0 * math.pi * times + phase))
    return np.stack(tracks, axis=1)


def _relative_tracks(
    state: State, radii: Float[np.ndarray, "object"], num_frames: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres relative to each placed group's origin, and radii of everything as if it were to be seen."""
    x, y = np.zeros((num_frames, len(radii))), np.zeros((num_frames, len(radii)))
    x[:, ACTOR], y[:, ACTOR] = state.x, state.y
    cos, sin = np.cos(state.axis), np.sin(state.axis)
    along, aside = state.distance / 2.0, state.aside
    x[:, FIRST], y[:, FIRST] = (
        state.pair_x - along * cos - aside * sin,
        state.pair_y - along * sin + aside * cos,
    )
    x[:, SECOND], y[:, SECOND] = (
        state.pair_x + along * cos + aside * sin,
        state.pair_y + along * sin - aside * cos,
    )
    radius = np.tile(radii, (num_frames, 1))
    radius[:, ACTOR] *= np.exp(state.log_size)
    return x, y, radius


def _place(draws: Draws, x: np.ndarray, y: np.ndarray, radius: np.ndarray) -> None:
    """Move every group to a random place in the frame: of a few random layouts, that of least overlap."""
    groups = np.array(_PLACED_TOGETHER[: x.shape[1]])
    num_groups = int(groups.max()) + 1
    origins = np.empty((_NUM_LAYOUTS, num_groups, 2))
    for axis, track in enumerate((x, y)):
        low, high = (track - radius).min(axis=0), (track + radius).max(axis=0)
        for group in range(num_groups):
            lowest = _MARGIN - low[groups == group].min()
            highest = 1.0 - _MARGIN - high[groups == group].max()
            origins[:, group, axis] = lowest + (highest - lowest) * draws.uniforms(_NUM_LAYOUTS)
    best = int(np.argmin(_overlaps(x[::4], y[::4], radius[::4], groups, origins)))
    x += origins[best, groups, 0]
    y += origins[best, groups, 1]


@njit(cache=True, nogil=True)
def _overlaps(
    x: np.ndarray, y: np.ndarray, radius: np.ndarray, groups: np.ndarray, origins: np.ndarray
) -> np.ndarray:
    """For each layout, how deep objects of different groups reach into each other, summed over frames."""
    num_layouts, (num_frames, num_objects) = origins.shape[0], x.shape
    depth = np.zeros(num_layouts)
    for layout in range(num_layouts):
        for frame in range(num_frames):
            for i in range(num_objects):
                for j in range(i):
                    a, b = groups[i], groups[j]
                    if a == b:
                        continue
                    dx = x[frame, i] + origins[layout, a, 0] - x[frame, j] - origins[layout, b, 0]
                    dy = y[frame, i] + origins[layout, a, 1] - y[frame, j] - origins[layout, b, 1]
                    gap = radius[frame, i] + radius[frame, j] - math.sqrt(dx * dx + dy * dy)
                    depth[layout] += max(gap, 0.0)
    return depth


def _walk_in(x: np.ndarray, y: np.ndarray, radius: np.ndarray, side: int, inside: np.ndarray) -> None:
    """Move the visitor along the straight line from outside the frame, at ``side``, to its place."""
    track = (x, y)[side % 2][:, VISITOR]
    clear = 1.6 * radius[:, VISITOR]
    outside = -clear if side < 2 else 1.0 + clear
    track += (1.0 - inside) * (outside - track)
