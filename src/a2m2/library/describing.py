"""Clips to shards, in order: a run that was killed goes on with the next shard, and writes what it would have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import torch

from a2m2.data import DigestCache
from a2m2.devices import GPU_CLIPS
from a2m2.errors import DataError, DecodeError
from a2m2.eval.maps import Progress
from a2m2.eval.threads import map_in_threads
from a2m2.library.eyes import describe_clips
from a2m2.library.shards import Rows, rows_of, shard_files, shard_number, write_shard
from a2m2.recognize.clips import sample_clip
from a2m2.recognize.encoders import ClipEncoder
from a2m2.structures import Clip

Described = Rows | DecodeError
"""What one content shows, or why it cannot be described."""


def describe_content(encoder: ClipEncoder, digest: str, path: Path, digests: DigestCache) -> Described:
    """What a clip shows, if it is still the content ``digest``: ``digests`` tell."""
    (described,) = describe_contents(encoder, {digest: path}, digests)
    return described


def describe_contents(
    encoder: ClipEncoder, contents: Mapping[str, Path], digests: DigestCache
) -> list[Described]:
    """What clips show, in order, seen together; each if it is still the content it was: ``digests`` tell."""
    clips: dict[str, Clip] = {}
    found: dict[str, Described] = {}
    for digest, path in contents.items():
        try:
            clips[digest] = sample_clip(path, encoder.video)
        except DecodeError as error:
            found[digest] = error
    if clips:
        described = describe_clips(encoder, list(clips.values()))
        for row, digest in enumerate(clips):
            path = contents[digest]
            if _is_still(path, digest, digests):
                found[digest] = rows_of(described[torch.tensor([row])])
            else:
                found[digest] = DecodeError(path, "it changed while it was read", "index again")
    return [found[digest] for digest in contents]


def _is_still(path: Path, digest: str, digests: DigestCache) -> bool:
    try:
        return digests.digest(path) == digest
    except DataError:
        return False


def describe_here(
    encoder: ClipEncoder, contents: Mapping[str, Path], *, digests: DigestCache, num_threads: int
) -> Iterator[Described]:
    """What each content shows, in order, by threads of this process; any number of them gives the same.

    On the CPU each clip is seen alone: the last bits of a descriptor depend on what else is in a batch. A GPU takes
    several together.

    Args:
        encoder: describes.
        contents: a clip for each content digest.
        digests: tells whether a clip is still what it was.
        num_threads: clips worked on at the same time.
    """

    size = 1 if encoder.device.type == "cpu" else GPU_CLIPS
    order = list(contents)
    batches = [order[start : start + size] for start in range(0, len(order), size)]

    def describe(batch: Collection[str]) -> list[Described]:
        return describe_contents(encoder, {digest: contents[digest] for digest in batch}, digests)

    for described in map_in_threads(describe, batches, num_threads=num_threads):
        yield from described


def write_shards(
    folder: Path,
    contents: Collection[str],
    described: Iterable[Described],
    *,
    shard_size: int,
    progress: Progress,
) -> dict[str, DecodeError]:
    """Write what contents show as shards of ``shard_size``; the last may be smaller.

    Clips that cannot be decoded take no place in a shard, so that meeting them again changes none.

    Args:
        folder: of the index.
        contents: their digests, in the order in which they are written.
        described: what each shows; taken as it comes, a shard at a time in memory.
        shard_size: contents a shard.
        progress: told after every clip.

    Returns:
        Why contents could not be described, by their digests.

    Raises:
        OutputError: a shard cannot be written; the earlier ones stay.
    """
    number = max(map(shard_number, shard_files(folder)), default=-1) + 1
    broken: dict[str, DecodeError] = {}
    waiting: dict[str, Rows] = {}
    for done, (digest, result) in enumerate(zip(contents, described, strict=True), 1):
        if isinstance(result, DecodeError):
            broken[digest] = result
        else:
            waiting[digest] = result
        progress("describing clips", done, len(contents))
        if len(waiting) == shard_size:
            write_shard(folder, number, list(waiting), list(waiting.values()))
            number += 1
            waiting = {}
    if waiting:
        write_shard(folder, number, list(waiting), list(waiting.values()))
    return broken
