"""Features on disk, each under a digest of everything it was made from.

A feature is found by what it is (``kind``, for example ``maps`` or ``descriptors``), by a digest of
everything that made it (``key``: frame policy, transform, weights, reduction) and by the digest of its video.
So nothing is ever out of date, entries can be removed at any time, and processes may share one store: each
file appears whole.
"""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from a2m2.checks import atomic_path
from a2m2.data import mapped
from a2m2.data.cache import default_cache
from a2m2.errors import OutputError

_CHECKSUM = "crc32"
_DAMAGE = (SafetensorError, RuntimeError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError)
"""What safetensors and torch raise for headers that are damaged, or name types and shapes that torch does not have."""
_PIECE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Stack:
    """Features of many videos, or which of them are not stored.

    Attributes:
        tensors: name to a tensor with one row a video, in the order asked for; empty unless all were found.
        missing: positions of the videos that are not stored, or whose file is damaged.
    """

    tensors: dict[str, Tensor]
    missing: tuple[int, ...] = ()


class FeatureStore:
    """Named tensors of videos, one safetensors file a video.

    A file that is cut off, damaged or of another make counts as missing and is removed when it is met: every
    file carries a checksum of its tensors. Dtypes are kept as given; callers should give float16 for maps,
    float32 for descriptors.

    Args:
        root: folder of the store, made by ``put``; by default ``features`` in
            :func:`~a2m2.data.cache.default_cache`.

    Attributes:
        hits, misses, writes: how many videos were found, not found, and written by this object.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = default_cache() / "features" if root is None else root
        self.hits = 0
        self.misses = 0
        self.writes = 0

    def contains(self, kind: str, key: str, video_digest: str) -> bool:
        """Whether a file of the right length is there; only :meth:`get` looks at every byte of it."""
        try:
            with safe_open(self._path(kind, key, video_digest), framework="pt"):
                return True
        except (OSError, SafetensorError):
            return False

    def get(self, kind: str, key: str, video_digest: str) -> dict[str, Tensor] | None:
        """The tensors of one video, on the CPU; None when they are not stored or were damaged.

        Raises:
            OutputError: the file is there but may not be read.
        """
        path = self._path(kind, key, video_digest)
        content = _read(path)
        tensors = None if content is None else _unpack(content)
        if tensors is not None:
            self.hits += 1
            return tensors
        self.misses += 1
        if content is not None:
            # Another process may have put a good file there just now: then it is made once more.
            with contextlib.suppress(OSError):
                path.unlink()
        return None

    def put(self, kind: str, key: str, video_digest: str, tensors: Mapping[str, Tensor]) -> None:
        """Store the tensors of one video in place of what was there.

        Raises:
            OutputError: the file cannot be written; nothing is left behind.
        """
        # Not made lasting: a file that a loss of power cut off has no right checksum, and is made again.
        with atomic_path(self._path(kind, key, video_digest), lasting=False) as temporary:
            temporary.write_bytes(_pack(tensors))
        self.writes += 1

    def load_many(self, kind: str, key: str, video_digests: Sequence[str]) -> Stack:
        """The tensors of many videos, stacked along a new first axis; large stacks are mapped from the store's disk.

        Raises:
            ValueError: the videos have tensors of different names, shapes or dtypes.
            OutputError: a file is there but may not be read.
        """
        stacked: dict[str, Tensor] = {}
        missing = []
        for position, video_digest in enumerate(video_digests):
            tensors = self.get(kind, key, video_digest)
            if tensors is None:
                missing.append(position)
                continue
            if not stacked:
                num = len(video_digests)
                stacked = {
                    name: mapped.empty(self.root, (num, *tensor.shape), tensor.dtype)
                    for name, tensor in tensors.items()
                }
            expected = {name: (tensor.dtype, tensor.shape[1:]) for name, tensor in stacked.items()}
            found = {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}
            if found != expected:
                raise ValueError(f"expected {expected} in {kind}/{key}, got {found} for {video_digest}")
            for name, tensor in tensors.items():
                stacked[name][position] = tensor
        return Stack({} if missing else stacked, tuple(missing))

    def _path(self, kind: str, key: str, video_digest: str) -> Path:
        for piece in (kind, key, video_digest):
            if not _PIECE.fullmatch(piece):
                raise ValueError(f"expected a kind, key or digest of letters, digits and ._-, got {piece!r}")
        return self.root / kind / key / video_digest[:2] / f"{video_digest}.safetensors"


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = (error.strerror or "unknown fault").lower()
        raise OutputError(
            f"cannot read the stored features {path}: {reason}; set A2M2_CACHE to another folder"
        ) from None


def _pack(tensors: Mapping[str, Tensor]) -> bytes:
    """Tensors and their checksum, which travels as one more tensor."""
    if _CHECKSUM in tensors:
        raise ValueError(f"expected tensor names other than '{_CHECKSUM}', which the store uses itself")
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    stored[_CHECKSUM] = torch.tensor(_checksum(stored), dtype=torch.int64)
    return safetensors.torch.save(stored)


def _unpack(content: bytes) -> dict[str, Tensor] | None:
    """Inverse of :func:`_pack`; None when the content is cut off, damaged, or has no right checksum."""
    try:
        tensors = safetensors.torch.load(content)
        checksum = tensors.pop(_CHECKSUM, None)
        if checksum is None or checksum.numel() != 1 or checksum.item() != _checksum(tensors):
            return None
    except _DAMAGE:
        return None
    return tensors


def _checksum(tensors: Mapping[str, Tensor]) -> int:
    """CRC-32 of names, dtypes, shapes and bytes. A file system may keep a file's length and lose its end."""
    value = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        value = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), value)
        value = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, value)
    return value
