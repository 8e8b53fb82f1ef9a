"""Finding enrolled actions in long recordings and in live pictures.

Nothing heavy is imported before :func:`spot` is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from a2m2.spotting.search import SpotSettings, spot

__all__ = ["SpotSettings", "spot"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from a2m2.spotting import search

        return getattr(search, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
