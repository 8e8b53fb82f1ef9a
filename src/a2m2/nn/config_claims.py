"""What a configuration of ``transformers`` claims, compared with its tensors before a model is built by its word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from a2m2.reading import shorten

MAX_SIDE = 4096
"""Pixels along a side of a frame."""
MAX_TOKENS = 65_536
"""Patches of one frame, or of the frames that a video encoder takes at once."""
MAX_NUMBER = 1 << 20
"""Largest number of a configuration."""
_LAYERS = re.compile(r"layers|depths|blocks")


def check_config(config: Mapping[str, Any], num_tensors: int) -> None:
    """Refuse a configuration that so many tensors cannot be of, or that would take too much memory or time.

    Raises:
        ValueError: what it claims, and what is there.
    """
    num_layers = 0
    for key, number in _numbers(config):
        if abs(number) > MAX_NUMBER:
            raise ValueError(f"a backbone of {shorten(key)} {number:g}, more than {MAX_NUMBER:,}")
        if _LAYERS.search(key):
            num_layers += int(number)
    # Every layer has a tensor at least.
    if num_layers > num_tensors:
        raise ValueError(f"a backbone of {num_layers:,} layers, but {num_tensors:,} tensors")
    tokens = _tokens(config)
    if tokens > MAX_TOKENS:
        raise ValueError(f"a backbone of {tokens:,.0f} patches, more than {MAX_TOKENS:,}")


def named_in(config: Any) -> Iterator[str]:
    """Every key of a configuration, those inside others too."""
    return (key for key, _ in _numbers(config))


def _numbers(config: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Every number in a configuration with the nearest key above it; 0 for what is none."""
    if isinstance(config, dict):
        for name, value in config.items():
            yield name, 0
            yield from _numbers(value, name)
    elif isinstance(config, list):
        for value in config:
            yield from _numbers(value, key)
    else:
        is_number = isinstance(config, int | float) and not isinstance(config, bool)
        yield key, config if is_number else 0


def _tokens(config: Mapping[str, Any]) -> float:
    """Patches at the largest size that a configuration names, times the frames of a video encoder."""

    def largest(*keys: str, default: int) -> float:
        values = [number for key in keys if key in config for _, number in _numbers(config[key])]
        return max(values, default=default)

    side = largest("image_size", "crop_size", default=224)
    if side > MAX_SIDE:
        raise ValueError(f"a backbone of frames of {side:,.0f} pixels, more than {MAX_SIDE:,}")
    if "patch_size" not in config:
        return 0
    patch = max(1.0, min((number for _, number in _numbers(config["patch_size"])), default=1.0))
    frames = largest("num_frames", "frames_per_clip", default=1)
    return (side / patch) ** 2 * max(1.0, frames)
