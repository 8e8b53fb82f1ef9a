"""Which videos there are, what they hold, which episodes are drawn from them, where their features are kept.

Only :mod:`a2m2.data.store` and :mod:`a2m2.data.playback` need torch; their names are imported when they are first
asked for, so that listing videos and drawing episodes start at once.
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
    from a2m2.data.playback import content_key, read_video
    from a2m2.data.store import FeatureStore, Stack

__all__ = [
    "Dataset",
    "DigestCache",
    "EpisodeSampler",
    "FeatureStore",
    "Stack",
    "VideoRecord",
    "content_digest",
    "content_key",
    "default_cache",
    "identical_contents",
    "load_dataset",
    "read_annotation",
    "read_video",
]


def __getattr__(name: str) -> Any:
    if name in ("FeatureStore", "Stack"):
        from a2m2.data import store

        return getattr(store, name)
    if name in ("content_key", "read_video"):
        from a2m2.data import playback

        return getattr(playback, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
