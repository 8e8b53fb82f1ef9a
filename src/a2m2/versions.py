"""Versions of the packages that a result can depend on."""

from __future__ import annotations

import contextlib
import platform
from importlib import metadata

_PACKAGES = ("a2m2", "torch", "numpy", "numba", "av", "transformers", "safetensors")


def versions() -> dict[str, str]:
    """Package name to version, Python first; packages that run without being installed are left out."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
