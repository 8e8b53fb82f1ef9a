"""Surfaces that look like photographs of something: noise whose power falls with frequency, tinted, cut, striped.

Pictures of natural things have spectra of about 1/f; drawing the exponent, the colours and what is done with the
result makes cloth, bark, leaves, walls, prints. All wrap around at their edges.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from a2m2.synth.draws import Draws

Picture = Float[np.ndarray, "3 side side"]


def draw_texture(draws: Draws, side: int, *, colour: Float[np.ndarray, "3"], contrast: float) -> Picture:
    """A surface of ``side × side`` px around a colour, in about [0, 1], its standard deviation ``contrast``."""
    slope, kind = draws.uniform(0.6, 2.2), draws.uniform()
    first = _noise(draws, side, slope)
    if kind < 0.2:
        first = np.tanh(3.0 * first)
    elif kind < 0.35:
        levels = 2 + draws.index(3)
        first = np.round(first * levels) / levels
    elif kind < 0.5:
        first = 0.5 * first + _stripes(draws, side)
    second = _noise(draws, side, draws.uniform(0.6, 2.2))
    # Mostly one tint that is lighter and darker, with some of another.
    tint, other = _direction(draws), _direction(draws)
    mixed = first * (0.75 + 0.25 * tint)[:, None, None] + 0.5 * second * other[:, None, None]
    mixed *= contrast / max(float(mixed.std()), 1e-6)
    return np.asarray(colour[:, None, None] + mixed)


def hatching(draws: Draws, side: int, *, colour: Float[np.ndarray, "3"], contrast: float) -> Picture:
    """Two crossing sets of fine lines, as in an engraving."""
    lines = _stripes(draws, side, fewest=4, most=8) * _stripes(draws, side, fewest=4, most=8)
    return np.asarray(colour[:, None, None] + 1.5 * contrast * np.sign(lines)[None])


def _noise(draws: Draws, side: int, slope: float) -> Float[np.ndarray, "side side"]:
    """Noise of unit variance with amplitudes ∝ f^−slope."""
    white = np.fft.rfft2(draws.uniforms(side * side, -1.0, 1.0).reshape(side, side))
    shaped = np.fft.irfft2(white * _falloff(side, round(slope, 1)), s=(side, side))
    return np.asarray((shaped - shaped.mean()) / max(float(shaped.std()), 1e-9))


@lru_cache(maxsize=256)
def _falloff(side: int, slope: float) -> Float[np.ndarray, "side half"]:
    rows, columns = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = 1.0
    falloff = frequency**-slope
    falloff[0, 0] = 0.0
    return np.asarray(falloff)


def _stripes(draws: Draws, side: int, *, fewest: int = 1, most: int = 6) -> Float[np.ndarray, "side side"]:
    """Stripes that fit a whole number of times into the picture, −1 … 1."""
    count = fewest + draws.index(most - fewest + 1)
    across = draws.index(count + 1)
    place = np.arange(side) / side
    phase = 2.0 * math.pi * (across * place[None, :] + (count - across) * place[:, None] + draws.uniform())
    return np.asarray(np.clip(2.0 * np.sin(phase), -1.0, 1.0))


def _direction(draws: Draws) -> Float[np.ndarray, "3"]:
    vector = draws.uniforms(3, -1.0, 1.0)
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6))
