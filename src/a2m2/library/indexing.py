"""Indexing a collection: whatever is new is described, what is gone is forgotten, and the catalogue says the rest."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from a2m2.checks import alone_in, output_folder
from a2m2.data import DigestCache
from a2m2.errors import DataError, DecodeError, RecordError
from a2m2.eval.maps import Progress
from a2m2.library.beginning import IndexSettings, begin, describe_eyes
from a2m2.library.catalogue import FILE as CATALOGUE
from a2m2.library.catalogue import Catalogue, make_catalogue, read_catalogue, write_catalogue
from a2m2.library.checked_files import is_whole
from a2m2.library.collection import Collection, read_collection
from a2m2.library.contents import Contents
from a2m2.library.describing import Described, describe_here, write_shards
from a2m2.library.eyes import FILE as EYES
from a2m2.library.first_pass import first_pass_files, require_library, write_first_pass
from a2m2.library.ray_engine import describe_on_ray
from a2m2.library.shards import Shard, map_shard, shard_files
from a2m2.library_records import BrokenClip, IndexRecord
from a2m2.recognize.encoders import ClipEncoder


@dataclass(frozen=True)
class IndexPlan:
    """What indexing would do.

    Attributes:
        clips, contents: in the collection.
        to_describe: contents that no shard holds.
        forgotten: contents in shards that no clip has any more.
        unreadable: clips that cannot be read.
        damaged: shards that would be made again.
        seen_with: the encoder, in words.
    """

    clips: int
    contents: int
    to_describe: int
    forgotten: int
    unreadable: tuple[BrokenClip, ...]
    damaged: tuple[str, ...]
    seen_with: str


def plan_index(
    place: Path, folder: Path, *, settings: IndexSettings, cache: Path, progress: Progress
) -> IndexPlan:
    """What :func:`index_collection` would do; writes nothing but digests into ``cache``.

    Raises:
        DataError, WeightsError, ConfigError: as :func:`index_collection`.
    """
    collection = _read(place, settings, cache, progress)
    seen_with = describe_eyes(folder, settings, cache)
    described, damaged = _described(folder)
    contents = collection.contents()
    return IndexPlan(
        clips=len(collection.digests),
        contents=len(contents),
        to_describe=len(contents.keys() - described),
        forgotten=len(described - contents.keys()),
        unreadable=collection.unreadable,
        damaged=tuple(path.name for path in damaged),
        seen_with=seen_with,
    )


def index_collection(
    place: Path, folder: Path, *, settings: IndexSettings, cache: Path, progress: Progress
) -> IndexRecord:
    """Make or renew the index of a collection.

    A content that any shard holds is not described again, whatever its clip is called and wherever it lies now. Killed
    at any time, the same call goes on with the shard that it was at and ends with the same bytes; on a GPU, with the
    same but for last digits.

    Args:
        place: folder with clips at any depth, or a manifest.
        folder: of the index.
        settings: how.
        cache: folder for digests, and for features of the clips that a reduction is fitted on.
        progress: told about long steps.

    Raises:
        DataError: no clips, or none that can be described.
        WeightsError: an encoder that is not to be had.
        ConfigError: an index that was begun with another encoder; usearch is missing and the collection large; or Ray
            is missing and asked for.
        EngineError: a cluster that cannot be reached, or whose workers keep ending.
        RecordError: a shard that cannot be read, or is of another version.
        OutputError: ``folder`` holds something else, cannot be written, or another process is indexing into it.
    """
    collection = _read(place, settings, cache, progress)
    contents = collection.contents()
    if len(contents) > settings.smallest:
        require_library()
    output_folder(folder, marker=EYES)
    with alone_in(folder):
        return _renew(place, collection, folder, settings, cache, progress)


def _renew(
    place: Path,
    collection: Collection,
    folder: Path,
    settings: IndexSettings,
    cache: Path,
    progress: Progress,
) -> IndexRecord:
    """Describe what is new, and write the catalogue."""
    contents = collection.contents()
    encoder = begin(folder, contents, settings, cache, progress)
    described, damaged = _described(folder)
    for path in damaged:
        path.unlink()
    todo = {digest: path for digest, path in contents.items() if digest not in described}
    results = _results(folder, encoder, todo, settings, cache)
    failures = write_shards(folder, todo, results, shard_size=settings.shard_size, progress=progress)
    broken = _broken(collection, failures)
    clips = {name: digest for name, digest in collection.digests.items() if digest not in failures}
    if not clips:
        raise DataError(f"no clip of {place} can be described, the first because: {broken[0].cause}")
    catalogue, shards = _catalogue(folder, encoder, clips, settings, progress)
    kept = described & contents.keys()
    shard_bytes = sum(shard.path.stat().st_size for shard in shards) / sum(map(len, shards))
    first_pass_bytes = sum((folder / name).stat().st_size for name in catalogue.first_pass)
    return IndexRecord(
        clips=len(clips),
        contents=len(catalogue.contents),
        described=len(todo) - len(failures),
        kept=len(kept),
        forgotten=len(described - kept),
        broken=broken,
        damaged=tuple(path.name for path in damaged),
        shard_bytes=shard_bytes,
        first_pass_bytes=first_pass_bytes / len(catalogue.contents),
    )


def _results(
    folder: Path, encoder: ClipEncoder, todo: dict[str, Path], settings: IndexSettings, cache: Path
) -> Iterator[Described]:
    """What each content shows, by the engine that the settings name."""
    if settings.engine == "ray":
        return describe_on_ray(folder, todo, cache=cache, num_workers=settings.num_threads)
    return describe_here(encoder, todo, digests=DigestCache(cache), num_threads=settings.num_threads)


def _read(place: Path, settings: IndexSettings, cache: Path, progress: Progress) -> Collection:
    return read_collection(
        place, digests=DigestCache(cache), num_threads=settings.num_threads, progress=progress
    )


def _described(folder: Path) -> tuple[set[str], list[Path]]:
    """Contents in whole shards, and the shards that are not whole.

    A shard that cannot be read, or is of another version, is an error: it is not ours to remove.
    """
    digests: set[str] = set()
    damaged = []
    for path in shard_files(folder):
        if is_whole(path):
            digests.update(map_shard(path).digests)
        else:
            damaged.append(path)
    return digests, damaged


def _broken(collection: Collection, failures: dict[str, DecodeError]) -> tuple[BrokenClip, ...]:
    broken = [
        BrokenClip(name, f"{failures[digest].cause}; {failures[digest].cure}")
        for name, digest in collection.digests.items()
        if digest in failures
    ]
    return tuple(sorted([*collection.unreadable, *broken], key=lambda clip: clip.name))


def _catalogue(
    folder: Path, encoder: ClipEncoder, clips: dict[str, str], settings: IndexSettings, progress: Progress
) -> tuple[Catalogue, list[Shard]]:
    """Write the catalogue, and remove what it does not name."""
    wanted = set(clips.values())
    everything = [map_shard(path) for path in shard_files(folder)]
    shards = [shard for shard in everything if wanted.intersection(shard.digests)]
    catalogue = make_catalogue(clips, [(shard.path.name, shard.digests) for shard in shards])
    if len(catalogue.contents) > settings.smallest:
        contents = Contents(folder, encoder, catalogue)
        catalogue = replace(catalogue, first_pass=_first_pass(contents, settings, progress))
    write_catalogue(folder, catalogue)
    named = {shard.path for shard in shards}
    for shard in everything:
        if shard.path not in named:
            shard.path.unlink()
    for path in first_pass_files(folder):
        if path.name not in catalogue.first_pass:
            path.unlink()
    return catalogue, shards


def _first_pass(contents: Contents, settings: IndexSettings, progress: Progress) -> tuple[str, ...]:
    """Sketches of all contents; those of the last catalogue where it holds the same."""
    folder, catalogue = contents.folder, contents.catalogue
    before = None
    if (folder / CATALOGUE).is_file():
        with contextlib.suppress(RecordError):
            before = read_catalogue(folder)
    if (
        before is not None
        and before.first_pass
        and before.shards == catalogue.shards
        and np.array_equal(before.contents, catalogue.contents)
        and all((folder / name).is_file() and is_whole(folder / name) for name in before.first_pass)
    ):
        return before.first_pass
    return write_first_pass(contents, num_threads=settings.num_threads, progress=progress)
