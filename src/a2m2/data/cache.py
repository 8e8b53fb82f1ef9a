"""Where derived files that can be made again are kept."""

from __future__ import annotations

import os
from pathlib import Path

from a2m2.errors import OutputError


def default_cache() -> Path:
    """The folder ``$A2M2_CACHE`` when that is set and not empty, else ``~/.cache/a2m2``; it need not exist.

    Raises:
        OutputError: neither the variable nor a home folder is known.
    """
    chosen = os.environ.get("A2M2_CACHE", "")
    if chosen:
        return Path(chosen).expanduser()
    try:
        return Path.home() / ".cache" / "a2m2"
    except RuntimeError:
        raise OutputError("no home folder to keep features in; set A2M2_CACHE to a folder") from None
