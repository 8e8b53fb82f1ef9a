"""Loaded into the workers of a Ray cluster by a test: they note what they describe, and take their time."""

from __future__ import annotations

import os
import time
from pathlib import Path

LOG = "A2M2_TEST_LOG"
"""Environment variable with the path of the notes."""


def install() -> None:
    """Note process and digest of every clip before it is described."""
    from a2m2.library import ray_engine

    describe = ray_engine.describe_content

    def noted(encoder: object, digest: str, path: Path, digests: object) -> object:
        with Path(os.environ[LOG]).open("a", encoding="ascii") as log:
            log.write(f"{os.getpid()} {digest}\n")
        time.sleep(0.1)
        return describe(encoder, digest, path, digests)

    ray_engine.describe_content = noted  # type: ignore[assignment]
