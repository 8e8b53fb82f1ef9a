"""What lens, sensor and a poor file do to painted frames: blur, few pixels, light that flickers, noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.ndimage import gaussian_filter1d

from a2m2.synth.draws import Draws


@dataclass(frozen=True, eq=False)
class Lens:
    """How one clip was filmed.

    Attributes:
        blur: standard deviation of the blur in shares of the frame's width.
        side: px that the picture once had, or 0 for as many as are painted; fewer are scaled up.
        gain: brightness of each frame.
        gamma: exponent of all values.
        noise: standard deviation of the sensor's noise.
        noise_seed: seed of the noise; that of a frame does not depend on which other frames are painted.
        crf: quality of the video file, the constant rate factor of H.264.
    """

    blur: float
    side: int
    gain: Float[np.ndarray, "frame"]
    gamma: float
    noise: float
    noise_seed: int
    crf: int

    def film(
        self, frames: Float[np.ndarray, "frame 3 size size"], frame_index: Int[np.ndarray, "frame"]
    ) -> UInt8[np.ndarray, "frame 3 size size"]:
        """Frames as a file holds them before it is compressed."""
        size = frames.shape[-1]
        if self.blur > 0.0:
            for axis in (2, 3):
                frames = gaussian_filter1d(frames, self.blur * size, axis=axis, mode="nearest", truncate=3.0)
        if 0 < self.side < size:
            small = _resized(frames, self.side)
            frames = _resized(small, size)
        frames = np.clip(frames * self.gain[frame_index, None, None, None], 0.0, 1.0) ** self.gamma
        if self.noise > 0.0:
            for frame, number in zip(frames, frame_index, strict=True):
                generator = np.random.Generator(np.random.PCG64([self.noise_seed, int(number)]))
                # A sum of uniform numbers: their stream never changes, that of other distributions may.
                grain = generator.random((2, *frame.shape)).sum(axis=0) - 1.0
                frame += self.noise * math.sqrt(6.0) * grain
        return np.asarray((255.0 * np.clip(frames, 0.0, 1.0) + 0.5).astype(np.uint8))


def draw_lens(draws: Draws, num_frames: int) -> Lens:
    """Anything from a clean picture to a bad telephone."""
    times = np.linspace(0.0, 1.0, num_frames)
    flicker = draws.uniform(0.0, 0.08) * np.sin(
        2.0 * math.pi * (draws.uniform(0.3, 4.0) * times + draws.uniform())
    )
    blurred, coarse, noisy = draws.flip(0.35), draws.flip(0.35), draws.flip(0.6)
    blur, side, noise = draws.uniform(0.003, 0.02), 32 + draws.index(65), draws.uniform(0.005, 0.05)
    return Lens(
        blur=blur if blurred else 0.0,
        side=side if coarse else 0,
        gain=draws.uniform(0.7, 1.25) * (1.0 + flicker),
        gamma=math.exp(draws.uniform(-0.4, 0.4)),
        noise=noise if noisy else 0.0,
        noise_seed=draws.word(),
        crf=18 + draws.index(17),
    )


def clear_lens(num_frames: int, crf: int) -> Lens:
    """A lens that changes nothing."""
    return Lens(0.0, 0, np.ones(num_frames), 1.0, 0.0, 0, crf)


def _resized(frames: np.ndarray, side: int) -> np.ndarray:
    weights = _tents(frames.shape[-1], side)
    return np.asarray(weights @ frames @ weights.T)


@lru_cache(maxsize=256)
def _tents(size: int, side: int) -> Float[np.ndarray, "side size"]:
    """Each of ``side`` new pixels as a mean of ``size`` old ones under a tent as wide as the coarser of the two."""
    centres = (np.arange(side) + 0.5) * size / side
    reach = max(1.0, size / side)
    weights = np.clip(1.0 - np.abs(centres[:, None] - (np.arange(size) + 0.5)) / reach, 0.0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
