"""Parts with surfaces in front of a background, seen by a camera that may shake: frames before lens and sensor."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from a2m2.synth.parts import BLOB, Parts
from a2m2.synth.render import outline_at

SURFACE_SIDE = 32
"""Side of a part's surface in px; a power of two."""


def paint(
    parts: Parts,
    *,
    outlines: Float[np.ndarray, "part point"],
    surfaces: Float[np.ndarray, "part 3 side side"],
    grain: Float[np.ndarray, "part"],
    background: Float[np.ndarray, "3 ground ground"],
    camera: Float[np.ndarray, "frame 4"],
    line: float,
    softness: float,
    size: int,
    frame_index: Int[np.ndarray, "frame"],
) -> Float[np.ndarray, "frame 3 size size"]:
    """Paint the frames ``frame_index``.

    Args:
        parts: what moves.
        outlines: of the blobs.
        surfaces: what each part looks like; they repeat.
        grain: texels of a surface in one frame's width.
        background: repeats too; it is as wide as the frame at a zoom of 1.
        camera: shift x, shift y in frame widths, turn in radians and log zoom of each frame.
        line: half the width of a contour in px; 0 paints whole parts.
        softness: width of an edge in px.
        size: side of a frame in px.
        frame_index: which frames.
    """
    frames = np.zeros((len(frame_index), 3, size, size))
    _paint(
        frames,
        np.asarray(frame_index),
        parts.kinds,
        parts.tracks,
        parts.order,
        outlines,
        surfaces,
        grain,
        background,
        camera,
        line,
        softness,
    )
    return frames


@njit(cache=True, nogil=True)
def _paint(
    frames: np.ndarray,
    wanted: np.ndarray,
    kinds: np.ndarray,
    tracks: np.ndarray,
    order: np.ndarray,
    outlines: np.ndarray,
    surfaces: np.ndarray,
    grain: np.ndarray,
    background: np.ndarray,
    camera: np.ndarray,
    line: float,
    softness: float,
) -> None:
    for slot in range(len(wanted)):
        view = camera[wanted[slot]]
        cos, sin, zoom = math.cos(view[2]), math.sin(view[2]), math.exp(view[3])
        _paint_background(frames[slot], background, view, cos, sin, zoom)
        for i in order:
            track = tracks[wanted[slot], i]
            if kinds[i] == BLOB:
                _paint_blob(
                    frames[slot],
                    track,
                    outlines[i],
                    surfaces[i],
                    grain[i],
                    view,
                    cos,
                    sin,
                    zoom,
                    line,
                    softness,
                )
            else:
                _paint_limb(frames[slot], track, surfaces[i], grain[i], view, cos, sin, zoom, line, softness)


@njit(cache=True, nogil=True)
def _paint_background(
    frame: np.ndarray, background: np.ndarray, view: np.ndarray, cos: float, sin: float, zoom: float
) -> None:
    """The background under the inverse of the camera's motion, interpolated between pixels."""
    size, side = frame.shape[1], background.shape[1]
    for row in range(size):
        for column in range(size):
            u = ((column + 0.5) / size - 0.5 - view[0]) / zoom
            v = ((row + 0.5) / size - 0.5 - view[1]) / zoom
            x, y = (cos * u + sin * v + 0.5) * side, (cos * v - sin * u + 0.5) * side
            _mix_texel(frame, row, column, background, x, y, 1.0)


@njit(cache=True, nogil=True)
def _mix_texel(
    frame: np.ndarray, row: int, column: int, surface: np.ndarray, x: float, y: float, share: float
) -> None:
    """Mix the surface at (x, y), which repeats, into one pixel."""
    side = surface.shape[1]
    x0, y0 = math.floor(x), math.floor(y)
    fx, fy = x - x0, y - y0
    left, top = x0 % side, y0 % side
    right, bottom = (left + 1) % side, (top + 1) % side
    for c in range(3):
        upper = (1.0 - fx) * surface[c, top, left] + fx * surface[c, top, right]
        lower = (1.0 - fx) * surface[c, bottom, left] + fx * surface[c, bottom, right]
        value = (1.0 - fy) * upper + fy * lower
        frame[c, row, column] += share * (value - frame[c, row, column])


@njit(cache=True, nogil=True)
def _coverage(inside: float, line: float, softness: float) -> float:
    """Share of a pixel that a part covers, given how far inside its contour the pixel lies, in px."""
    if line > 0.0:
        inside = line - abs(inside)
    return min(max(0.5 + inside / softness, 0.0), 1.0)


@njit(cache=True, nogil=True)
def _seen_at(
    x: float, y: float, view: np.ndarray, cos: float, sin: float, zoom: float, size: int
) -> tuple[float, float]:
    """Where the camera sees a point given in frame widths, in px."""
    u, v = x - 0.5, y - 0.5
    return (
        (zoom * (cos * u - sin * v) + 0.5 + view[0]) * size,
        (zoom * (sin * u + cos * v) + 0.5 + view[1]) * size,
    )


@njit(cache=True, nogil=True)
def _paint_blob(
    frame: np.ndarray,
    track: np.ndarray,
    outline: np.ndarray,
    surface: np.ndarray,
    grain: float,
    view: np.ndarray,
    cos: float,
    sin: float,
    zoom: float,
    line: float,
    softness: float,
) -> None:
    size = frame.shape[1]
    radius = track[2] * size * zoom
    if radius < 0.3:
        return
    centre_x, centre_y = _seen_at(track[0], track[1], view, cos, sin, zoom, size)
    turn_cos, turn_sin = track[3] * cos - track[4] * sin, track[4] * cos + track[3] * sin
    extent = 1.7 * radius + softness + line
    for row in range(max(0, int(centre_y - extent)), min(size, int(centre_y + extent) + 1)):
        for column in range(max(0, int(centre_x - extent)), min(size, int(centre_x + extent) + 1)):
            dx, dy = column + 0.5 - centre_x, row + 0.5 - centre_y
            along, across = (turn_cos * dx + turn_sin * dy) / radius, (turn_cos * dy - turn_sin * dx) / radius
            rho = math.sqrt(along * along + across * across)
            share = _coverage((outline_at(outline, along, across) - rho) * radius, line, softness)
            if share > 0.0:
                scale = grain * track[2]
                _mix_texel(frame, row, column, surface, along * scale, across * scale, share)


@njit(cache=True, nogil=True)
def _paint_limb(
    frame: np.ndarray,
    track: np.ndarray,
    surface: np.ndarray,
    grain: float,
    view: np.ndarray,
    cos: float,
    sin: float,
    zoom: float,
    line: float,
    softness: float,
) -> None:
    size = frame.shape[1]
    px = size * zoom
    x0, y0 = _seen_at(track[0], track[1], view, cos, sin, zoom, size)
    x1, y1 = _seen_at(track[2], track[3], view, cos, sin, zoom, size)
    start, end = track[4] * px, track[5] * px
    length = math.sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2)
    ux, uy = ((x1 - x0) / length, (y1 - y0) / length) if length > 1e-6 else (1.0, 0.0)
    extent = max(start, end) + softness + line
    top, bottom = max(0, int(min(y0, y1) - extent)), min(size, int(max(y0, y1) + extent) + 1)
    left, right = max(0, int(min(x0, x1) - extent)), min(size, int(max(x0, x1) + extent) + 1)
    for row in range(top, bottom):
        for column in range(left, right):
            dx, dy = column + 0.5 - x0, row + 0.5 - y0
            along, across = ux * dx + uy * dy, ux * dy - uy * dx
            on = min(max(along, 0.0), length)
            away = math.sqrt((along - on) ** 2 + across * across)
            radius = start + (end - start) * (on / length if length > 1e-6 else 0.0)
            share = _coverage(radius - away, line, softness)
            if share > 0.0:
                _mix_texel(frame, row, column, surface, along * grain / px, across * grain / px, share)
