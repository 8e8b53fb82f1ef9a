"""Which videos there are, what they hold, which episodes are drawn from them, where their features are kept.

Only :mod:`a2m2.data.store` needs torch; its names are imported when they are first asked for, so that listing
videos and drawing episodes start at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from a2m2.data.annotations import read_annotation
from a2m2.data.cache import default_cache
from a2m2.data.digests import DigestCache, content_digest, identical_contents
from a2m2.data.episodes import EpisodeSampler
from a2m2.data.manifest import load_dataset
from a2m2.data.videos import Dataset, VideoRecord

if TYPE_CHECKING:
    from a2m2.data.store import FeatureStore, Stack

__all__ = [
    "Dataset",
    "DigestCache",
    "EpisodeSampler",
    "FeatureStore",
    "Stack",
    "VideoRecord",
    "content_digest",
    "default_cache",
    "identical_contents",
    "load_dataset",
    "read_annotation",
]


def __getattr__(name: str) -> Any:
    if name in ("FeatureStore", "Stack"):
        from a2m2.data import store

        return getattr(store, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
