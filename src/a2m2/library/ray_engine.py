"""Describing clips on a cluster with Ray Data: the same results in the same order as on one machine.

A few clips at a time go to a worker. What is under way on a worker that ends is given to another, and nothing else is
done again. The driver writes shards as results come, in order, so that a run that was killed goes on like any other.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from a2m2.data import DigestCache
from a2m2.errors import A2M2Error, ConfigError, EngineError
from a2m2.library.describing import Described, describe_content
from a2m2.library.eyes import read_eyes
from a2m2.recognize.encoders import ClipEncoder

CLIPS_A_TASK = 8
"""Clips that go to a worker at a time; one that ends costs a few times as many."""


def describe_on_ray(
    folder: Path, contents: Mapping[str, Path], *, cache: Path, num_workers: int
) -> Iterator[Described]:
    """What each content shows, in order, by workers of a Ray cluster: that of ``RAY_ADDRESS``, or one made here.

    Workers must see the clips and the folder under the same paths, and have this package.

    Args:
        folder: of the index; its encoder has been written.
        contents: a clip for each content digest.
        cache: folder with digests, if workers see it; else they read clips twice.
        num_workers: most workers at a time, one core each.

    Raises:
        ConfigError: Ray is not installed.
        EngineError: the cluster cannot be reached, or its workers keep ending.
        A2M2Error: a worker's own.
    """
    if not contents:
        return
    ray, data = _import_ray()
    places = {"folder": os.fsencode(folder.absolute()), "cache": os.fsencode(cache.absolute())}
    items = [
        {"digest": digest, "path": os.fsencode(path.absolute()), **places}
        for digest, path in contents.items()
    ]
    with _cluster(ray, data):
        try:
            rows = data.from_items(items, override_num_blocks=-(-len(items) // CLIPS_A_TASK)).map(
                _Worker,
                compute=data.ActorPoolStrategy(min_size=1, max_size=num_workers, initial_size=num_workers),
                num_cpus=1,
            )
            for row in rows.iter_rows():
                yield pickle.loads(row["described"])
        except ray.exceptions.RayError as error:
            raise _in_our_words(error) from error


class _Worker:
    """Describes clips one after the other, with the encoder of the index.

    It reads the encoder when the first clip comes, so that a worker that is started again needs no arguments: Ray keeps
    those where they can be lost.
    """

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self.encoder: ClipEncoder | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, bytes]:
        folder, cache, path = (Path(os.fsdecode(row[name])) for name in ("folder", "cache", "path"))
        if self.encoder is None:
            self.encoder = read_eyes(folder)
            self.digests = DigestCache(cache)
        return {"described": pickle.dumps(describe_content(self.encoder, row["digest"], path, self.digests))}


def _import_ray() -> tuple[Any, Any]:
    # It would report every run to its makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError:
        raise ConfigError("Ray is not installed; pip install 'a2m2[ray]', or --engine local") from None
    return ray, ray.data


@contextmanager
def _cluster(ray: Any, data: Any) -> Iterator[None]:
    """A cluster to work on, left as it was: one that was there goes on, one made here ends."""
    own = not ray.is_initialized()
    if own:
        try:
            ray.init(log_to_driver=False, include_dashboard=False, logging_level="error")
        except (ConnectionError, TimeoutError, RuntimeError, ValueError) as error:
            raise EngineError(f"no Ray cluster ({error}); see RAY_ADDRESS, or use --engine local") from error
    context = data.DataContext.get_current()
    before = (context.execution_options.preserve_order, context.enable_progress_bars)
    context.execution_options.preserve_order, context.enable_progress_bars = True, False
    try:
        yield
    finally:
        context.execution_options.preserve_order, context.enable_progress_bars = before
        if own:
            ray.shutdown()


def _in_our_words(error: BaseException) -> A2M2Error:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, A2M2Error):
            return cause
        cause = getattr(cause, "cause", None) or cause.__cause__
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return EngineError(
        f"the workers of the Ray cluster cannot go on ({reason}); the same command goes on with what is missing"
    )
