"""Versions of the packages that a result can depend on."""

from __future__ import annotations

import platform
from importlib import metadata

_PACKAGES = ("a2m2", "torch", "numpy", "numba", "av", "transformers", "safetensors")


def versions() -> dict[str, str]:
    """Package name to version, Python first."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}}
