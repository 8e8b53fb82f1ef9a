"""How a clip looks in a style other than the frozen benchmark's: surfaces, background, camera, what stands before.

``varied`` is wide: anything may have any surface or little contrast, clutter stands before and behind, the camera may
shake, the lens be bad. The others are tests of what was learnt from it, since it has nothing of them: ``lines`` are
drawings of contours, ``hatched`` has engraved surfaces, and in ``camouflage`` little can be seen in a single frame,
because everything has the background's colours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from a2m2.synth.draws import Draws
from a2m2.synth.lens import Lens, clear_lens, draw_lens
from a2m2.synth.look import draw_outline
from a2m2.synth.paint import SURFACE_SIDE
from a2m2.synth.parts import BLOB, LIMB, Parts, join_parts
from a2m2.synth.settings import Style
from a2m2.synth.textures import draw_texture, hatching

_GROUND_SIDE = 128
_MOST_CLUTTER = 3
_CLEAR_CRF = 20
_NO_SURFACE = 0.02


@dataclass(frozen=True, eq=False)
class Dress:
    """The appearance of one clip; attributes as in :func:`a2m2.synth.paint.paint`."""

    parts: Parts
    outlines: Float[np.ndarray, "part point"]
    surfaces: Float[np.ndarray, "part 3 side side"]
    grain: Float[np.ndarray, "part"]
    background: Float[np.ndarray, "3 ground ground"]
    camera: Float[np.ndarray, "frame 4"]
    line: float
    softness: float
    lens: Lens


def dress(draws: Draws, parts: Parts, style: Style, num_frames: int) -> Dress:
    """Draw the appearance of a clip whose parts move as given."""
    varied = style == "varied"
    if varied:
        parts = _with_clutter(draws, parts, num_frames)
    outlines = np.stack([draw_outline(draws) for _ in range(len(parts))])
    colour = _colour(draws, 0.1, 0.9)
    contrast = draws.uniform(0.0, 0.25) if varied else draws.uniform(0.05, 0.15)
    if style == "hatched":
        background = hatching(draws, _GROUND_SIDE, colour=colour, contrast=contrast)
    elif style == "lines":
        background = draw_texture(draws, _GROUND_SIDE, colour=colour, contrast=0.3 * contrast)
    else:
        background = draw_texture(draws, _GROUND_SIDE, colour=colour, contrast=contrast)
    surfaces = _surfaces(draws, parts, style, colour, contrast)
    return Dress(
        parts=parts,
        outlines=outlines,
        surfaces=surfaces,
        grain=draws.uniforms(len(parts), 25.0, 110.0)
        if style != "camouflage"
        else np.full(len(parts), 128.0),
        background=background,
        camera=_shaking(draws, num_frames) if varied else np.zeros((num_frames, 4)),
        line=draws.uniform(0.006, 0.016) if style == "lines" else 0.0,
        softness=draws.uniform(1.0, 2.5) if varied else 1.0,
        lens=draw_lens(draws, num_frames) if varied else clear_lens(num_frames, _CLEAR_CRF),
    )


def _surfaces(
    draws: Draws, parts: Parts, style: Style, ground: Float[np.ndarray, "3"], contrast: float
) -> Float[np.ndarray, "part 3 side side"]:
    """One surface a part; those of one owner often share one."""
    shared = style != "varied" or draws.flip(0.5)
    near_ground = style == "varied" and draws.flip(0.25)
    by_owner: dict[int, np.ndarray] = {}
    surfaces = []
    for owner in parts.owners.tolist():
        if shared and owner in by_owner:
            surfaces.append(by_owner[owner])
            continue
        if style == "camouflage":
            surface = draw_texture(draws, SURFACE_SIDE, colour=ground, contrast=contrast)
        else:
            distance = 0.1 if near_ground else 0.35
            colour = _colour(draws, 0.03, 0.97)
            while float(np.linalg.norm(colour - ground)) < distance:
                colour = _colour(draws, 0.03, 0.97)
            if style == "hatched":
                surface = hatching(draws, SURFACE_SIDE, colour=colour, contrast=0.12)
            elif style == "lines":
                surface = np.broadcast_to(colour[:, None, None], (3, SURFACE_SIDE, SURFACE_SIDE))
            else:
                strength = draws.uniform(_NO_SURFACE, 0.22)
                surface = draw_texture(draws, SURFACE_SIDE, colour=colour, contrast=strength)
        by_owner[owner] = surface
        surfaces.append(surface)
    return np.stack(surfaces)


def _colour(draws: Draws, low: float, high: float) -> Float[np.ndarray, "3"]:
    """Anything from grey to gaudy."""
    channels, saturation = draws.uniforms(3, low, high), draws.uniform()
    grey = float(channels.mean())
    return np.asarray(grey + saturation * (channels - grey))


def _shaking(draws: Draws, num_frames: int) -> Float[np.ndarray, "frame 4"]:
    """A camera on a stand, in a hand, or panning: sums of slow and fast swings, and a straight path."""
    held, panned = draws.flip(0.6), draws.flip(0.2)
    times = np.linspace(-0.5, 0.5, num_frames)
    tracks = []
    for amplitude, path in ((0.025, 0.15), (0.025, 0.15), (0.05, 0.0), (0.03, 0.12)):
        strength = held * amplitude * draws.uniform()
        track = np.zeros(num_frames)
        for speed in (0.7, 1.9, 5.0):
            phase, faster = draws.uniform(), draws.uniform(0.6, 1.6)
            track += strength / math.sqrt(speed) * np.sin(2.0 * math.pi * (speed * faster * times + phase))
        tracks.append(track + panned * path * draws.uniform(-1.0, 1.0) * times)
    return np.stack(tracks, axis=1)


def _with_clutter(draws: Draws, parts: Parts, num_frames: int) -> Parts:
    """Things behind and before the parts that stand still, or drift along a line of their own."""
    for in_front in (False, True):
        count = draws.index(_MOST_CLUTTER + 1) if draws.flip(0.35 if in_front else 0.6) else 0
        if not count:
            continue
        tracks = np.stack([_clutter_track(draws, num_frames, in_front) for _ in range(count)], axis=1)
        kinds = np.array([LIMB if draws.flip() else BLOB for _ in range(count)])
        for i in range(count):
            if kinds[i] == BLOB:
                tracks[:, i, 2:] = np.array([tracks[0, i, 4], 1.0, 0.0, 0.0])
        clutter = Parts(kinds, tracks, np.arange(count), np.arange(count))
        parts = join_parts(parts, clutter) if in_front else join_parts(clutter, parts)
    return parts


def _clutter_track(draws: Draws, num_frames: int, in_front: bool) -> Float[np.ndarray, "frame 6"]:
    start, towards = draws.uniforms(2, -0.1, 1.1), draws.uniform(0.0, 2.0 * math.pi)
    length = draws.uniform(0.1, 0.7)
    radius = draws.uniform(0.015, 0.06 if in_front else 0.2)
    drift = draws.uniforms(2, -0.25, 0.25) if draws.flip(0.3) else np.zeros(2)
    times = np.linspace(0.0, 1.0, num_frames)[:, None]
    begin = start + drift * times
    end = begin + length * np.array([math.cos(towards), math.sin(towards)])
    return np.concatenate([begin, end, np.full((num_frames, 2), radius)], axis=1)
