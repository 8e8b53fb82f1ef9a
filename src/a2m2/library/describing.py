"""Clips to shards, in order: a run that was killed goes on with the next shard, and writes what it would have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from a2m2.data import DigestCache
from a2m2.errors import DataError, DecodeError
from a2m2.eval.describe import concatenate
from a2m2.eval.maps import Progress
from a2m2.eval.threads import map_in_threads
from a2m2.library.eyes import describe_alone
from a2m2.library.shards import shard_files, shard_number, write_shard
from a2m2.recognize.clips import sample_clip
from a2m2.recognize.encoders import ClipEncoder
from a2m2.structures import Descriptors


def describe_contents(
    folder: Path,
    encoder: ClipEncoder,
    contents: Mapping[str, Path],
    *,
    digests: DigestCache,
    shard_size: int,
    num_threads: int,
    progress: Progress,
) -> dict[str, DecodeError]:
    """Describe contents and write them as shards of ``shard_size``; the last may be smaller.

    Clips that cannot be decoded take no place in a shard, so that meeting them again changes none.

    Args:
        folder: of the index.
        encoder: describes.
        contents: a clip for each content digest, in the order in which they are written.
        digests: tells whether a clip is still what it was.
        shard_size: contents a shard.
        num_threads: clips worked on at the same time; shards do not depend on it.
        progress: told after every clip.

    Returns:
        Why contents could not be described, by their digests.

    Raises:
        OutputError: a shard cannot be written; the earlier ones stay.
    """

    def describe(digest: str) -> Descriptors | DecodeError:
        path = contents[digest]
        try:
            described = describe_alone(encoder, sample_clip(path, encoder.video))
        except DecodeError as error:
            return error
        try:
            same = digests.digest(path) == digest
        except DataError:
            same = False
        return described if same else DecodeError(path, "it changed while it was read", "index again")

    number = max(map(shard_number, shard_files(folder)), default=-1) + 1
    broken: dict[str, DecodeError] = {}
    waiting: dict[str, Descriptors] = {}
    results = map_in_threads(describe, contents, num_threads=num_threads)
    for done, (digest, result) in enumerate(zip(contents, results, strict=True), 1):
        if isinstance(result, DecodeError):
            broken[digest] = result
        else:
            waiting[digest] = result
        progress("describing clips", done, len(contents))
        if len(waiting) == shard_size:
            _write(folder, number, waiting)
            number += 1
            waiting = {}
    if waiting:
        _write(folder, number, waiting)
    return broken


def _write(folder: Path, number: int, described: Mapping[str, Descriptors]) -> None:
    write_shard(folder, number, list(described), concatenate(list(described.values())))
