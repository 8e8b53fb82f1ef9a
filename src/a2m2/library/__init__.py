"""Searching a library of clips by example: an index of a whole collection, two passes, exact transport at the end.

Nothing heavy is imported before a name is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from a2m2.library_records import BrokenClip, Hit, IndexRecord, SearchRecord

if TYPE_CHECKING:
    from a2m2.library.beginning import IndexSettings
    from a2m2.library.indexing import index_collection, plan_index
    from a2m2.library.search import Library, open_library

__all__ = [
    "BrokenClip",
    "Hit",
    "IndexRecord",
    "IndexSettings",
    "Library",
    "SearchRecord",
    "index_collection",
    "open_library",
    "plan_index",
]

_PLACES = {
    "IndexSettings": "beginning",
    "index_collection": "indexing",
    "plan_index": "indexing",
    "Library": "search",
    "open_library": "search",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
