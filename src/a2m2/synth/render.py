"""Frames from a scene and a look: signed distance to every outline, painted from back to front.

All arithmetic is float64 without fused or reordered operations, so that rounding to uint8 hides the last
digits in which processors and mathematics libraries differ: the same seed gives the same bytes on every
machine we know of.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Int, UInt8
from numba import njit

from a2m2.synth.look import OUTLINE_POINTS, Look
from a2m2.synth.scene import FIRST, SECOND, Scene


def render(
    scene: Scene, look: Look, *, size: int, frame_index: Int[np.ndarray, "frame"] | None = None
) -> UInt8[np.ndarray, "frame 3 size size"]:
    """Paint the frames ``frame_index`` of a clip (all when None); each is the same whatever is asked for."""
    wanted = np.arange(scene.x.shape[0]) if frame_index is None else np.asarray(frame_index)
    frames = np.empty((len(wanted), 3, size, size), dtype=np.uint8)
    tracks = np.stack([scene.x, scene.y, scene.radius, np.cos(scene.angle), np.sin(scene.angle)], axis=2)
    _paint(
        frames,
        wanted,
        tracks,
        scene.camera,
        np.array(_painting_order(look.depth)),
        look.outline,
        look.colours,
        look.pattern,
        look.background,
        look.light,
        look.gain,
        look.noise,
        look.noise_seed,
    )
    return frames


def _painting_order(depth: tuple[int, ...]) -> list[int]:
    """``depth`` with the first of the pair in front of the second, which it may have to cover."""
    order = list(depth)
    first, second = order.index(FIRST), order.index(SECOND)
    if first < second:
        order[first], order[second] = SECOND, FIRST
    return order


@njit(cache=True, nogil=True)
def _paint(
    frames: np.ndarray,
    wanted: np.ndarray,
    tracks: np.ndarray,
    camera: np.ndarray,
    order: np.ndarray,
    outline: np.ndarray,
    colours: np.ndarray,
    pattern: np.ndarray,
    background: np.ndarray,
    light: np.ndarray,
    gain: np.ndarray,
    noise: float,
    noise_seed: int,
) -> None:
    size = frames.shape[2]
    canvas = np.empty((3, size, size))
    for slot in range(len(wanted)):
        frame = wanted[slot]
        _paint_background(canvas, background, camera[frame])
        for i in order:
            _paint_object(canvas, tracks[frame, i], outline[i], colours[i], pattern[i], light)
        state = np.uint64(noise_seed * 4096 + frame + 1) * np.uint64(0x9E3779B97F4A7C15)
        brightness = gain[frame]
        for row in range(size):
            for column in range(size):
                # xorshift64, one number a pixel for all three colours; every operand is unsigned because
                # numba makes mixed ones signed
                state ^= state << np.uint64(13)
                state ^= state >> np.uint64(7)
                state ^= state << np.uint64(17)
                grain = noise * (float(state >> np.uint64(11)) * 2.0**-52 - 1.0)
                for c in range(3):
                    value = 255.0 * (brightness * canvas[c, row, column] + grain) + 0.5
                    frames[slot, c, row, column] = np.uint8(min(max(value, 0.0), 255.0))


@njit(cache=True, nogil=True)
def _paint_background(canvas: np.ndarray, background: np.ndarray, shift: np.ndarray) -> None:
    """The background moved by ``shift`` of the frame, interpolated between pixels."""
    size = canvas.shape[1]
    margin = (background.shape[1] - size) / 2.0
    left, top = margin - shift[0] * size, margin - shift[1] * size
    x0, y0 = math.floor(left), math.floor(top)
    fx, fy = left - x0, top - y0
    for c in range(3):
        for row in range(size):
            for column in range(size):
                r, k = y0 + row, x0 + column
                upper = (1.0 - fx) * background[c, r, k] + fx * background[c, r, k + 1]
                lower = (1.0 - fx) * background[c, r + 1, k] + fx * background[c, r + 1, k + 1]
                canvas[c, row, column] = (1.0 - fy) * upper + fy * lower


@njit(cache=True, nogil=True)
def _paint_object(
    canvas: np.ndarray,
    track: np.ndarray,
    outline: np.ndarray,
    colours: np.ndarray,
    pattern: np.ndarray,
    light: np.ndarray,
) -> None:
    """One object; ``track`` is x, y, radius, and cosine and sine of its angle."""
    size = canvas.shape[1]
    radius = track[2] * size
    if radius < 0.3:
        return
    centre_x, centre_y, cos, sin = track[0] * size, track[1] * size, track[3], track[4]
    extent = 1.6 * radius + 1.0
    for row in range(max(0, int(centre_y - extent)), min(size, int(centre_y + extent) + 1)):
        for column in range(max(0, int(centre_x - extent)), min(size, int(centre_x + extent) + 1)):
            dx, dy = column + 0.5 - centre_x, row + 0.5 - centre_y
            u, v = (cos * dx + sin * dy) / radius, (cos * dy - sin * dx) / radius
            rho = math.sqrt(u * u + v * v)
            coverage = 0.5 + (outline_at(outline, u, v) - rho) * radius
            if coverage <= 0.0:
                continue
            coverage = min(coverage, 1.0)
            wave = pattern[0] * (u * pattern[1] + v * pattern[2])
            wave = abs(2.0 * (wave - math.floor(wave)) - 1.0)
            stripe = min(max((pattern[3] - wave) * radius / pattern[0] + 0.5, 0.0), 1.0)
            mark = math.sqrt((u - 0.45) ** 2 + v * v)
            marker = min(max((0.27 - mark) * radius + 0.5, 0.0), 1.0)
            shade = 1.0 + pattern[4] * (light[0] * dx + light[1] * dy) / radius
            for c in range(3):
                colour = (1.0 - stripe) * colours[0, c] + stripe * colours[1, c]
                colour = ((1.0 - marker) * colour + marker * colours[2, c]) * shade
                canvas[c, row, column] += coverage * (colour - canvas[c, row, column])


@njit(cache=True, nogil=True)
def outline_at(outline: np.ndarray, u: float, v: float) -> float:
    """Radius of the outline in the direction (u, v), interpolated in its table."""
    total = abs(u) + abs(v)
    if total == 0.0:
        return outline[0]
    around = v / total
    if u < 0.0:
        around = 2.0 - around
    elif v < 0.0:
        around += 4.0
    place = around * (OUTLINE_POINTS / 4.0)
    cell = int(place)
    fraction = place - cell
    return (1.0 - fraction) * outline[cell % OUTLINE_POINTS] + fraction * outline[(cell + 1) % OUTLINE_POINTS]
