"""Networks that come with the package, by name; docs/model-card.md says what they are."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent

MOTION_SMALL = "motion-small"
"""Trained on rendered clips alone by ``make weights``."""


def shipped_networks() -> tuple[str, ...]:
    """Names of all of them."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.safetensors")))


def shipped_file(name: str) -> Path | None:
    """The file of a shipped network; None if none is called so."""
    return _FOLDER / f"{name}.safetensors" if name in shipped_networks() else None
