"""Names for what a video holds, so that a cache is right even after files were moved or replaced."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from a2m2.data.folders import frame_files
from a2m2.data.remembered import Remembered, stamp_of, stat_of, unreadable

_BLOCK_BYTES = 1 << 20


def content_digest(path: Path) -> str:
    """32 hex digits that name the content of a video: the first half of a SHA-256.

    For a file that of its bytes (``sha256sum`` shows the same digits); for a folder of frames that of the
    name, length and bytes of each image in the order of names, other files left out.

    Raises:
        DataError: the file, the folder or a frame cannot be read.
    """
    digest = hashlib.sha256()
    if path.is_dir():
        for frame in frame_files(path):
            digest.update(f"{frame.name}\0{stat_of(frame).st_size}\0".encode("utf-8", "surrogateescape"))
            for block in _blocks(frame):
                digest.update(block)
    else:
        for block in _blocks(path):
            digest.update(block)
    return digest.hexdigest()[:32]


def identical_contents(digests: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """Groups of videos whose contents are the same, byte for byte; names map to digests, groups are sorted.

    Copies in one class can be support and query at once, copies across splits leak the test into the
    training.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(digests):
        groups.setdefault(digests[name], []).append(name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


class DigestCache:
    """Content digests that are remembered on disk, so that a second run does not read 20 GB again.

    They are kept in ``digests.jsonl`` as :class:`~a2m2.data.remembered.Remembered` says: never stale, and
    shared by processes.

    Args:
        folder: where ``digests.jsonl`` is kept; made when the first digest is stored.

    Raises:
        OutputError: the file is there but may not be read.
    """

    def __init__(self, folder: Path) -> None:
        self._entries = Remembered(folder / "digests.jsonl")
        self.path = self._entries.path

    def digest(self, path: Path) -> str:
        """:func:`content_digest` of ``path``, remembered.

        Raises:
            DataError: the video cannot be read.
            OutputError: the digest cannot be stored.
        """
        return self._entries.get(path) or self._computed(path)

    def digests(
        self,
        paths: Iterable[Path],
        *,
        num_threads: int = 4,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[str]:
        """The digest of each path, in order; unknown ones are read ``num_threads`` at a time.

        ``progress`` is told how many of the unknown ones are done. Stopped early, what was read is remembered
        and what was not begun is left.
        """
        wanted = list(paths)
        known = [self._entries.get(path) for path in wanted]
        unknown = dict.fromkeys(path for path, digest in zip(wanted, known, strict=True) if digest is None)
        computed: dict[Path, str] = {}
        pool = ThreadPoolExecutor(num_threads)
        try:
            for path, digest in zip(unknown, pool.map(self._computed, unknown), strict=True):
                computed[path] = digest
                progress(len(computed), len(unknown))
        finally:
            pool.shutdown(cancel_futures=True)
        return [digest or computed[path] for path, digest in zip(wanted, known, strict=True)]

    def _computed(self, path: Path) -> str:
        # The stamp is taken first: a file that changes while it is read will not match it and is read again.
        stamp = stamp_of(path)
        digest = content_digest(path)
        self._entries.keep(path, digest, stamp=stamp)
        return digest


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK_BYTES):
                yield block
    except OSError as error:
        raise unreadable(path, error) from None
