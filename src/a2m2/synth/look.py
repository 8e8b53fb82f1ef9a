"""How a clip looks: outlines, colours, background, light and noise, drawn without regard to its class."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from a2m2.synth.draws import Draws

OUTLINE_POINTS = 96
NUM_PATTERN = 5
# The background is painted with this margin on every side, as a share of the frame, for the camera's drift.
BACKGROUND_MARGIN = 0.1


@dataclass(frozen=True, eq=False)
class Look:
    """The appearance of one clip.

    Attributes:
        outline: radius of each object's outline relative to its mean, at :func:`outline_angles`.
        colours: base, stripe and marker colour of each object in [0, 1].
        pattern: of each object: stripes a radius, their direction (cos, sin), their share, roundness of
        shading.
        depth: objects from back to front.
        background: ``(3, side, side)`` picture in [0, 1], larger than the frame by ``BACKGROUND_MARGIN``.
        light: direction from which objects are lit (x, y).
        gain: brightness of each frame.
        noise: half width of the uniform noise.
        noise_seed: seed of the noise.
    """

    outline: Float[np.ndarray, "object point"]
    colours: Float[np.ndarray, "object 3 3"]
    pattern: Float[np.ndarray, "object 5"]
    depth: tuple[int, ...]
    background: Float[np.ndarray, "3 side side"]
    light: Float[np.ndarray, "2"]
    gain: Float[np.ndarray, "frame"]
    noise: float
    noise_seed: int


def draw_look(draws: Draws, num_objects: int, num_frames: int, size: int) -> Look:
    """The appearance of one clip of ``num_frames`` frames of ``size`` px."""
    ground = draws.uniforms(3, 0.15, 0.85)
    colours = np.stack([_object_colours(draws, ground) for _ in range(num_objects)])
    times = np.linspace(0.0, 1.0, num_frames)
    sway = draws.uniform(0.0, 0.05) * np.sin(
        2.0 * math.pi * (draws.uniform(0.3, 1.0) * times + draws.uniform())
    )
    light = draws.uniform(0.0, 2.0 * math.pi)
    return Look(
        outline=np.stack([draw_outline(draws) for _ in range(num_objects)]),
        colours=colours,
        pattern=np.stack([_pattern(draws) for _ in range(num_objects)]),
        depth=draws.permutation(num_objects),
        background=_background(draws, ground, size),
        light=np.array([math.cos(light), math.sin(light)]),
        gain=draws.uniform(0.85, 1.1) + sway,
        noise=draws.uniform(0.0, 0.012),
        noise_seed=draws.word(),
    )


def outline_angles() -> Float[np.ndarray, "point"]:
    """The tabulated angles: equal steps along a diamond, so that a lookup needs no arc tangent."""
    around = 4.0 * np.arange(OUTLINE_POINTS) / OUTLINE_POINTS
    x = np.where(around < 2.0, 1.0 - around, around - 3.0)
    y = np.where(around < 1.0, around, np.where(around < 3.0, 2.0 - around, around - 4.0))
    return np.arctan2(y, x)


_ANGLES = outline_angles()


def draw_outline(draws: Draws) -> Float[np.ndarray, "point"]:
    """A blob, a star or a rounded polygon, mean radius about 1."""
    kind, corners, phase = draws.index(3), 3 + draws.index(3), draws.uniform(0.0, 2.0 * math.pi)
    depth = draws.uniform(0.1, 0.25)
    if kind == 0:
        waves = [0.2 / k * (2.0 * draws.uniform() - 1.0) * np.cos(k * _ANGLES + phase * k) for k in (2, 3, 4)]
        return 1.0 + 1.4 * np.sum(waves, axis=0)
    if kind == 1:
        return 1.0 + depth * np.cos(corners * _ANGLES + phase)
    sector = 2.0 * math.pi / corners
    within = np.mod(_ANGLES + phase, sector) - sector / 2.0
    polygon = math.cos(sector / 2.0) / np.cos(within)
    return np.asarray(polygon / polygon.mean())


def _object_colours(draws: Draws, ground: np.ndarray) -> Float[np.ndarray, "3 3"]:
    """Base, stripe and marker colours; base clear of the background, the others clear of the base."""
    base = _clear_of(draws, ground, 0.45)
    return np.stack([base, _clear_of(draws, base, 0.4), _clear_of(draws, base, 0.5)])


def _clear_of(draws: Draws, other: np.ndarray, distance: float) -> Float[np.ndarray, "3"]:
    colour = draws.uniforms(3, 0.03, 0.97)
    while float(np.sqrt(((colour - other) ** 2).sum())) < distance:
        colour = draws.uniforms(3, 0.03, 0.97)
    return colour


def _pattern(draws: Draws) -> Float[np.ndarray, "5"]:
    direction = draws.uniform(0.0, math.pi)
    stripes, share, roundness = draws.uniform(0.6, 1.6), draws.uniform(0.25, 0.5), draws.uniform(0.0, 0.3)
    return np.array([stripes, math.cos(direction), math.sin(direction), share, roundness])


def _background(draws: Draws, ground: np.ndarray, size: int) -> Float[np.ndarray, "3 side side"]:
    """Clouds of two octaves, stripes of little contrast and a slope of light around the colour ``ground``."""
    side = background_side(size)
    place = np.linspace(0.0, 1.0, side)
    picture = np.repeat(ground, side * side).reshape(3, side, side)
    for cells, strength in ((4, 0.1), (9, 0.04)):
        grid = draws.uniforms(3 * cells * cells, -strength, strength).reshape(3, cells, cells)
        weights = _smooth_weights(place * (cells - 1), cells)
        picture += weights @ grid @ weights.T
    direction, stripes, phase = draws.uniform(0.0, math.pi), draws.uniform(2.0, 9.0), draws.uniform()
    along = place[None, :] * math.cos(direction) + place[:, None] * math.sin(direction)
    tint = draws.uniforms(3, -0.05, 0.05)
    picture += tint[:, None, None] * np.clip(
        4.0 * np.abs(2.0 * np.mod(stripes * along + phase, 1.0) - 1.0) - 2.0, -1.0, 1.0
    )
    slope, towards = draws.uniform(0.0, 0.3), draws.uniform(0.0, 2.0 * math.pi)
    ramp = (place[None, :] - 0.5) * math.cos(towards) + (place[:, None] - 0.5) * math.sin(towards)
    return np.ascontiguousarray(picture * (1.0 + slope * ramp))


def background_side(size: int) -> int:
    """Side in px of the background of a frame of ``size`` px."""
    return size + 2 * math.ceil(BACKGROUND_MARGIN * size) + 2


def _smooth_weights(place: Float[np.ndarray, "side"], cells: int) -> Float[np.ndarray, "side cell"]:
    """Interpolation between grid points with a smooth step."""
    distance = np.clip(1.0 - np.abs(place[:, None] - np.arange(cells)[None, :]), 0.0, 1.0)
    return np.asarray(distance * distance * (3.0 - 2.0 * distance))
